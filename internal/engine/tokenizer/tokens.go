package tokenizer

import (
	"fmt"
	"slices"
)

// attributes are what a token is; more than one may hold.
type attributes uint8

const (
	isNormal attributes = 1 << iota
	isUnknown
	isControl
	isUserDefined
	isByte
	isEnd
	stripsLeft
	stripsRight
)

// isHidden holds for tokens that are no text: they come of no text but their
// own name, where special tokens are asked for, and make none.
const isHidden = isControl | isUnknown

// tokens is what both kinds of tokenizers know of their tokens.
type tokens struct {
	vocabulary     Vocabulary
	attributes     []attributes
	joined         []byte           // the bytes of all pieces, one after the other
	ends           []uint32         // of each piece in joined
	ids            map[string]int32 // until the tokenizer is made
	addBOS, addEOS bool
	all, always    *partition // special tokens; those found in any text
}

// newTokens checks what both kinds have in common. The pieces are still to be set.
func newTokens(v Vocabulary) (*tokens, error) {
	if len(v.Tokens) == 0 {
		return nil, fmt.Errorf("%w: tokenizer.ggml.tokens: there are none", ErrVocabulary)
	}
	if v.Types != nil && len(v.Types) != len(v.Tokens) {
		return nil, fmt.Errorf("%w: tokenizer.ggml.token_type: %d tokens but %d token types", ErrVocabulary, len(v.Tokens), len(v.Types))
	}
	places := map[string]int32{"beginning of a text": v.BOS, "end of a text": v.EOS, "unknown": v.Unknown}
	for mark, id := range v.Marked {
		places[string(mark)] = id
	}
	for name, id := range places {
		if id < -1 || int(id) >= len(v.Tokens) {
			return nil, fmt.Errorf("%w: the token for %s is %d of %d tokens", ErrVocabulary, name, id, len(v.Tokens))
		}
	}
	t := &tokens{vocabulary: v, ends: make([]uint32, 0, len(v.Tokens)), attributes: make([]attributes, len(v.Tokens)), ids: make(map[string]int32, len(v.Tokens))}
	for i, text := range v.Tokens {
		t.attributes[i] = v.attributesOf(i)
		if text == "" {
			continue // padding, of which there may be more than one
		}
		if first, twice := t.ids[text]; twice {
			return nil, fmt.Errorf("%w: tokenizer.ggml.tokens: tokens %d and %d are both %q", ErrVocabulary, first, i, text)
		}
		t.ids[text] = int32(i)
	}
	t.findMarks()
	t.findStripping()
	var all, always []int32
	for i, a := range t.attributes {
		if a&(isHidden|isUserDefined) != 0 && v.Tokens[i] != "" {
			all = append(all, int32(i))
			if a&isHidden == 0 {
				always = append(always, int32(i))
			}
		}
	}
	t.all, t.always = newPartition(t, all), newPartition(t, always)
	return t, nil
}

func (v *Vocabulary) attributesOf(i int) attributes {
	if v.Types == nil {
		return isNormal
	}
	switch v.Types[i] {
	case Normal:
		return isNormal
	case Unknown:
		return isUnknown
	case Control:
		return isControl
	case UserDefined:
		return isUserDefined
	case Byte:
		return isByte
	}
	return 0
}

func (t *tokens) has(id int32, a attributes) bool {
	return id >= 0 && int(id) < len(t.attributes) && t.attributes[id]&a != 0
}

// Size is the number of tokens.
func (t *tokens) Size() int { return len(t.attributes) }

// BOS is the token that begins a text, or −1.
func (t *tokens) BOS() int32 { return t.vocabulary.BOS }

// EOS is the token that ends a text, or −1.
func (t *tokens) EOS() int32 { return t.vocabulary.EOS }

// AddsBOS says whether every prompt begins with BOS.
func (t *tokens) AddsBOS() bool { return t.addBOS && t.vocabulary.BOS >= 0 }

// AddsEOS says whether every prompt ends with EOS.
func (t *tokens) AddsEOS() bool { return t.addEOS && t.vocabulary.EOS >= 0 }

// IsControl says whether a token is no text but a mark, such as the end.
func (t *tokens) IsControl(id int32) bool { return t.has(id, isHidden) }

// EndsText says whether an answer is over when the model draws the token.
func (t *tokens) EndsText(id int32) bool { return t.has(id, isEnd) }

// Text is a token's text as its vocabulary has it, or "" out of range.
func (t *tokens) Text(id int32) string {
	if id < 0 || int(id) >= len(t.attributes) {
		return ""
	}
	return t.vocabulary.Tokens[id]
}

// Piece is the bytes that a token stands for, nil out of range.
func (t *tokens) Piece(id int32) []byte {
	if id < 0 || int(id) >= len(t.ends) {
		return nil
	}
	begin, end := uint32(0), t.ends[id]
	if id > 0 {
		begin = t.ends[id-1]
	}
	return t.joined[begin:end:end]
}

// addPiece says what the next token stands for. A file of metadata is far
// smaller than its offsets could count.
func (t *tokens) addPiece(piece []byte) {
	t.joined = append(t.joined, piece...)
	t.ends = append(t.ends, uint32(len(t.joined)))
}

// finish lets go of what only making the tokenizer needs.
func (t *tokens) finish() {
	t.joined, t.ids, t.vocabulary.Merges, t.vocabulary.Scores = slices.Clip(t.joined), nil, nil, nil
}

// Decode joins the bytes of tokens, leaving control tokens out.
func (t *tokens) Decode(ids []int32) []byte {
	var text []byte
	for _, id := range ids {
		if !t.IsControl(id) {
			text = append(text, t.Piece(id)...)
		}
	}
	return text
}

// frame encodes a text: BOS and EOS where they belong, special tokens as they
// are, and the text between them by raw, which learns whether it follows a
// special token or the beginning.
func (t *tokens) frame(text string, special bool, raw func(ids []int32, text string, first bool) []int32) []int32 {
	var ids []int32
	parts := t.always
	if special {
		parts = t.all
		if t.AddsBOS() {
			ids = append(ids, t.vocabulary.BOS)
		}
	}
	first := true
	for _, f := range parts.split(text) {
		if f.token >= 0 {
			ids, first = append(ids, f.token), true
			continue
		}
		ids = raw(ids, f.text, first)
		first = false
	}
	if special && t.AddsEOS() {
		ids = append(ids, t.vocabulary.EOS)
	}
	return ids
}
