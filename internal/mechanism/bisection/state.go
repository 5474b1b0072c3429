package bisection

import (
	"bytes"
	"errors"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// ErrState is returned for bytes that are no game.
var ErrState = errors.New("not the state of a bisection game")

const stateKind = "koinon/bisection/v1\x00"

// Marshal is the game's one encoding, some kilobytes at most.
func (g *Game) Marshal() []byte {
	w := canonical.Writer(stateKind)
	w.Bytes(g.receipt.Encode())
	w.Digest(g.weights)
	w.Byte(byte(g.stage))
	for _, d := range []*merkle.Descent{&g.steps, &g.segments, &g.chunks} {
		d.Append(&w)
	}
	w.Bool(g.ending)
	w.Digests(g.opened)
	w.Bytes(g.shape)
	w.Words(g.words)
	w.Byte(byte(g.winner))
	return w
}

// Unmarshal reads what Marshal writes, and nothing else. Refusal: [ErrState].
func Unmarshal(data []byte) (Game, error) {
	var g Game
	if !bytes.HasPrefix(data, []byte(stateKind)) {
		return g, ErrState
	}
	r := canonical.NewReader(data[len(stateKind):])
	signed, err := receipt.Decode(r.Bytes(maxReceipt))
	if err != nil {
		return g, errors.Join(ErrState, err)
	}
	g.receipt, g.weights, g.stage = signed, r.Digest(), Stage(r.Byte())
	for _, d := range []*merkle.Descent{&g.steps, &g.segments, &g.chunks} {
		*d = merkle.ReadDescent(r)
	}
	g.ending = r.Bool()
	g.opened = r.Digests(1 << merkle.Levels)
	g.shape = r.Bytes(referee.MaxShape)
	g.words = r.Words(referee.ChunkWords)
	g.winner = Side(r.Byte())
	if !r.Done() || !g.sound() || !bytes.Equal(g.Marshal(), data) {
		return Game{}, ErrState
	}
	return g, nil
}

// maxReceipt bounds an encoded receipt.
const maxReceipt = 8 << 10

// sound says whether a game can be in this state, as far as no move may panic.
func (g *Game) sound() bool {
	if g.stage > Over || g.winner > Challenger || (g.stage == Over) != (g.winner != Nobody) ||
		g.steps.Count != g.receipt.CompletionTokens || g.ending && (g.stage < Claiming || !referee.Disputable(g.receipt)) {
		return false
	}
	d := g.Descent()
	if d == nil && len(g.opened) > 0 || d != nil && (d.Ended || len(g.opened) > 0 && len(g.opened) != len(d.Opening())) {
		return false
	}
	if g.shape == nil {
		return g.stage == Steps && g.steps.Count > 0 || g.stage == Claiming && (g.ending || g.steps.Ended) || g.stage == Over
	}
	trace, err := g.trace()
	if err != nil || !g.ending && !g.steps.Ended || g.segments.Count != trace.Segments() {
		return false
	}
	switch g.stage {
	case Segments, Over:
		return true
	case Chunks, Revealing, Proving:
		if !g.segments.Ended || g.chunks.Count != trace.Chunks(g.segments.Lo) {
			return false
		}
	}
	switch g.stage {
	case Chunks:
		return true
	case Revealing:
		return g.chunks.Ended
	case Proving:
		return g.chunks.Ended && uint64(len(g.words)) == trace.Words(g.segments.Lo, g.chunks.Lo)
	}
	return false
}
