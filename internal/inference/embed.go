package inference

import "unicode/utf8"

// Bounds of a request for embeddings. They are part of the protocol.
const (
	// MaxTexts bounds its texts.
	MaxTexts = 2048
	// MaxVector bounds the elements of a vector, so that it fits a frame.
	MaxVector = 1 << 15
)

// ErrEmbed is the refusal of a request for embeddings.
var ErrEmbed = invalid("embed must hold 1 to 2048 texts or lists of token ids, none of them empty, and a pooling of mean, last or none; " +
	"beside it, max_tokens, temperature and logprobs are 0, top_p is 1, and nothing else is given")

// Embed asks for the vectors of texts in place of a completion. The request's
// prompt is then the tokens of all texts, one after the other.
type Embed struct {
	// Texts, or Tokens in their place.
	Texts  []string  `json:"texts,omitempty"`
	Tokens [][]int32 `json:"tokens,omitempty"`
	// Pooling is mean or last; empty is the model's own.
	Pooling string `json:"pooling,omitempty"`
}

// Len is how many vectors are asked for.
func (e *Embed) Len() int { return max(len(e.Texts), len(e.Tokens)) }

func (r Request) validateEmbed() error {
	e := r.Embed
	switch {
	case (len(e.Texts) == 0) == (len(e.Tokens) == 0), e.Len() > MaxTexts:
		return ErrEmbed
	case e.Pooling != "" && e.Pooling != "mean" && e.Pooling != "last":
		return ErrEmbed
	case len(r.Messages) > 0 || r.Prompt != "" || len(r.Tools) > 0 || len(r.Stop) > 0 || len(r.LogitBias) > 0 || r.Grammar != "":
		return ErrEmbed
	case r.MaxTokens != 0 || r.Temperature != 0 || r.TopP != 1 || r.Logprobs != 0:
		return ErrEmbed
	}
	for _, text := range e.Texts {
		if text == "" || !utf8.ValidString(text) {
			return ErrEmbed
		}
	}
	for _, ids := range e.Tokens {
		if len(ids) == 0 {
			return ErrEmbed
		}
	}
	return nil
}
