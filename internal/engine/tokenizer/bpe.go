// Package tokenizer turns text into the token ids of a model and back.
package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Type says what a token stands for, as GGUF's tokenizer.ggml.token_type.
type Type int32

// The types of GGUF; numbers as in llama.cpp.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3
	UserDefined Type = 4
	Unused      Type = 5
	Byte        Type = 6
)

// Vocabulary is what defines a byte-level BPE tokenizer.
type Vocabulary struct {
	// Tokens are the tokens' texts in GPT-2's alphabet of printable characters
	// for bytes; control and user-defined tokens stand as they are.
	Tokens []string
	// Types has one type a token; nil means that all are Normal.
	Types []Type
	// Merges are pairs of tokens separated by a space, the most urgent first.
	Merges []string
	// BOS and EOS begin and end a text; −1 for none.
	BOS, EOS int32
	// AddBOS puts BOS before every text that is encoded with special tokens.
	AddBOS bool
}

// ErrVocabulary is returned for a vocabulary that is not one.
var ErrVocabulary = errors.New("invalid vocabulary")

// BPE is a byte-level byte-pair encoder (Sennrich et al., 2016; Radford et al.,
// 2019). It is safe for concurrent use.
type BPE struct {
	vocabulary Vocabulary
	pieces     [][]byte
	bytes      [256]int32
	ranks      map[[2]int32]merge
	special    []string // texts of control and user-defined tokens, longest first
	ids        map[string]int32
}

type merge struct{ rank, token int32 }

