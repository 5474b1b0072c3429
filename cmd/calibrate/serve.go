package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/internal/proof/statistical"
)

// order is one answer that a buyer asks for.
type order struct {
	prompt []int32
	seed   uint64
}

// setup is what was agreed, and whose weights are registered.
type setup struct {
	registered   *engine.Model
	sampling     sampling.Params // but for the seed
	answerTokens int
	libraries    string // of llama.cpp
	threads      int
}

// answer is what came of an order: tokens, and what was said of each.
type answer struct {
	tokens   []int32
	reported []logprobs.Step
}

// serve answers orders as the server that is being measured does.
type serve func(ctx context.Context, s setup, orders []order) ([]answer, error)

// own serves with the reference engine and weights of choice. Alter may change
// what is asked of it: what a cheat does.
func own(m *engine.Model, slots, threads int, alter func(*engine.Request)) serve {
	return func(ctx context.Context, s setup, orders []order) ([]answer, error) {
		e := engine.New(m, engine.Options{Slots: slots, Queue: len(orders), Threads: threads})
		answers, failures := make([]answer, len(orders)), make([]error, len(orders))
		var all sync.WaitGroup
		for i, o := range orders {
			all.Go(func() {
				r := engine.Request{Prompt: o.prompt, MaxTokens: s.answerTokens, Sampling: s.sampling, TopLogprobs: logprobs.Alternatives}
				r.Sampling.Seed = o.seed
				if alter != nil {
					alter(&r)
				}
				answers[i], failures[i] = generate(ctx, e, r)
			})
		}
		all.Wait()
		for _, err := range failures {
			if err != nil {
				return nil, err
			}
		}
		return answers, nil
	}
}

func generate(ctx context.Context, e *engine.Engine, r engine.Request) (a answer, err error) {
	_, err = e.Generate(ctx, r, func(t engine.Token) error {
		a.tokens = append(a.tokens, t.ID)
		said := logprobs.Step{Drawn: t.Logprob}
		for _, top := range t.Top {
			said.Top = append(said.Top, logprobs.Chance(top))
		}
		a.reported = append(a.reported, said)
		return nil
	})
	return a, err
}

// draftRun is how many tokens the draft of a speculative server writes at once.
const draftRun = 4

// speculative takes every other run of tokens from a draft model, unchecked.
func speculative(draft, m *engine.Model) serve {
	return func(ctx context.Context, s setup, orders []order) ([]answer, error) {
		options := engine.Options{Slots: 1, Threads: s.threads}
		engines := []*engine.Engine{engine.New(draft, options), engine.New(m, options)}
		var answers []answer
		for _, o := range orders {
			var a answer
			for turn := 0; len(a.tokens) < s.answerTokens; turn++ {
				r := engine.Request{
					Prompt: slices.Concat(o.prompt, a.tokens), Resumed: len(a.tokens), TopLogprobs: logprobs.Alternatives,
					MaxTokens: min(draftRun, s.answerTokens-len(a.tokens)), Sampling: s.sampling,
				}
				r.Sampling.Seed = o.seed
				more, err := generate(ctx, engines[turn%2], r)
				if err != nil {
					return nil, err
				}
				if len(more.tokens) == 0 {
					break
				}
				a.tokens, a.reported = append(a.tokens, more.tokens...), append(a.reported, more.reported...)
			}
			answers = append(answers, a)
		}
		return answers, nil
	}
}

// garbage answers with tokens drawn from a hat, of which it is sure.
func garbage(_ context.Context, s setup, orders []order) ([]answer, error) {
	answers := make([]answer, len(orders))
	for i, o := range orders {
		rng := rand.New(rand.NewPCG(o.seed, 1))
		for range s.answerTokens {
			answers[i].tokens = append(answers[i].tokens, rng.Int32N(int32(s.registered.Size())))
		}
		answers[i].reported = make([]logprobs.Step, s.answerTokens)
	}
	return answers, nil
}

// valuesOf serves orders and looks at every token with the registered weights.
func valuesOf(ctx context.Context, s setup, method statistical.Method, serve serve, orders []order) ([][]float32, error) {
	answers, err := serve(ctx, s, orders)
	if err != nil {
		return nil, err
	}
	var values [][]float32
	for i, a := range answers {
		if len(a.tokens) == 0 {
			continue // the model ended the text at once
		}
		packed, err := logprobs.Pack(a.reported) // as a receipt commits to them
		if err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
		j := statistical.Job{Prompt: orders[i].prompt, Answer: a.tokens, Ended: len(a.tokens) < s.answerTokens, Sampling: s.sampling}
		if j.Reported, err = logprobs.Unpack(packed); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
		j.Sampling.Seed = orders[i].seed
		seen, err := j.Look(method, s.registered, s.threads)
		if err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
		values = append(values, seen)
	}
	return values, nil
}
