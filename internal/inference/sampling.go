package inference

import "github.com/koinon/koinon/receipt"

// Sampling is what a receipt says of how an answer to the request was drawn: by a
// sampler of a kind, at most limit tokens.
func (r Request) Sampling(kind string, limit uint32) receipt.Sampling {
	return receipt.Sampling{
		Kind: kind, Temperature: r.Temperature, TopP: r.TopP, TopK: r.TopK, MinP: r.MinP, TypicalP: r.TypicalP,
		RepetitionPenalty: r.RepetitionPenalty, PresencePenalty: r.PresencePenalty, FrequencyPenalty: r.FrequencyPenalty,
		PenaltyWindow: r.PenaltyWindow, LogitBias: receipt.BiasDigest(r.biases), Grammar: receipt.GrammarDigest(r.Grammar),
		Stop: receipt.StopDigest(r.Stop), MaxTokens: limit, Resumed: uint32(len(r.Resume)),
	}
}

// biases are the tokens' biases in their order.
func (s *Shaping) biases(yield func(token uint32, bias float32) bool) {
	for _, b := range s.LogitBias {
		if !yield(b.Token, b.Bias) {
			return
		}
	}
}