// New checks a vocabulary and makes its encoder.
func New(v Vocabulary) (*BPE, error) {
	if v.Types != nil && len(v.Types) != len(v.Tokens) {
		return nil, fmt.Errorf("%w: %d tokens but %d token types", ErrVocabulary, len(v.Tokens), len(v.Types))
	}
	for name, id := range map[string]int32{"beginning": v.BOS, "end": v.EOS} {
		if id < -1 || int(id) >= len(v.Tokens) {
			return nil, fmt.Errorf("%w: the token for the %s of a text is %d of %d tokens", ErrVocabulary, name, id, len(v.Tokens))
		}
	}
	t := &BPE{vocabulary: v, pieces: make([][]byte, len(v.Tokens)), ids: make(map[string]int32, len(v.Tokens)), ranks: make(map[[2]int32]merge, len(v.Merges))}
	for b := range t.bytes {
		t.bytes[b] = -1
	}
	for i, text := range v.Tokens {
		id := int32(i)
		if _, twice := t.ids[text]; !twice {
			t.ids[text] = id
		}
		switch v.typeOf(id) {
		case Control, UserDefined:
			t.pieces[i] = []byte(text)
			if text != "" {
				t.special = append(t.special, text)
			}
			continue
		}
		t.pieces[i] = fromAlphabet(text)
		if piece := t.pieces[i]; len(piece) == 1 && t.bytes[piece[0]] < 0 {
			t.bytes[piece[0]] = id
		}
	}
	slices.SortFunc(t.special, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return t, t.readMerges()
}

func (t *BPE) readMerges() error {
	for rank, text := range t.vocabulary.Merges {
		// A token may hold no space, but may be empty in hostile files.
		left, right, ok := strings.Cut(text, " ")
		l, okLeft := t.ids[left]
		r, okRight := t.ids[right]
		whole, okWhole := t.ids[left+right]
		if !ok || !okLeft || !okRight || !okWhole {
			return fmt.Errorf("%w: merge %d, %q, does not join two tokens to a third", ErrVocabulary, rank, text)
		}
		if _, twice := t.ranks[[2]int32{l, r}]; !twice {
			t.ranks[[2]int32{l, r}] = merge{int32(rank), whole}
		}
	}
	return nil
}

func (v *Vocabulary) typeOf(id int32) Type {
	if v.Types == nil {
		return Normal
	}
	return v.Types[id]
}

// Size is the number of tokens.
func (t *BPE) Size() int { return len(t.pieces) }

// BOS is the token that begins a text, or −1.
func (t *BPE) BOS() int32 { return t.vocabulary.BOS }

// EOS is the token that ends a text, or −1.
func (t *BPE) EOS() int32 { return t.vocabulary.EOS }

// Text is a token's text as its vocabulary has it, or "" out of range.
func (t *BPE) Text(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.vocabulary.Tokens[id]
}

// IsControl says whether a token is no text but a mark, such as the end.
func (t *BPE) IsControl(id int32) bool {
	return id >= 0 && int(id) < len(t.pieces) && t.vocabulary.typeOf(id) == Control
}

// Piece is the bytes that a token stands for, nil out of range. A character
// may be spread over several tokens. The result must not be changed.
func (t *BPE) Piece(id int32) []byte {
	if id < 0 || int(id) >= len(t.pieces) {
		return nil
	}
	return t.pieces[id]
}

// Decode joins the bytes of tokens, leaving control tokens out.
func (t *BPE) Decode(ids []int32) []byte {
	var text []byte
	for _, id := range ids {
		if !t.IsControl(id) {
			text = append(text, t.Piece(id)...)
		}
	}
	return text
}

// Encode turns text into token ids. With special set, the texts of control
// tokens become those tokens, and the beginning is marked where the vocabulary
// says so; without, they are text like any other. User-defined tokens are
// always found.
func (t *BPE) Encode(text string, special bool) []int32 {
	var ids []int32
	if special && t.vocabulary.AddBOS && t.vocabulary.BOS >= 0 {
		ids = append(ids, t.vocabulary.BOS)
	}
	for text != "" {
		at, found := t.nextSpecial(text, special)
		for piece := range Split(text[:at]) {
			ids = t.encodePiece(ids, piece)
		}
		text = text[at:]
		if found != "" {
			ids = append(ids, t.ids[found])
			text = text[len(found):]
		}
	}
	return ids
}

// nextSpecial finds the first special token in text: its place and its text,
// or the end and "".
func (t *BPE) nextSpecial(text string, control bool) (int, string) {
	at, found := len(text), ""
	for _, s := range t.special {
		if !control && t.vocabulary.typeOf(t.ids[s]) == Control {
			continue
		}
		if i := strings.Index(text[:min(len(text), at+len(s))], s); i >= 0 && i < at {
			at, found = i, s
		}
	}
	return at, found
}

// encodePiece appends the tokens of one piece: its bytes, of which the
// neighbours with the most urgent merge are joined until none has one. It
// keeps the candidates in a heap, so that a long piece takes n·log n.
func (t *BPE) encodePiece(ids []int32, piece string) []int32 {
	symbols := make([]symbol, 0, len(piece))
	for i := range len(piece) {
		if id := t.bytes[piece[i]]; id >= 0 {
			symbols = append(symbols, symbol{id: id, previous: int32(len(symbols)) - 1, next: int32(len(symbols)) + 1})
		}
	}
	if len(symbols) == 0 {
		return ids
	}
	symbols[len(symbols)-1].next = -1
	queue := make(candidates, 0, len(symbols))
	for i := range len(symbols) - 1 {
		queue = t.propose(queue, symbols, int32(i))
	}
	for len(queue) > 0 {
		var c candidate
		c, queue = queue.pop()
		left := &symbols[c.left]
		if left.id != c.pair[0] || left.next < 0 || symbols[left.next].id != c.pair[1] {
			continue // one of the two has been merged since
		}
		gone := left.next
		left.id, left.next = c.token, symbols[gone].next
		symbols[gone].id = -1
		if left.next >= 0 {
			symbols[left.next].previous = c.left
			queue = t.propose(queue, symbols, c.left)
		}
		if left.previous >= 0 {
			queue = t.propose(queue, symbols, left.previous)
		}
	}
	for i := int32(0); i >= 0; i = symbols[i].next {
		ids = append(ids, symbols[i].id)
	}
	return ids
}

// symbol is a token in a piece being encoded, in a doubly linked list.
type symbol struct{ id, previous, next int32 }

// propose queues the merge of the symbol at left with its successor, if there is one.
func (t *BPE) propose(queue candidates, symbols []symbol, left int32) candidates {
	p := [2]int32{symbols[left].id, symbols[symbols[left].next].id}
	if m, ok := t.ranks[p]; ok {
		return queue.push(candidate{rank: m.rank, left: left, token: m.token, pair: p})
	}
	return queue
}

// The alphabet in which GPT-2 writes bytes: printable Latin-1 characters stand
// for themselves, the others for 256, 257, … in order.
var alphabet, alphabetBytes = func() ([256]rune, map[rune]byte) {
	var runes [256]rune
	back := make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(r >= '!' && r <= '~' || r >= '¡' && r <= '¬' || r >= '®' && r <= 'ÿ') {
			r, next = next, next+1
		}
		runes[b], back[r] = r, byte(b)
	}
	return runes, back
}()

// ToAlphabet writes bytes in the alphabet of a [Vocabulary]'s Tokens.
func ToAlphabet(piece string) string {
	var text strings.Builder
	for i := range len(piece) {
		text.WriteRune(alphabet[piece[i]])
	}
	return text.String()
}

// fromAlphabet reads it back; other characters stand for themselves.
func fromAlphabet(text string) []byte {
	piece := make([]byte, 0, len(text))
	for _, r := range text {
		if b, ok := alphabetBytes[r]; ok {
			piece = append(piece, b)
		} else {
			piece = utf8.AppendRune(piece, r)
		}
	}
	return piece
}

// AddsBOS says whether every prompt begins with BOS.
func (t *BPE) AddsBOS() bool { return t.vocabulary.AddBOS && t.vocabulary.BOS >= 0 }
