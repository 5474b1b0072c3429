package openai

import (
	"context"
	"crypto/rand"
	"net/http"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/engine/toolcall"
)

// Vocabulary turns tokens into text.
type Vocabulary interface {
	// Piece is what a token stands for; false if there is no such token.
	Piece(id int32) ([]byte, bool)
}

// Job is a request that is ready to be answered: by the providers of a gateway,
// or by an engine in the same process.
type Job interface {
	// Model names the version that answers, Digest its content.
	Model() string
	Digest() string
	// Choices are the answers to come.
	Choices() []Choice
	// Run generates all choices side by side, and emits what arrives of each, one
	// at a time. Until it first emits, an error still has a status of its own.
	// Errors are [*Error], or [ErrClient] when there is nobody left to tell.
	Run(ctx context.Context, emit func(choice int, d Delta) error) ([]Answer, error)
}

// Prepare turns a parsed request into a job, whose answers have the given id.
// Errors are [*Error], or [ErrClient].
type Prepare func(ctx context.Context, id string, c Completion) (Job, error)

// Choice is one answer to come.
type Choice struct {
	Vocabulary Vocabulary
	// Prompt are its tokens. Choices of one prompt share the array.
	Prompt []int32
	// Calls is how the model writes calls of tools.
	Calls toolcall.Format
}

// Delta is what one step adds to an answer.
type Delta struct {
	Provider string // who answers; empty without a market
	Cached   uint64 // of the prompt's tokens; said with the first
	Text     string
	Tokens   []inferencev1.Token // as received, for their log-probabilities
}

// Answer is how a choice ended.
type Answer struct {
	Finish     string
	Stop       string // the stop string that ended it, or empty
	Prompt     uint64 // tokens
	Cached     uint64 // of them
	Completion uint64 // tokens
	Koinon     *Koinon
}

// Provider is who gave the answer; empty without a market.
func (a Answer) Provider() string {
	if a.Koinon == nil {
		return ""
	}
	return a.Koinon.Provider
}

// Count is how many tokens a request's prompt has. Errors are [*Error], or
// [ErrClient].
type Count func(ctx context.Context, c Completion) (uint64, error)

// Begin reads a request and prepares its job, whose answer's id begins with a
// prefix. Errors are [*Error], or [ErrClient].
func Begin(r *http.Request, prefix string, parse func([]byte) (Completion, error), prepare Prepare) (id string, c Completion, j Job, err error) {
	body, err := ReadBody(r)
	if err != nil {
		return "", c, nil, err
	}
	if c, err = parse(body); err != nil {
		return "", c, nil, err
	}
	id = prefix + rand.Text()
	j, err = prepare(r.Context(), id, c)
	return id, c, j, err
}

// UsageOf adds up the tokens of all choices. Choices of one prompt share it.
func UsageOf(j Job, answers []Answer) Usage {
	var u Usage
	choices := j.Choices()
	for i, a := range answers {
		if i == 0 || &choices[i].Prompt[0] != &choices[i-1].Prompt[0] {
			u.PromptTokens += a.Prompt
			u.PromptTokensDetails.CachedTokens += a.Cached
		}
		u.CompletionTokens += a.Completion
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}
