package upstream

import (
	"fmt"
	"strings"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// Pieces finds the tokens of an answer that came as text. Engines send a token
// at a time, or a few where a character is spread over several, so that the
// longest token at each place is nearly always the one that was drawn; where it
// is not, the answer counts fewer tokens, never more. It does not change and is
// safe for concurrent use.
type Pieces struct {
	v       tokenizer.Tokenizer
	ids     map[string]int32
	longest int // bytes of a piece
}

// NewPieces reads what the tokens of a vocabulary stand for.
func NewPieces(v tokenizer.Tokenizer) *Pieces {
	p := &Pieces{v: v, ids: make(map[string]int32, v.Size())}
	for id := range int32(v.Size()) {
		piece := string(v.Piece(id))
		if piece == "" || v.IsControl(id) {
			continue
		}
		// A single byte may be a token of its own kind, "<0x41>" beside "A": what
		// comes as text was no such token.
		if old, ok := p.ids[piece]; ok && !strings.HasPrefix(v.Text(old), "<0x") {
			continue
		}
		p.ids[piece] = id
		p.longest = max(p.longest, len(piece))
	}
	return p
}

// Split is the tokens of a text. Refusal: [ErrAnswer], for what no token stands for.
func (p *Pieces) Split(text string) ([]Token, error) {
	var tokens []Token
	for text != "" {
		n := min(p.longest, len(text))
		for ; n > 0; n-- {
			if id, ok := p.ids[text[:n]]; ok {
				tokens = append(tokens, Token{ID: id})
				break
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("%w: byte 0x%02x stands for no token of the model: are these its weights?", ErrAnswer, text[0])
		}
		text = text[n:]
	}
	return tokens, nil
}

// tokens are those of one step of an answer: as the engine names them, if they
// are the model's and say what its text says, else as the text has them.
func (p *Pieces) tokens(s step) ([]Token, error) {
	said := 0 // bytes
	for _, t := range s.tokens {
		if t.ID < 0 || int(t.ID) >= p.v.Size() {
			return nil, fmt.Errorf("%w: token %d, of a vocabulary of %d: are these its weights?", ErrAnswer, t.ID, p.v.Size())
		}
		piece := p.v.Piece(t.ID)
		if said >= 0 && !p.v.IsControl(t.ID) {
			if strings.HasPrefix(s.text[said:], string(piece)) {
				said += len(piece)
			} else {
				said = -1
			}
		}
	}
	if s.whole || len(s.tokens) > 0 && said == len(s.text) {
		return s.tokens, nil
	}
	return p.Split(s.text)
}
