package provider

import (
	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/receipt"
)

// chance is what an engine says of a token, as receipts commit to it.
func chance(t Token) logprobs.Step {
	s := logprobs.Step{Drawn: t.Logprob}
	for _, top := range t.Top {
		s.Top = append(s.Top, logprobs.Chance{ID: top.ID, Logprob: top.Logprob})
	}
	return s
}

// logprobs commits to what the engine said of the first n tokens, and the gateway
// was told. An engine that says nothing, or nonsense, has nothing committed.
func (s *session) logprobs(n int) receipt.Logprobs {
	said := false
	for _, c := range s.chances[:min(n, len(s.chances))] {
		said = said || c.Drawn != 0 || len(c.Top) > 0
	}
	if !said {
		return receipt.Logprobs{}
	}
	packed, err := logprobs.Pack(s.chances[:n])
	if err != nil {
		s.log.Warn("the engine's log-probabilities are not committed to", "error", err)
		return receipt.Logprobs{}
	}
	return logprobs.Commit(packed)
}
