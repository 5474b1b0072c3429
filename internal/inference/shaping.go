package inference

import "unicode/utf8"

// Bounds of what shapes an answer. They are part of the protocol.
const (
	// MinRepetition and MaxRepetition bound the repetition penalty.
	MinRepetition, MaxRepetition = 0.1, 10
	// MaxPenalty bounds the size of presence and frequency penalties.
	MaxPenalty = 2
	// MaxPenaltyWindow bounds the penalty window, in tokens.
	MaxPenaltyWindow = 1 << 18
	// MaxBiases bounds the tokens with a bias, MaxBias the size of each.
	MaxBiases, MaxBias = 1024, 100
	// MaxGrammar bounds a grammar, in bytes.
	MaxGrammar = 256 << 10
)

// Refusals of what shapes an answer.
var (
	ErrMinP       = invalid("min_p must be between 0 and 1")
	ErrTypicalP   = invalid("typical_p must be between 0 and 1")
	ErrRepetition = invalid("repetition_penalty must be between 0.1 and 10")
	ErrPresence   = invalid("presence_penalty must be between -2 and 2")
	ErrFrequency  = invalid("frequency_penalty must be between -2 and 2")
	ErrWindow     = invalid("penalty_window must be at most 262144")
	ErrLogitBias  = invalid("logit_bias must hold at most 1024 tokens, each once, by ascending token ids that fit 31 bits, and biases between -100 and 100")
	ErrGrammar    = invalid("grammar must have at most 256 KiB of valid UTF-8")
)

// Shaping is what more may shape an answer: spec/engine.md says how. The zero
// value of each field changes nothing and is not on the wire.
type Shaping struct {
	// MinP drops tokens less likely than this share of the likeliest.
	MinP float32 `json:"min_p,omitempty"`
	// TypicalP keeps the tokens of typical information; 1 keeps all, too.
	TypicalP float32 `json:"typical_p,omitempty"`
	// RepetitionPenalty makes tokens of prompt and answer less likely, or below 1
	// more likely.
	RepetitionPenalty float32 `json:"repetition_penalty,omitempty"`
	// PresencePenalty and FrequencyPenalty do so for tokens of the answer, once or
	// for each time.
	PresencePenalty  float32 `json:"presence_penalty,omitempty"`
	FrequencyPenalty float32 `json:"frequency_penalty,omitempty"`
	// PenaltyWindow is how many of the last tokens the penalties look at; 0 is all.
	PenaltyWindow uint32 `json:"penalty_window,omitempty"`
	// LogitBias makes single tokens more or less likely, by ascending ids.
	LogitBias []TokenBias `json:"logit_bias,omitempty"`
	// Grammar, in GBNF, is what the answer's text must match.
	Grammar string `json:"grammar,omitempty"`
}

// TokenBias is what is added to a token's logit.
type TokenBias struct {
	Token uint32  `json:"token"`
	Bias  float32 `json:"bias"`
}

func (s *Shaping) validate() error {
	between := func(v, least, most float32) bool { return v >= least && v <= most } // false for NaN
	for _, c := range []struct {
		ok  bool
		err error
	}{
		{between(s.MinP, 0, 1), ErrMinP},
		{between(s.TypicalP, 0, 1), ErrTypicalP},
		{s.RepetitionPenalty == 0 || between(s.RepetitionPenalty, MinRepetition, MaxRepetition), ErrRepetition},
		{between(s.PresencePenalty, -MaxPenalty, MaxPenalty), ErrPresence},
		{between(s.FrequencyPenalty, -MaxPenalty, MaxPenalty), ErrFrequency},
		{s.PenaltyWindow <= MaxPenaltyWindow, ErrWindow},
		{len(s.LogitBias) <= MaxBiases, ErrLogitBias},
		{len(s.Grammar) <= MaxGrammar && utf8.ValidString(s.Grammar), ErrGrammar},
	} {
		if !c.ok {
			return c.err
		}
	}
	for i, b := range s.LogitBias {
		if b.Token > 1<<31-1 || !between(b.Bias, -MaxBias, MaxBias) || i > 0 && b.Token <= s.LogitBias[i-1].Token {
			return ErrLogitBias
		}
	}
	return nil
}
