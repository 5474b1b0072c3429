package referee

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/receipt"
)

// nonsense is a source of any words at all, of the right lengths or not.
type nonsense struct {
	t      *Trace
	random *rand.Rand
	longer int
}

func (n nonsense) Chunk(segment, index uint64) ([]uint32, error) {
	words := make([]uint32, max(0, int(n.t.Words(segment, index))+n.longer))
	for i := range words {
		words[i] = n.random.Uint32() >> n.random.IntN(32)
	}
	return words, nil
}

func (n nonsense) Row(index uint64) ([]byte, error) {
	row := make([]byte, max(0, int(n.t.Shape.Row(index).Bytes)+n.longer))
	for i := range row {
		row[i] = byte(n.random.Uint32())
	}
	return row, nil
}

func (n nonsense) Biases() ([]Bias, error) { return []Bias{{1, 2}}, nil }

// Whatever an accused has claimed and a challenger proves, judging a word ends in a
// verdict or an error.
func TestNonsenseIsJudged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := receipt.Receipt{
			PromptTokens: rapid.Uint64Range(1, 100).Draw(rt, "prompt"), CompletionTokens: 9,
			Sampling: receipt.Sampling{
				Kind: receipt.Categorical, Temperature: rapid.SampledFrom([]float32{0, 0.7}).Draw(rt, "temperature"), TopP: 0.9,
				MinP: rapid.SampledFrom([]float32{0, 0.1}).Draw(rt, "min_p"), TopK: rapid.Uint32Range(0, 50).Draw(rt, "top_k"),
				TypicalP:          rapid.SampledFrom([]float32{0, 0.5}).Draw(rt, "typical_p"),
				RepetitionPenalty: 1.1, PenaltyWindow: rapid.Uint32Range(0, 60).Draw(rt, "window"), Resumed: rapid.Uint32Range(0, 200).Draw(rt, "resumed"),
			},
		}
		tr, err := NewTrace(sampleShape(), r, rapid.Uint64Range(0, 8).Draw(rt, "step"))
		if err != nil {
			rt.Fatal(err)
		}
		segment := rapid.SampledFrom([]uint64{0, 1, tr.Segments() / 2, tr.Segments() - 2, tr.Segments() - 1}).Draw(rt, "segment")
		chunk := rapid.Uint64Range(0, tr.Chunks(segment)-1).Draw(rt, "chunk")
		n := tr.Words(segment, chunk)
		source := nonsense{&tr, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)), rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(rt, "longer")}
		claimed := make([]uint32, n)
		_, _ = tr.Judge(Place{segment, chunk, rapid.Uint64Range(0, n-1).Draw(rt, "word")}, claimed, source)
	})
}

// The states that traces show are those of SHA-256: the last is its digest.
func TestStatesAreThoseOfSHA256(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, 128, 1000} {
		words := make([]uint32, n)
		var data []byte
		for i := range words {
			words[i] = uint32(i * 2654435761)
			data = append(data, byte(words[i]), byte(words[i]>>8), byte(words[i]>>16), byte(words[i]>>24))
		}
		states, err := HashStates(words)
		if err != nil {
			t.Fatal(err)
		}
		digest := digestWords(sha256.Sum256(data))
		for i, w := range states[len(states)-stateWords:] {
			if w != digest[i] {
				t.Fatalf("%d words: the last state is not the digest", n)
			}
		}
	}
}

func TestAnswersThatNoModelGives(t *testing.T) {
	for name, r := range map[string]receipt.Receipt{
		"no prompt": {CompletionTokens: 1}, "no answer": {PromptTokens: 1},
		"beyond the context": {PromptTokens: 129, CompletionTokens: 1}, "beyond a move": {PromptTokens: 1, CompletionTokens: MaxTokens},
		"overflow": {PromptTokens: 1 << 63, CompletionTokens: 1 << 63},
	} {
		if _, err := NewTrace(sampleShape(), r, 0); err == nil {
			t.Errorf("%s: a trace", name)
		}
	}
}
