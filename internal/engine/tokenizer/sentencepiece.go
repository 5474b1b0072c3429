package tokenizer

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// spaceMark stands for the space in the tokens of a SentencePiece.
const spaceMark = "▁"

// sentencePiece cuts text like the byte-pair encoding of SentencePiece (Kudo and
// Richardson, 2018): characters are joined to tokens, those with the highest
// scores first, and characters that are no token become their bytes.
type sentencePiece struct {
	*tokens
	spacePrefix bool
	texts       map[string]ranked // tokens that text may become
	longest     int32             // of them
	bytes       [256]int32        // the tokens of single bytes, or −1
}

func newSentencePiece(v Vocabulary) (*sentencePiece, error) {
	if v.Scores != nil && len(v.Scores) != len(v.Tokens) {
		return nil, fmt.Errorf("%w: tokenizer.ggml.scores: %d tokens but %d scores", ErrVocabulary, len(v.Tokens), len(v.Scores))
	}
	common, err := newTokens(v)
	if err != nil {
		return nil, err
	}
	t := &sentencePiece{tokens: common, spacePrefix: chosen(v.SpacePrefix, true), texts: make(map[string]ranked, len(v.Tokens))}
	t.addBOS, t.addEOS = chosen(v.AddBOS, true), chosen(v.AddEOS, false)
	ranks, err := ranksOf(v.Scores, len(v.Tokens))
	if err != nil {
		return nil, err
	}
	for i, text := range v.Tokens {
		switch a := t.attributes[i]; {
		case a&(isHidden|isUserDefined) != 0:
			t.addPiece([]byte(text))
		case a&isByte != 0:
			b, err := parseByte(text)
			if err != nil {
				return nil, fmt.Errorf("%w: tokenizer.ggml.tokens: token %d: %w", ErrVocabulary, i, err)
			}
			t.addPiece([]byte{b})
		default:
			t.addPiece([]byte(strings.ReplaceAll(text, spaceMark, " ")))
		}
		if t.attributes[i]&(isControl|isByte) == 0 && text != "" {
			t.texts[text] = ranked{ranks[i], int32(i)}
			t.longest = max(t.longest, int32(min(len(text), math.MaxInt32)))
		}
	}
	for b := range t.bytes {
		t.bytes[b] = t.byteToken(byte(b))
	}
	t.finish()
	return t, nil
}

// ranksOf numbers scores from the highest; equal ones have one number.
func ranksOf(scores []float32, n int) ([]int32, error) {
	ranks := make([]int32, n)
	if scores == nil {
		return ranks, nil
	}
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
		if scores[i] != scores[i] {
			return nil, fmt.Errorf("%w: tokenizer.ggml.scores: the score of token %d is not a number", ErrVocabulary, i)
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
	for i := 1; i < n; i++ {
		ranks[order[i]] = ranks[order[i-1]]
		if scores[order[i]] != scores[order[i-1]] {
			ranks[order[i]]++
		}
	}
	return ranks, nil
}

// parseByte reads the text of a byte token, <0x41>.
func parseByte(text string) (byte, error) {
	if len(text) == 6 && strings.HasPrefix(text, "<0x") && text[5] == '>' {
		if n, err := strconv.ParseUint(text[3:5], 16, 8); err == nil {
			return byte(n), nil
		}
	}
	return 0, fmt.Errorf("%q is no byte", text)
}

// byteToken is the token that stands for a byte that no other token covers.
func (t *sentencePiece) byteToken(b byte) int32 {
	for _, text := range []string{fmt.Sprintf("<0x%02X>", b), string([]byte{b})} {
		if id, ok := t.ids[text]; ok && !t.has(id, isHidden) {
			return id
		}
	}
	return -1
}

// Encode turns text into token ids.
func (t *sentencePiece) Encode(text string, special bool) []int32 {
	return t.frame(text, special, func(ids []int32, text string, first bool) []int32 {
		if t.spacePrefix && first {
			text = " " + text
		}
		return t.encode(ids, strings.ReplaceAll(text, " ", spaceMark))
	})
}

// encode appends the tokens of a text without special tokens.
func (t *sentencePiece) encode(ids []int32, text string) []int32 {
	m := &merging{symbols: make([]symbol, 0, len(text)), join: func(l, r *symbol) (int32, int32, bool) {
		if l.size+r.size > t.longest {
			return 0, 0, false
		}
		found, ok := t.texts[text[l.start:r.start+r.size]]
		return found.rank, found.token, ok
	}}
	for i := 0; i < len(text); {
		n := min(characterLength(text[i]), len(text)-i)
		token := int32(-1)
		if found, ok := t.texts[text[i:i+n]]; ok {
			token = found.token
		}
		m.add(token, int32(i), int32(n))
		i += n
	}
	m.run()
	m.each(func(s *symbol) {
		if s.token >= 0 {
			ids = append(ids, s.token)
			return
		}
		ids = t.appendBytes(ids, text[s.start:s.start+s.size])
	})
	return ids
}

// characterLength is how many bytes the character has that begins with b, as
// llama.cpp reckons it: by the first byte alone, whatever follows.
func characterLength(b byte) int {
	switch {
	case b < 0xc0:
		return 1
	case b < 0xe0:
		return 2
	case b < 0xf0:
		return 3
	}
	return 4
}

// appendBytes appends the bytes of a character that is no token, or the unknown
// token if one of them has none.
func (t *sentencePiece) appendBytes(ids []int32, character string) []int32 {
	before := len(ids)
	for i := range len(character) {
		id := t.bytes[character[i]]
		if id < 0 {
			ids = ids[:before]
			if t.vocabulary.Unknown >= 0 {
				ids = append(ids, t.vocabulary.Unknown)
			}
			return ids
		}
		ids = append(ids, id)
	}
	return ids
}

// Decode joins the bytes of tokens, leaving control tokens out, and the space
// that Encode puts first.
func (t *sentencePiece) Decode(ids []int32) []byte {
	text := t.tokens.Decode(ids)
	if t.spacePrefix {
		text = bytes.TrimPrefix(text, []byte(" "))
	}
	return text
}
