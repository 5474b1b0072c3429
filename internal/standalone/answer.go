package standalone

import (
	"context"
	"errors"
	"sync"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/reference"
)

// job is one request: an engine's request for each of its choices.
type job struct {
	*Server
	requests []engine.Request
	choices  []openai.Choice
}

// Model implements [openai.Job].
func (j *job) Model() string { return j.config.Name }

// Digest implements [openai.Job].
func (j *job) Digest() string { return j.config.Digest.String() }

// Choices implements [openai.Job].
func (j *job) Choices() []openai.Choice { return j.choices }

// prepare is the server's [openai.Prepare].
func (s *Server) prepare(_ context.Context, _ string, c openai.Completion) (openai.Job, error) {
	if err := s.serves(c.Model); err != nil {
		return nil, err
	}
	if c.Controls != nil {
		return nil, openai.Unsupported("provider", "'provider' is not supported by this server: it has no market to choose from.")
	}
	c, err := c.Taught(s.vocabulary.Tools())
	if err != nil {
		return nil, err
	}
	j := &job{Server: s}
	prompts, param := c.Prompts, "prompt"
	if c.Messages != nil {
		prompts, param = []string{""}, "messages"
	}
	for _, p := range prompts {
		if err := j.add(c, p, param); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// count is how many tokens a chat's prompt has.
func (s *Server) count(_ context.Context, c openai.Completion) (uint64, error) {
	if err := s.serves(c.Model); err != nil {
		return 0, err
	}
	c, err := c.Taught(s.vocabulary.Tools())
	if err != nil {
		return 0, err
	}
	prompt, err := s.vocabulary.Prompt(c.Request(s.config.Digest, ""))
	if err != nil {
		return 0, openai.Invalid("messages", "The prompt cannot be put into the model's form: %v.", err)
	}
	return uint64(len(prompt)), nil
}

// add makes the choices of one prompt.
func (j *job) add(c openai.Completion, text, param string) error {
	q := c.Request(j.config.Digest, text)
	prompt, err := j.vocabulary.Prompt(q)
	if err != nil {
		return openai.Invalid(param, "The prompt cannot be put into the model's form: %v.", err)
	}
	if len(prompt) == 0 {
		return openai.Invalid(param, "The prompt has no tokens.")
	}
	limit := j.engine.Model().ContextLength
	if len(prompt)+max(1, int(c.MaxTokens)) > limit {
		return openai.ContextLength(param, uint64(limit), uint64(len(prompt)), max(1, uint64(c.MaxTokens)))
	}
	most := int(c.MaxTokens)
	if most == 0 {
		most = limit - len(prompt)
	}
	for range c.N {
		q.Seed = c.SeedOf(len(j.choices))
		if err := q.Validate(); err != nil {
			return openai.Invalid("", "The request cannot be served: %v.", err)
		}
		r, err := reference.Request(j.engine.Model(), q, prompt, most)
		if err != nil {
			return openai.Invalid("", "The request cannot be served: %v.", err)
		}
		j.requests = append(j.requests, r)
		j.choices = append(j.choices, openai.Choice{Vocabulary: j.vocabulary, Prompt: prompt, Calls: j.vocabulary.Tools()})
	}
	return nil
}

// Run implements [openai.Job].
func (j *job) Run(ctx context.Context, emit func(int, openai.Delta) error) ([]openai.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make([]openai.Answer, len(j.requests))
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for i := range j.requests {
		wg.Go(func() {
			var err error
			answers[i], err = j.generate(ctx, i, func(d openai.Delta) error {
				mu.Lock()
				defer mu.Unlock()
				return emit(i, d)
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil && failed == nil {
				failed = err // those that it cancels fail after it
				cancel()
			}
		})
	}
	wg.Wait()
	return answers, failed
}

// generate generates one choice.
func (j *job) generate(ctx context.Context, i int, emit func(openai.Delta) error) (openai.Answer, error) {
	r := j.requests[i]
	answer := openai.Answer{Prompt: uint64(len(r.Prompt))}
	decoder := openai.NewDecoder(j.vocabulary, r.Stop)
	end, err := j.engine.Generate(ctx, r, func(t engine.Token) error {
		answer.Completion++
		token := inferencev1.Token{Id: uint32(t.ID), Logprob: t.Logprob}
		for _, top := range t.Top {
			token.Top = append(token.Top, inferencev1.TopLogprob{Id: uint32(top.ID), Logprob: top.Logprob})
		}
		if err := emit(openai.Delta{Cached: uint64(t.Cached), Text: decoder.Push(t.ID), Tokens: []inferencev1.Token{token}}); err != nil {
			return errors.Join(openai.ErrClient, err)
		}
		return nil
	})
	if err != nil {
		return answer, j.explain(ctx, err)
	}
	answer.Finish, answer.Cached = end.Finish, uint64(end.Cached)
	answer.Stop = decoder.Stopped()
	if rest := decoder.Flush(); rest != "" {
		if err := emit(openai.Delta{Text: rest}); err != nil {
			return answer, errors.Join(openai.ErrClient, err)
		}
	}
	return answer, nil
}

// explain is a failure of the engine as the API tells it.
func (s *Server) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, openai.ErrClient):
		return err
	case ctx.Err() != nil:
		return openai.ErrClient
	case errors.Is(err, engine.ErrBusy):
		return openai.Unavailable("overloaded", time.Second, "The server is busy: every slot is taken and the queue is full. Please try again in a moment.")
	case errors.Is(err, engine.ErrRequest), errors.Is(err, engine.ErrContextLength):
		return openai.Invalid("", "The request cannot be served: %v.", err)
	}
	return err
}
