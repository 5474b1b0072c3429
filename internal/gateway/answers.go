package gateway

import (
	"context"
	"sync"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
)

// preparing is how a key's requests become jobs.
func (g *Gateway) preparing(key store.Key) openai.Prepare {
	return func(ctx context.Context, id string, c openai.Completion) (openai.Job, error) {
		return g.prepare(ctx, id, key, c)
	}
}

// Model names the version that answers.
func (j *job) Model() string { return j.version.label() }

// Digest is the version's.
func (j *job) Digest() string { return j.version.Digest }

// Choices are the job's calls.
func (j *job) Choices() []openai.Choice {
	choices := make([]openai.Choice, len(j.calls))
	for i, c := range j.calls {
		choices[i] = openai.Choice{Vocabulary: c.vocabulary, Prompt: c.prompt, Calls: c.vocabulary.Tools()}
	}
	return choices
}

// Run has all calls of a job answered side by side, and settles with the key.
// The first failure ends them all.
func (j *job) Run(ctx context.Context, emit func(choice int, d openai.Delta) error) ([]openai.Answer, error) {
	g := j.gateway
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answers := make([]answer, len(j.calls))
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	one := func(i int) {
		result, err := g.answer(ctx, j, j.calls[i], func(d openai.Delta) error {
			mu.Lock()
			defer mu.Unlock()
			return emit(i, d)
		})
		mu.Lock()
		defer mu.Unlock()
		answers[i] = result
		if err != nil && failed == nil {
			failed = err // those that it cancels fail after it
			cancel(err)
		}
	}
	for i := 1; i < len(j.calls); i++ {
		wg.Go(func() { one(i) })
	}
	one(0) // here, on a stack that has grown
	wg.Wait()
	j.settle(answers...)
	list := make([]openai.Answer, len(answers))
	for i, a := range answers {
		list[i] = j.describe(a)
	}
	return list, failed
}

// settle counts what the answers took, and settles with the key.
func (j *job) settle(answers ...answer) {
	m := j.gateway.metrics
	var cost uint64
	for _, a := range answers {
		cost += a.cost
		m.promptTokens.Observe(float64(a.usage.prompt))
		m.answerTokens.Observe(float64(a.usage.completion))
		m.tokens.WithLabelValues("prompt").Add(float64(a.usage.prompt))
		m.tokens.WithLabelValues("cached").Add(float64(a.usage.cached))
		m.tokens.WithLabelValues("completion").Add(float64(a.usage.completion))
	}
	j.reservation.Settle(cost)
	m.charged.Add(float64(cost))
}

// describe is an answer as the API has it.
func (j *job) describe(a answer) openai.Answer {
	return openai.Answer{
		Finish: a.finish, Stop: a.stop, Prompt: a.usage.prompt, Cached: a.usage.cached, Completion: a.usage.completion, Koinon: j.koinon(a),
	}
}

// koinon is an answer's provenance.
func (j *job) koinon(a answer) *openai.Koinon {
	k := &openai.Koinon{Model: j.version.Digest, Provider: a.provider, Receipt: a.receipt.String(), Cost: a.cost, Earlier: a.earlier}
	if j.transcripts {
		k.Transcript = a.transcript
		return k
	}
	for i := range k.Earlier {
		k.Earlier[i].Transcript = nil
	}
	return k
}
