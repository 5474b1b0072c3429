package statistical

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// Reason is why an answer cannot be judged.
type Reason string

// Reasons. None of them is a clean answer: each escalates to more auditors.
const (
	DifferentTokens Reason = "the tokens are not those that the receipt commits to"
	NoAnswer        Reason = "there is no token to judge"
	UnknownToken    Reason = "a token is not of the registered vocabulary"
	UnknownModel    Reason = "no profile is calibrated for this model, engine and sampling"
	TooLong         Reason = "prompt and answer exceed the registered context"
	NotAgreed       Reason = "the draw was not agreed: nobody can say which token was due"
	EngineFailed    Reason = "the auditor's own engine failed"
)

// Inconclusive is the error of everything that cannot be judged.
type Inconclusive struct {
	Reason Reason
	Err    error // what happened; nil if the reason says all
}

// Error implements error.
func (i *Inconclusive) Error() string {
	if i.Err == nil {
		return "inconclusive: " + string(i.Reason)
	}
	return fmt.Sprintf("inconclusive: %s: %v", i.Reason, i.Err)
}

// Unwrap gives what happened.
func (i *Inconclusive) Unwrap() error { return i.Err }

// Job is an answer as it was served, and how it was agreed to be drawn.
type Job struct {
	Prompt, Answer []int32
	// First is the step of the answer's first token: 0, or how many tokens at the
	// end of the prompt began the answer.
	First uint64
	// Ended says that the model ended the answer: after it, a token that ends a
	// text was drawn, and is judged too. A stop string is not the model's.
	Ended    bool
	Sampling sampling.Params
	// Steps are the tokens that are looked at, ascending; nil for all. The end is
	// the step after the last. What is not looked at counts as nothing found.
	Steps []uint64
	// Reported are log-probabilities that the receipt commits to, unpacked; nil for
	// none.
	Reported []logprobs.Step
}

// FromReceipt is the job that a receipt commits to, if these are its tokens. Its
// error is [Inconclusive]: other tokens, or another number of them, are no answer
// of this receipt.
func FromReceipt(r receipt.Receipt, prompt, answer []int32, s sampling.Params) (Job, error) {
	for _, c := range []struct {
		name   string
		tokens []int32
		count  uint64
		digest receipt.Digest
	}{{"prompt", prompt, r.PromptTokens, r.PromptDigest}, {"answer", answer, r.CompletionTokens, r.OutputDigest}} {
		if uint64(len(c.tokens)) != c.count {
			return Job{}, &Inconclusive{DifferentTokens, fmt.Errorf("the %s has %d tokens, the receipt says %d", c.name, len(c.tokens), c.count)}
		}
		if receipt.TokensDigest(c.tokens) != c.digest {
			return Job{}, &Inconclusive{DifferentTokens, fmt.Errorf("the %s has another digest", c.name)}
		}
	}
	return Job{Prompt: prompt, Answer: answer, First: uint64(r.Sampling.Resumed), Ended: r.FinishReason == engine.FinishStop, Sampling: s}, nil
}

// score computes a job once and shows, by as many workers as there are threads at
// once, what follows so many tokens of the answer: the logits, and the token that was
// served; −1 stands for any token that ends a text. Its errors are [Inconclusive].
func (j Job) score(m *engine.Model, threads int, visit func(worker, at int, logits []float32, served int32)) error {
	text := append(append([]int32(nil), j.Prompt...), j.Answer...)
	steps := len(j.Answer)
	if j.Ended {
		steps++
	}
	switch {
	case steps == 0 || len(j.Prompt) == 0:
		return &Inconclusive{Reason: NoAnswer}
	case len(text) > m.ContextLength:
		return &Inconclusive{TooLong, fmt.Errorf("%d tokens of %d", len(text), m.ContextLength)}
	}
	for _, id := range text {
		if id < 0 || int(id) >= m.Size() {
			return &Inconclusive{UnknownToken, fmt.Errorf("%d of %d", id, m.Size())}
		}
	}
	scored := text[:len(j.Prompt)+steps-1]
	last := len(j.Prompt) - 1
	var wanted func(position int) bool
	if j.Steps != nil {
		wanted = func(position int) bool {
			_, found := slices.BinarySearch(j.Steps, uint64(position-last))
			return found
		}
	}
	err := m.LogitsAfter(scored, last, threads, wanted, func(worker, position int, logits []float32) {
		served := int32(-1)
		if position-last < len(j.Answer) {
			served = j.Answer[position-last]
		}
		visit(worker, position-last, logits, served)
	})
	if err != nil {
		return &Inconclusive{EngineFailed, err}
	}
	return nil
}

