package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/route"
)

// job is one HTTP request for answers: one call for each of its choices.
type job struct {
	gateway     *Gateway
	version     *version
	calls       []*call
	query       route.Query
	plan        []route.Choice // the version's offers to try, the best first
	reservation *keys.Reservation
	transcripts bool // are asked for
}

// prepare turns a parsed request into a job: it finds the model, counts the
// prompts, chooses the providers and holds back what the answers may cost.
// Errors are [*openai.Error], or [openai.ErrClient].
func (g *Gateway) prepare(ctx context.Context, id string, key store.Key, c openai.Completion) (*job, error) {
	v, vocabulary, c, err := g.understand(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := permitted(key, v); err != nil {
		return nil, err
	}
	j := &job{gateway: g, version: v, query: route.Query{Controls: c.Controls}, transcripts: c.Transcript}
	param := "messages"
	if c.Messages != nil {
		err = j.add(id, key, c, vocabulary, "", c.N)
	} else {
		param = "prompt"
		for _, p := range c.Prompts {
			if err = j.add(id, key, c, vocabulary, p, c.N); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, openai.Invalid(param, "The prompt cannot be put into the model's form: %v.", err)
	}
	if err := g.fit(j, param, c); err != nil {
		return nil, err
	}
	if err := g.back(ctx, j, key); err != nil {
		return nil, err
	}
	return j, nil
}

// add makes the calls of one prompt. Each choice has a seed of its own, which is
// drawn with its provider if the client names none and there is something to draw.
func (j *job) add(id string, key store.Key, c openai.Completion, vocabulary Vocabulary, text string, n int) error {
	request := c.Request(j.version.digest, text)
	tokens, err := vocabulary.Prompt(request)
	if err != nil {
		return err
	}
	prefixes := route.Prefixes(cacheScope(key.ID), tokens)
	for range n {
		switch {
		case c.Seed != nil:
			request.Seed = c.SeedOf(len(j.calls))
		case c.Temperature > 0:
			request.Nonce = c.NonceOf(len(j.calls))
		}
		j.calls = append(j.calls, &call{
			id: id, key: key.ID, version: j.version, vocabulary: vocabulary, request: request, prompt: tokens, prefixes: prefixes,
		})
	}
	return nil
}

// fit checks the calls against the model's context, gives an answer without a
// bound all the room there is, and orders the providers.
func (g *Gateway) fit(j *job, param string, c openai.Completion) error {
	limit := j.version.index.Widest(uint64(j.version.ContextLength)) // an offer may allow less than the model
	need := &j.query
	for _, call := range j.calls {
		prompt := uint64(len(call.prompt))
		if prompt == 0 {
			return openai.Invalid(param, "The prompt has no tokens.")
		}
		if prompt+max(1, uint64(call.request.MaxTokens)) > limit {
			return openai.ContextLength(param, limit, prompt, max(1, uint64(call.request.MaxTokens)))
		}
		if call.request.MaxTokens == 0 {
			call.request.MaxTokens = uint32(limit - prompt)
		}
		need.Prompt = max(need.Prompt, prompt)
		need.Completion = max(need.Completion, uint64(call.request.MaxTokens))
		if err := call.request.Validate(); err != nil {
			return openai.Invalid("", "The request cannot be sent to a provider: %v.", err)
		}
	}
	return g.choose(j, c.Model)
}

// back makes sure that the job may be done and is paid for: by its caller, or by
// its key's budget.
func (g *Gateway) back(ctx context.Context, j *job, key store.Key) error {
	if s := strangerOf(ctx); s != nil {
		return g.admit(j, s)
	}
	right, err := g.enter(j.version)
	if err != nil {
		return err
	}
	for _, call := range j.calls {
		call.right = right
	}
	return g.reserve(j, key)
}

// reserve holds back the most that the job may cost at the dearest provider
// that could serve it. A budget that does not cover that one leaves it out.
func (g *Gateway) reserve(j *job, key store.Key) error {
	for {
		worst, dearest := uint64(0), 0
		for at, i := range j.plan {
			cost, err := j.worst(&j.version.offers[i])
			if err != nil || cost > worst {
				worst, dearest = cost, at
			}
			if err != nil {
				break
			}
		}
		var err error
		if j.reservation, err = g.budgets.Reserve(key, worst, g.now()); err == nil {
			return nil
		}
		if len(j.plan) == 1 {
			return g.overBudget(key, err)
		}
		j.plan = slices.Delete(j.plan, dearest, dearest+1)
	}
}

// worst is the most that all of the job's answers cost at one provider.
func (j *job) worst(o *offer) (uint64, error) {
	var total uint64
	for _, call := range j.calls {
		cost, err := o.price.Cost(uint64(len(call.prompt)), 0, uint64(call.request.MaxTokens))
		if err != nil {
			return 0, err
		}
		if total+cost < total {
			return 0, fmt.Errorf("adding up the choices: %w", store.ErrAmount)
		}
		total += cost
	}
	return total, nil
}

// stale says whether a provider will not have the grant.
func stale(err error) bool {
	return errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) ||
		errors.Is(err, &inference.Error{Code: inference.CodePaymentRequired})
}

// exhausted is the client's error when no provider took the request.
func (g *Gateway) exhausted(j *job, busy int, last error) error {
	switch {
	case errors.Is(last, pay.ErrTooDear):
		return openai.Invalid("max_tokens", "The request may cost more than this gateway pays one provider at once (%s). Please ask for fewer tokens.", credit.Dollars(g.config.GrantCap))
	case busy == len(j.plan):
		return openai.Unavailable("overloaded", g.retryAfter(j), "Every provider of the model '%s' is busy. Please try again in a moment.", j.version.label())
	case errors.Is(last, pay.ErrNoCalls):
		return barred(j.version, last.Error())
	case !g.funded.Load() && stale(last):
		return openai.Unavailable("unfunded", 5*time.Second, "This gateway has no credit yet to pay providers with. Please try again in a moment.")
	}
	return openai.Unavailable("no_provider", g.retryAfter(j), "No provider of the model '%s' could serve the request. Please try again later.", j.version.label())
}

// reason names a failure for metrics and for clients.
func reason(err error) string {
	var said *inference.Error
	if errors.As(err, &said) {
		return string(said.Code)
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{openai.ErrClient, "client_gone"}, {errStore, "store"}, {errUnreachable, "unreachable"}, {errGone, "disconnected"},
		{errSilent, "timeout"}, {errProtocol, "protocol"}, {errRecount, "prompt_recount"}, {pay.ErrTooDear, "too_dear"},
		{pay.ErrNoCalls, "no_calls"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "false_receipt"
}
