package proof

import (
	"fmt"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// Challenged is the prompt of an epoch challenge, if a receipt is the statement
// about an answer to one ([challenge.Statement]): nobody made a request, and the
// prompt follows from the seed that stands in its place.
func Challenged(r receipt.Receipt) (prompt []int32, ok bool) {
	if r.Grant != r.Request || r.PromptTokens < 1 || r.PromptTokens > challenge.MaxTokens {
		return nil, false
	}
	for attempt := range challenge.MaxAttempts {
		prompt = challenge.Prompt(r.Request, attempt, int64(r.PromptTokens))
		if receipt.TokensDigest(prompt) == r.PromptDigest {
			return prompt, true
		}
	}
	return nil, false
}

// Belongs checks that a transcript is of a receipt's answer; that of a statement
// has no request.
func Belongs(r receipt.Receipt, t receipt.Transcript) error {
	if _, ok := Challenged(r); !ok {
		return t.Verify(r)
	}
	switch {
	case t.Request != "":
		return fmt.Errorf("%w: nobody made a request of an epoch challenge", receipt.ErrTranscript)
	case uint64(len(t.Output)) != r.CompletionTokens || receipt.TokensDigest(t.Output) != r.OutputDigest:
		return fmt.Errorf("%w: its output has another digest", receipt.ErrTranscript)
	}
	return nil
}

// Asked is the request that a model answered, as [Consistent] finds it. Of a
// statement it is what every epoch challenge asks, and has no prompt.
func Asked(r receipt.Receipt, t receipt.Transcript) (inference.Request, error) {
	if _, ok := Challenged(r); !ok {
		return Consistent(r, t)
	}
	if err := r.Verify(); err != nil {
		return inference.Request{}, err
	}
	return inference.Request{Model: r.Model, TopP: 1}, Belongs(r, t)
}

// Prompt is what the model had to read: the request's, or that of a challenge.
func Prompt(m *engine.Model, r receipt.Receipt, q inference.Request) ([]int32, error) {
	if prompt, ok := Challenged(r); ok {
		return prompt, nil
	}
	return reference.Vocabulary{Vocabulary: m.Vocabulary}.Prompt(q)
}