// Margins is how far each token of an answer is from the agreed draw, in units
// of logits, and of the end that was drawn, if one was: 0 where they agree, +Inf
// where the token could not have been drawn. The draw must have been agreed:
// temperature 0 or [sampling.Gumbel]. Its errors are [Inconclusive].
func (j Job) Margins(m *engine.Model, threads int) ([]float32, error) {
	if j.Sampling.Temperature != 0 && j.Sampling.Kind != sampling.Gumbel {
		return nil, &Inconclusive{Reason: NotAgreed}
	}
	s, err := sampling.New(j.Sampling, m.Size(), j.Prompt)
	if err != nil {
		return nil, &Inconclusive{NotAgreed, err}
	}
	ends, crew := ending(m), s.Crew(j.Answer, threads)
	margins := make([]float32, len(j.Answer), len(j.Answer)+1)
	if j.Ended {
		margins = append(margins, 0)
	}
	err = j.score(m, threads, func(worker, at int, logits []float32, served int32) {
		s, step := crew.At(worker, at), j.First+uint64(at)
		if served >= 0 {
			margins[at] = s.Margin(logits, step, nil, served)
			return
		}
		margins[at] = float32(math.Inf(1))
		for _, id := range ends {
			margins[at] = min(margins[at], s.Margin(logits, step, nil, id))
		}
	})
	if err != nil {
		return nil, err
	}
	return margins, nil
}

// ending lists the tokens that end a text.
func ending(m *engine.Model) []int32 {
	var ids []int32
	for id := range int32(m.Size()) {
		if m.EndsText(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// errGreedy: at temperature 0 there is no likelihood to look at.
var errGreedy = errors.New("at temperature 0, margins say more")

// Surprises is how much less likely each token of an answer was than the model
// expected: −ln p less the entropy of the step, in nats, at the temperature of
// the job. However the tokens were drawn, its mean is 0 if they were drawn from
// the model; what top_p or top_k left out only makes it lower. An end is not
// looked at. Its errors are [Inconclusive].
func (j Job) Surprises(m *engine.Model, threads int) ([]float32, error) {
	if j.Sampling.Temperature == 0 {
		return nil, &Inconclusive{NotAgreed, errGreedy}
	}
	j.Ended = false
	return j.each(m, threads, func(scratch, logits []float32, at int) float32 {
		return surprise(scratch, logits, j.Sampling.Temperature, j.Answer[at])
	})
}

// Distances is how far the log-probabilities that an engine reported of each
// token are from the registered weights': the mean difference over the drawn
// token and its alternatives, in nats. Each number counts, not only whether the
// draw moved, so few tokens say much; but whoever runs the registered model
// beside another can report what it likes. They are of the model's logits, at
// temperature 1 whatever the draw's. Its errors are [Inconclusive].
func (j Job) Distances(m *engine.Model, threads int) ([]float32, error) {
	if len(j.Reported) != len(j.Answer) {
		return nil, &Inconclusive{DifferentTokens, fmt.Errorf("log-probabilities of %d tokens, the answer has %d", len(j.Reported), len(j.Answer))}
	}
	j.Ended = false
	return j.each(m, threads, func(scratch, logits []float32, at int) float32 {
		return distance(scratch, logits, j.Answer[at], j.Reported[at])
	})
}

// each is a number of each token of the answer, made with room for logits.
func (j Job) each(m *engine.Model, threads int, of func(scratch, logits []float32, at int) float32) ([]float32, error) {
	list, scratch := make([]float32, len(j.Answer)), make([][]float32, max(1, threads))
	for i := range scratch {
		scratch[i] = make([]float32, m.Size())
	}
	err := j.score(m, threads, func(worker, at int, logits []float32, _ int32) { list[at] = of(scratch[worker], logits, at) })
	if err != nil {
		return nil, err
	}
	return list, nil
}

// distance compares one step; scratch is as long as the logits.
func distance(scratch, logits []float32, served int32, said logprobs.Step) float32 {
	top := slices.Max(logits)
	for i, l := range logits {
		scratch[i] = l - top
	}
	tensor.ExpAll(scratch, scratch)
	var sum float64
	for _, e := range scratch {
		sum += float64(e)
	}
	norm := float64(top) + tensor.Log(sum)
	off := func(id int32, logprob float32) float64 {
		if id < 0 || int(id) >= len(logits) {
			return math.Inf(1)
		}
		return math.Abs(float64(logits[id]) - norm - float64(logprob))
	}
	total := off(served, said.Drawn)
	for _, c := range said.Top {
		total += off(c.ID, c.Logprob)
	}
	return float32(total / float64(1+len(said.Top)))
}

// surprise is −ln p of a token less the entropy, at a temperature; scratch is as
// long as the logits.
func surprise(scratch, logits []float32, temperature float32, served int32) float32 {
	top := logits[0]
	for _, l := range logits {
		top = max(top, l)
	}
	for i, l := range logits {
		scratch[i] = (l - top) / temperature
	}
	own := float64(scratch[served])
	var sum, weighted float64
	for _, x := range scratch {
		e := float64(tensor.Exp(x))
		sum += e
		weighted += e * float64(x)
	}
	return float32(weighted/sum - own) // ln(sum) is in both
}
