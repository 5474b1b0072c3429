package provider

import (
	"log/slog"
	"math"
	"testing"

	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/receipt"
)

// A receipt commits to what the engine said of the tokens that it is for, so that
// who was told can pack the same; silence and nonsense are committed to as
// nothing.
func TestLogprobsAreCommitted(t *testing.T) {
	told := []logprobs.Step{
		chance(Token{ID: 3, Logprob: -0.5, Top: []TopLogprob{{3, -0.5}, {9, -1.25}}}),
		chance(Token{ID: 4, Logprob: -2}),
	}
	for n := range 3 {
		s := &session{chances: told, log: slog.New(slog.DiscardHandler)}
		packed, err := logprobs.Pack(told[:n])
		if err != nil {
			t.Fatal(err)
		}
		if got := s.logprobs(n); got != logprobs.Commit(packed) || got.Digest.IsZero() != (n == 0) {
			t.Errorf("%d tokens: %+v", n, got)
		}
	}
	for name, chances := range map[string][]logprobs.Step{
		"silence": {{}, {}}, "of class exact": nil, "nonsense": {{Drawn: float32(math.NaN())}},
	} {
		s := &session{chances: chances, log: slog.New(slog.DiscardHandler)}
		if got := s.logprobs(len(chances)); got != (receipt.Logprobs{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
