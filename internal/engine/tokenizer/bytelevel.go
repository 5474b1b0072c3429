package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// byteLevel is a byte-level byte-pair encoder (Sennrich et al., 2016; Radford
// et al., 2019).
type byteLevel struct {
	*tokens
	pre   preTokenizer
	bytes [256]int32 // the tokens of single bytes, or −1
	ranks map[[2]int32]ranked
	whole map[string]int32 // tokens by their bytes, if whole pieces are taken
}

type ranked struct{ rank, token int32 }

func newByteLevel(v Vocabulary) (*byteLevel, error) {
	pre, err := preTokenizerOf(v.Pre)
	if err != nil {
		return nil, err
	}
	common, err := newTokens(v)
	if err != nil {
		return nil, err
	}
	t := &byteLevel{tokens: common, pre: pre, ranks: make(map[[2]int32]ranked, len(v.Merges))}
	t.addBOS, t.addEOS = chosen(v.AddBOS, pre.addBOS), chosen(v.AddEOS, false)
	if pre.wholePieces {
		t.whole = make(map[string]int32, len(v.Tokens))
	}
	for b := range t.bytes {
		t.bytes[b] = -1
	}
	for i, text := range v.Tokens {
		// Where a text is no bytes in the alphabet, no bytes make it.
		piece := string(fromAlphabet(text))
		if t.attributes[i]&(isHidden|isUserDefined) != 0 {
			t.addPiece([]byte(text))
		} else {
			t.addPiece([]byte(piece))
		}
		if t.attributes[i]&isHidden != 0 || ToAlphabet(piece) != text {
			continue
		}
		if len(piece) == 1 {
			t.bytes[piece[0]] = int32(i)
		}
		if pre.wholePieces {
			t.whole[piece] = int32(i)
		}
	}
	if err := t.readMerges(); err != nil {
		return nil, err
	}
	t.finish()
	return t, nil
}

func (t *byteLevel) readMerges() error {
	for rank, text := range t.vocabulary.Merges {
		// A token may begin with a space.
		cut := strings.IndexByte(text[min(1, len(text)):], ' ') + 1
		left, right := text[:cut], text[min(cut+1, len(text)):]
		l, okLeft := t.ids[left]
		r, okRight := t.ids[right]
		whole, okWhole := t.ids[left+right]
		if cut == 0 || !okLeft || !okRight || !okWhole {
			return fmt.Errorf("%w: tokenizer.ggml.merges: merge %d, %q, does not join two tokens to a third", ErrVocabulary, rank, text)
		}
		if t.has(whole, isHidden) {
			continue // no text makes a control token
		}
		if _, twice := t.ranks[[2]int32{l, r}]; !twice {
			t.ranks[[2]int32{l, r}] = ranked{int32(rank), whole}
		}
	}
	return nil
}

// Encode turns text into token ids.
func (t *byteLevel) Encode(text string, special bool) []int32 {
	m := &merging{join: func(l, r *symbol) (int32, int32, bool) {
		found, ok := t.ranks[[2]int32{l.token, r.token}]
		return found.rank, found.token, ok
	}}
	return t.frame(text, special, func(ids []int32, text string, _ bool) []int32 {
		for _, piece := range t.pre.split(text) {
			ids = t.encodePiece(ids, m, piece)
		}
		return ids
	})
}

// encodePiece appends the tokens of a piece. Bytes without a token are left
// out, but keep their neighbours apart.
func (t *byteLevel) encodePiece(ids []int32, m *merging, piece string) []int32 {
	if id, ok := t.whole[piece]; ok {
		return append(ids, id)
	}
	m.symbols = m.symbols[:0]
	for i := range len(piece) {
		m.add(t.bytes[piece[i]], int32(i), 1)
	}
	m.run()
	m.each(func(s *symbol) {
		if s.token >= 0 {
			ids = append(ids, s.token)
		}
	})
	return ids
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
