package receipt

import (
	"errors"
	"iter"
	"math"
)

// Kinds of samplers: how a token comes of logits, parameters and seed.
const (
	// Categorical is the sampler of spec/engine.md: whoever has the logits draws
	// the same token.
	Categorical = "categorical"
	// Gumbel takes the token of the largest logit with noise from a counter, so that
	// a draw can be judged by logits that are nearly the same.
	Gumbel = "gumbel"
	// Foreign is an engine's own: at temperature 0 it takes the likeliest token,
	// above it nobody else can draw again.
	Foreign = "foreign"
)

// Sampling is all that decided, with the logits and the [Seed], which tokens were
// drawn and where the answer ended. The zero value of a parameter, but of TopP,
// leaves its step out.
type Sampling struct {
	Kind              string  `json:"kind"` // Categorical, Gumbel or Foreign
	Temperature       float32 `json:"temperature"`
	TopP              float32 `json:"top_p"`
	TopK              uint32  `json:"top_k"`
	MinP              float32 `json:"min_p"`
	TypicalP          float32 `json:"typical_p"`
	RepetitionPenalty float32 `json:"repetition_penalty"`
	PresencePenalty   float32 `json:"presence_penalty"`
	FrequencyPenalty  float32 `json:"frequency_penalty"`
	PenaltyWindow     uint32  `json:"penalty_window"` // tokens
	LogitBias         Digest  `json:"logit_bias"`     // BiasDigest
	Grammar           Digest  `json:"grammar"`        // SHA-256 of its text, zero for none
	Stop              Digest  `json:"stop"`           // StopDigest
	MaxTokens         uint32  `json:"max_tokens"`
	// Resumed is how many tokens at the end of the prompt begin the answer already:
	// the first token drawn is of this step.
	Resumed uint32 `json:"resumed"`
}

// ErrSampling is returned for parameters of sampling that are none.
var ErrSampling = errors.New("receipt's sampling is out of range")

func (s Sampling) append(c *canonical) {
	c.text(s.Kind)
	c.float(s.Temperature)
	c.float(s.TopP)
	c.integer(uint64(s.TopK))
	c.float(s.MinP)
	c.float(s.TypicalP)
	c.float(s.RepetitionPenalty)
	c.float(s.PresencePenalty)
	c.float(s.FrequencyPenalty)
	c.integer(uint64(s.PenaltyWindow))
	c.digest(s.LogitBias)
	c.digest(s.Grammar)
	c.digest(s.Stop)
	c.integer(uint64(s.MaxTokens))
	c.integer(uint64(s.Resumed))
}

func (r *reader) sampling() (s Sampling) {
	s.Kind = r.text()
	s.Temperature, s.TopP = r.float(), r.float()
	s.TopK = r.short()
	s.MinP, s.TypicalP = r.float(), r.float()
	s.RepetitionPenalty, s.PresencePenalty, s.FrequencyPenalty = r.float(), r.float(), r.float()
	s.PenaltyWindow = r.short()
	s.LogitBias, s.Grammar, s.Stop = r.digest(), r.digest(), r.digest()
	s.MaxTokens, s.Resumed = r.short(), r.short()
	return s
}

// valid says whether the parameters are of this protocol. The engine bounds them
// further.
func (s Sampling) valid() bool {
	finite := func(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
	for _, v := range []float32{s.Temperature, s.TopP, s.MinP, s.TypicalP, s.RepetitionPenalty} {
		if !finite(v) || v < 0 {
			return false
		}
	}
	known := s.Kind == Categorical || s.Kind == Gumbel || s.Kind == Foreign
	return known && finite(s.PresencePenalty) && finite(s.FrequencyPenalty)
}

// BiasDigest commits to what is added to the logits of single tokens, in the order
// given, which is that of ascending ids; zero for nothing.
func BiasDigest(biases iter.Seq2[uint32, float32]) Digest {
	c := begin("logit-bias")
	empty := len(c)
	for token, value := range biases {
		c.integer(uint64(token))
		c.float(value)
	}
	return c.sumUnless(empty)
}

// GrammarDigest is the SHA-256 of a grammar's text; zero for none.
func GrammarDigest(text string) Digest {
	if text == "" {
		return Digest{}
	}
	return Sum([]byte(text))
}

// StopDigest commits to the strings that end an answer, in their order; zero for
// none.
func StopDigest(stop []string) Digest {
	c := begin("stop")
	empty := len(c)
	for _, s := range stop {
		c.text(s)
	}
	return c.sumUnless(empty)
}

// sumUnless is the digest, but zero if nothing follows the first n bytes.
func (c canonical) sumUnless(n int) Digest {
	if len(c) == n {
		return Digest{}
	}
	return Sum(c)
}
