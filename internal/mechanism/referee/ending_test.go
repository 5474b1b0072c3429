package referee

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/receipt"
)

// Whatever is shown of an answer's end, it is taken or refused; nothing that an
// accused sends makes the referee fail otherwise.
func TestNonsenseIsNoEnding(t *testing.T) {
	shape := sampleShape()
	rapid.Check(t, func(rt *rapid.T) {
		tokens := rapid.SliceOfN(rapid.Int32Range(0, 310), 1, 120).Draw(rt, "tokens")
		n := rapid.IntRange(0, len(tokens)).Draw(rt, "prompt")
		stop := rapid.SliceOfN(rapid.StringN(0, 3, 3), 0, 2).Draw(rt, "stop")
		r := receipt.Receipt{
			PromptTokens: uint64(n), CompletionTokens: uint64(len(tokens) - n), PromptDigest: receipt.TokensDigest(tokens[:n]), OutputDigest: receipt.TokensDigest(tokens[n:]),
			FinishReason: rapid.SampledFrom([]string{FinishStop, FinishLength}).Draw(rt, "finish"),
			Sampling:     receipt.Sampling{Stop: receipt.StopDigest(stop), Resumed: rapid.Uint32Range(0, 100).Draw(rt, "resumed"), MaxTokens: 200},
		}
		e := Ending{Stop: stop}
		for _, part := range [][]int32{tokens[n:], tokens[:n]} {
			blocks, err := TokenChunks(part)
			if err != nil {
				rt.Fatal(err)
			}
			e.Blocks = append(e.Blocks, blocks...)
		}
		e.Blocks = e.Blocks[:rapid.IntRange(0, len(e.Blocks)).Draw(rt, "blocks")]
		if len(e.Blocks) > 0 && rapid.Bool().Draw(rt, "spoil") {
			e.Blocks[0] = e.Blocks[0][:rapid.IntRange(0, len(e.Blocks[0])).Draw(rt, "length")]
		}
		for id := range rapid.Uint32Range(0, 310).Draw(rt, "pieces") {
			e.Pieces = append(e.Pieces, Row{Index: shape.PieceRow(id), Data: []byte{byte(id)}})
		}
		if err := shape.Excused(r, &e); err != nil && !errors.Is(err, ErrEnding) {
			rt.Fatal(err)
		}
	})
}
