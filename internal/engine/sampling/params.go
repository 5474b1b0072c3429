package sampling

import (
	"errors"
	"fmt"
	"slices"
)

// Bounds of the parameters.
const (
	// MaxTemperature bounds the temperature.
	MaxTemperature = 2
	// MaxTopK bounds top_k.
	MaxTopK = 1<<31 - 1
	// MinRepetition and MaxRepetition bound the repetition penalty.
	MinRepetition, MaxRepetition = 0.1, 10
	// MaxPenalty bounds the size of the presence and frequency penalties, as in
	// OpenAI's API.
	MaxPenalty = 2
	// MaxWindow bounds the penalty window, in tokens.
	MaxWindow = 1 << 18
	// MaxBias bounds the size of a token's bias, as in OpenAI's API; MaxBiases
	// their number.
	MaxBias, MaxBiases = 100, 1024
)

// Params say how tokens are drawn. The zero value of every field but TopP
// leaves its step out.
type Params struct {
	// Temperature divides the logits; 0 takes the most likely token.
	Temperature float32
	// TopK keeps so many of the most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the most likely tokens whose probabilities sum to it (nucleus
	// sampling: Holtzman et al., 2020); 1 keeps all.
	TopP float32
	// MinP drops tokens less likely than this share of the likeliest (Nguyen et
	// al., 2024).
	MinP float32
	// TypicalP keeps the tokens whose information is nearest to the expected,
	// until their probabilities sum to it (Meister et al., 2022); 0 and 1 keep all.
	TypicalP float32
	// RepetitionPenalty divides positive logits of tokens that occurred, and
	// multiplies negative ones (Keskar et al., 2019; llama.cpp's
	// repeat_penalty); 0 and 1 change nothing.
	RepetitionPenalty float32
	// PresencePenalty is taken from the logit of each token that the answer has,
	// FrequencyPenalty once for each time that it has it (OpenAI's API).
	PresencePenalty, FrequencyPenalty float32
	// PenaltyWindow is how many of the last tokens, of prompt and answer, the
	// three penalties look at; 0 is all.
	PenaltyWindow int
	// Bias is added to the logits of single tokens, each named once.
	Bias []Bias
	// Seed fixes the draws.
	Seed uint64
	// Kind is how a token is drawn from what stays; temperature 0 has no need of it.
	Kind Kind
}

// Bias is what is added to the logit of one token.
type Bias struct {
	Token int32
	Value float32
}

// ErrParameter is what every [ParameterError] is.
var ErrParameter = errors.New("sampling parameter out of range")

// ParameterError says which parameter is out of range, by its name in APIs,
// and what would be permitted.
type ParameterError struct {
	Parameter string // as in "top_p"
	Permitted string // as in "above 0 and at most 1"
}

// Error implements error.
func (e *ParameterError) Error() string { return e.Parameter + " must be " + e.Permitted }

// Is makes every ParameterError match [ErrParameter].
func (e *ParameterError) Is(target error) bool { return target == ErrParameter }

// Validate checks the parameters for a vocabulary of so many tokens. Its errors
// are [*ParameterError].
func (p *Params) Validate(vocabulary int) error {
	between := func(v, least, most float32) bool { return v >= least && v <= most } // false for NaN
	for _, c := range []struct {
		ok              bool
		name, permitted string
	}{
		{between(p.Temperature, 0, MaxTemperature), "temperature", "between 0 and 2"},
		{p.TopK >= 0 && p.TopK <= MaxTopK, "top_k", "between 0 and 2147483647"},
		{between(p.TopP, 0, 1) && p.TopP > 0, "top_p", "above 0 and at most 1"},
		{between(p.MinP, 0, 1), "min_p", "between 0 and 1"},
		{between(p.TypicalP, 0, 1), "typical_p", "between 0 and 1"},
		{p.RepetitionPenalty == 0 || between(p.RepetitionPenalty, MinRepetition, MaxRepetition), "repetition_penalty", "between 0.1 and 10"},
		{between(p.PresencePenalty, -MaxPenalty, MaxPenalty), "presence_penalty", "between -2 and 2"},
		{between(p.FrequencyPenalty, -MaxPenalty, MaxPenalty), "frequency_penalty", "between -2 and 2"},
		{p.PenaltyWindow >= 0 && p.PenaltyWindow <= MaxWindow, "penalty_window", fmt.Sprintf("between 0 and %d", MaxWindow)},
		{p.Kind <= Gumbel, "sampler", "categorical or gumbel"},
		{len(p.Bias) <= MaxBiases, "logit_bias", fmt.Sprintf("of at most %d tokens", MaxBiases)},
	} {
		if !c.ok {
			return &ParameterError{c.name, c.permitted}
		}
	}
	return p.validateBias(vocabulary)
}

func (p *Params) validateBias(vocabulary int) error {
	ids := make([]int32, len(p.Bias))
	for i, b := range p.Bias {
		if !(b.Value >= -MaxBias && b.Value <= MaxBias) {
			return &ParameterError{"logit_bias", "between -100 and 100 for each token"}
		}
		if b.Token < 0 || int(b.Token) >= vocabulary {
			return &ParameterError{"logit_bias", fmt.Sprintf("for tokens from 0 to %d", vocabulary-1)}
		}
		ids[i] = b.Token
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(p.Bias) {
		return &ParameterError{"logit_bias", "given once for each token"}
	}
	return nil
}

// cuts says whether candidates are left out that count.
func (p *Params) cuts() bool {
	return p.TopK != 0 || p.TopP != 1 || p.MinP != 0 || p.TypicalP != 0 && p.TypicalP != 1
}

// penalises says whether the tokens so far matter.
func (p *Params) penalises() bool {
	return p.repeats() || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
}

func (p *Params) repeats() bool { return p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 }
