package statistical

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// registered is the model that ships, quantised its twin of four bits.
func registered(t *testing.T) (m *engine.Model, path string) {
	t.Helper()
	path, err := trivium.Install(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if m, err = engine.Load(path); err != nil {
		t.Fatal(err)
	}
	return m, path
}

func quantised(t *testing.T, path string) *engine.Model {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	to := filepath.Join(t.TempDir(), "twin.gguf")
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := quantize.File(f, gguf.Q4_0).WriteTo(out); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(to)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// served has an answer written by a model.
func served(t *testing.T, by *engine.Model, p sampling.Params, tokens int) Job {
	t.Helper()
	j := Job{Prompt: by.Prompt("And the king said unto"), Sampling: p}
	_, err := engine.New(by, engine.Options{Threads: 2}).Generate(context.Background(),
		engine.Request{Prompt: j.Prompt, MaxTokens: tokens, Sampling: p}, func(token engine.Token) error {
			j.Answer = append(j.Answer, token.ID)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

var agreed = sampling.Params{Temperature: 0.8, TopP: 1, Seed: 7, Kind: sampling.Gumbel}

// Whoever serves the registered weights as agreed has no margin at all; a twin
// of four bits, another temperature and another seed have.
func TestMarginsTellCheats(t *testing.T) {
	m, path := registered(t)
	differing := func(j Job) int {
		j.Sampling.Temperature, j.Sampling.Seed, j.Sampling.Kind = agreed.Temperature, agreed.Seed, agreed.Kind
		margins, err := j.Margins(m, 2)
		if err != nil || len(margins) != len(j.Answer) {
			t.Fatalf("%d margins of %d tokens, %v", len(margins), len(j.Answer), err)
		}
		n := 0
		for _, v := range margins {
			if v > 0 {
				n++
			}
		}
		return n
	}
	if n := differing(served(t, m, agreed, 100)); n != 0 {
		t.Errorf("%d tokens of an honest answer are not the agreed draw", n)
	}
	hotter, other := agreed, agreed
	hotter.Temperature, other.Seed = 1, 8
	for name, j := range map[string]Job{
		"four bits": served(t, quantised(t, path), agreed, 100), "hotter": served(t, m, hotter, 100), "another seed": served(t, m, other, 100),
	} {
		if n := differing(j); n == 0 {
			t.Errorf("%s: every token is the agreed draw", name)
		}
	}
}

// At temperature 0 engines that know nothing of seeds are judged too, and a
// penalty that was agreed is no margin.
func TestMarginsOfGreedyAnswers(t *testing.T) {
	m, _ := registered(t)
	p := sampling.Params{TopP: 1, RepetitionPenalty: 1.3}
	j := served(t, m, p, 60)
	margins, err := j.Margins(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range margins {
		if v != 0 {
			t.Fatalf("token %d has a margin of %g", i, v)
		}
	}
	j.Sampling.RepetitionPenalty = 0
	if margins, err = j.Margins(m, 1); err != nil || slices.Max(margins) == 0 {
		t.Fatalf("a penalty that was not agreed goes unseen: %v", err)
	}
}

// An end that the model did not draw is as wrong as a token that it did not.
func TestAnEndIsJudged(t *testing.T) {
	m, _ := registered(t)
	j := served(t, m, agreed, 20)
	j.Ended = true
	margins, err := j.Margins(m, 1)
	if err != nil || len(margins) != 21 {
		t.Fatalf("%d margins, %v", len(margins), err)
	}
	if last := margins[20]; !(last > 1) {
		t.Errorf("an answer cut off after 20 tokens has a margin of %g at its end", last)
	}
}

// The mean surprise of what was drawn from the model is near nothing, whatever
// drew it, and tokens from a hat are far from it.
func TestSurprises(t *testing.T) {
	m, _ := registered(t)
	honest, hat := 0.0, 0.0
	for seed := range uint64(4) {
		j := served(t, m, sampling.Params{Temperature: 0.8, TopP: 1, Seed: seed}, 150)
		values, err := j.Surprises(m, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			honest += float64(v) / 600
			j.Answer[i] = int32(uint64(i*7919+13) * (seed + 1) % uint64(m.Size()))
		}
		if values, err = j.Surprises(m, 2); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			hat += float64(v) / 600
		}
	}
	if math.Abs(honest) > 0.25 || hat < 3 {
		t.Errorf("mean surprise %.3f nats, and %.3f of tokens from a hat", honest, hat)
	}
}

// What cannot be judged has no score: never one that looks clean.
func TestInconclusive(t *testing.T) {
	m, _ := registered(t)
	p := Profile{Method: Margin, Least: 0.8, Most: 0.8, Cap: 1, Mean: 1000, Bet: 100 * Unit}
	good := Job{Prompt: []int32{1, 2}, Answer: []int32{3, 4}, Sampling: agreed}
	if s, err := p.Judge(m, good, 1); err != nil || s == nil || s.Tokens != 2 || !s.MaySlash() {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, c := range map[string]struct {
		profile Profile
		change  func(*Job)
		want    Reason
	}{
		"no answer":           {p, func(j *Job) { j.Answer = nil }, NoAnswer},
		"no prompt":           {p, func(j *Job) { j.Prompt = nil }, NoAnswer},
		"unknown token":       {p, func(j *Job) { j.Answer = []int32{int32(m.Size())} }, UnknownToken},
		"negative token":      {p, func(j *Job) { j.Prompt = []int32{-1} }, UnknownToken},
		"too long":            {p, func(j *Job) { j.Answer = make([]int32, m.ContextLength) }, TooLong},
		"another temperature": {p, func(j *Job) { j.Sampling.Temperature = 0.5 }, UnknownModel},
		"no number":           {p, func(j *Job) { j.Sampling.Temperature = float32(math.NaN()) }, UnknownModel},
		"a draw not agreed":   {p, func(j *Job) { j.Sampling.Kind = sampling.Categorical }, NotAgreed},
		"no sampling":         {p, func(j *Job) { j.Sampling.TopP = 0 }, NotAgreed},
		"no profile":          {Profile{}, func(*Job) {}, UnknownModel},
	} {
		j := good
		c.change(&j)
		s, err := c.profile.Judge(m, j, 1)
		var why *Inconclusive
		if s != nil || !errors.As(err, &why) || why.Reason != c.want {
			t.Errorf("%s: score %v, %v; want %q", name, s, err, c.want)
		}
	}
}

// Other tokens than the receipt's, or another number of them, are inconclusive.
func TestFromReceipt(t *testing.T) {
	prompt, answer := []int32{1, 2, 3}, []int32{4, 5}
	r := receipt.Receipt{
		PromptTokens: 3, PromptDigest: receipt.TokensDigest(prompt),
		CompletionTokens: 2, OutputDigest: receipt.TokensDigest(answer), FinishReason: engine.FinishStop,
	}
	if j, err := FromReceipt(r, prompt, answer, agreed); err != nil || !j.Ended || len(j.Answer) != 2 {
		t.Fatalf("%+v, %v", j, err)
	}
	for name, tokens := range map[string][2][]int32{
		"shorter": {prompt, answer[:1]}, "longer": {prompt, {4, 5, 6}}, "another token": {prompt, {4, 6}}, "another prompt": {{1, 2, 4}, answer},
	} {
		var why *Inconclusive
		if _, err := FromReceipt(r, tokens[0], tokens[1], agreed); !errors.As(err, &why) || why.Reason != DifferentTokens {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the registered model says of itself is off by the grid alone; what a twin
// of four bits says, by far more; another number of steps is inconclusive.
func TestDistances(t *testing.T) {
	m, path := registered(t)
	said := func(by *engine.Model) Job {
		j := Job{Prompt: m.Prompt("And the king said unto"), Sampling: sampling.Params{Temperature: 1, TopP: 1}}
		var steps []logprobs.Step
		_, err := engine.New(by, engine.Options{Threads: 2}).Generate(context.Background(),
			engine.Request{Prompt: j.Prompt, MaxTokens: 60, Sampling: j.Sampling, TopLogprobs: 5}, func(token engine.Token) error {
				s := logprobs.Step{Drawn: token.Logprob}
				for _, top := range token.Top {
					s.Top = append(s.Top, logprobs.Chance(top))
				}
				j.Answer, steps = append(j.Answer, token.ID), append(steps, s)
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		packed, err := logprobs.Pack(steps)
		if err != nil {
			t.Fatal(err)
		}
		if j.Reported, err = logprobs.Unpack(packed); err != nil {
			t.Fatal(err)
		}
		return j
	}
	mean := func(j Job) float64 {
		values, err := j.Distances(m, 2)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range values {
			sum += float64(v)
		}
		return sum / float64(len(values))
	}
	honest, twin := said(m), said(quantised(t, path))
	if a, b := mean(honest), mean(twin); a > 1.0/512 || b < 10*a {
		t.Errorf("mean distance %.5f nats, and %.5f of four bits", a, b)
	}
	honest.Reported = honest.Reported[1:]
	var why *Inconclusive
	if _, err := honest.Distances(m, 1); !errors.As(err, &why) || why.Reason != DifferentTokens {
		t.Errorf("a step too few: %v", err)
	}
}
