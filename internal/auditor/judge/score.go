package judge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// Versions says which model a version's digest is, as profiles name it, and its
// quantisation.
type Versions func(ctx context.Context, digest receipt.Digest) (name, quantisation string, err error)

// Measured is a [Scale] by measured profiles. Where the draw was agreed, at
// temperature 0 or by Gumbel's noise, it looks at margins; elsewhere at likelihood.
func Measured(profiles []statistical.Profile, versions Versions, threads int) Scale {
	return measured{profiles, versions, threads}
}

type measured struct {
	profiles []statistical.Profile
	versions Versions
	threads  int
}

// Score implements [Scale].
func (m measured) Score(ctx context.Context, w party.Weights, r receipt.Receipt, t receipt.Transcript, steps []uint64) ([]uint32, error) {
	name, quantisation, err := m.versions(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	values, p, err := look(m.profiles, name, quantisation, w, r, t, steps, m.threads)
	if err != nil {
		return nil, err
	}
	scores := make([]uint32, len(steps))
	values = withEnd(values, p.Method, w, r, t)
	for i, step := range steps {
		if step >= uint64(len(values)) {
			return nil, &statistical.Inconclusive{Reason: statistical.NoAnswer}
		}
		one := p.Score(values[step : step+1])
		scores[i] = uint32(one.Millionth * court.MaxScore / statistical.Unit)
	}
	return scores, nil
}

// Weigh implements [Scale].
func (m measured) Weigh(ctx context.Context, w party.Weights, r receipt.Receipt, t receipt.Transcript) (proof.Finding, error) {
	name, quantisation, err := m.versions(ctx, r.Model)
	if err != nil {
		return proof.Finding{}, err
	}
	return Weigh(m.profiles, name, quantisation, w, r, t, m.threads)
}

// look finds the profile that an answer is judged by, and what is looked at of
// its tokens: those of some steps, or all.
func look(profiles []statistical.Profile, name, quantisation string, w party.Weights, r receipt.Receipt, t receipt.Transcript, steps []uint64, threads int) ([]float32, statistical.Profile, error) {
	job, err := jobOf(w, r, t)
	if err != nil {
		return nil, statistical.Profile{}, err
	}
	job.Steps = steps
	method := statistical.Likelihood
	if job.Sampling.Temperature == 0 || job.Sampling.Kind == sampling.Gumbel {
		method = statistical.Margin
	}
	p, err := statistical.Find(profiles, name, quantisation, method, job.Sampling.Temperature)
	if err != nil {
		return nil, p, err
	}
	values, err := job.Look(method, w.Model, threads)
	return values, p, err
}

// Weigh is the verdict on one answer of the statistical class, of a model as
// profiles name it. It is upheld if it scores no more than honest answers do on
// average. One that scores more is no proof: only many are, and the verdict is
// inconclusive.
func Weigh(profiles []statistical.Profile, name, quantisation string, w party.Weights, r receipt.Receipt, t receipt.Transcript, threads int) (proof.Finding, error) {
	open := func(reason string) (proof.Finding, error) {
		return proof.Finding{Verdict: proof.Inconclusive, Step: -1, Reason: reason}, nil
	}
	if _, err := proof.Consistent(r, t); err != nil {
		return open(fmt.Sprintf("Nothing is proved by this: %v.", err))
	}
	values, p, err := look(profiles, name, quantisation, w, r, t, nil, threads)
	var undecided *statistical.Inconclusive
	switch {
	case errors.As(err, &undecided):
		return open(fmt.Sprintf("The answer cannot be scored: %v.", err))
	case err != nil:
		return proof.Finding{}, err
	}
	score := p.Score(values)
	said := fmt.Sprintf("its %s is %d millionths of the most there can be, of honest answers %d at most on average", p.Method, score.Millionth, p.Mean)
	if p.Method == statistical.Margin {
		said += fmt.Sprintf("; %d of %d tokens are not those that these weights draw", score.Differing, score.Tokens)
	}
	if score.Millionth > p.Mean {
		f, err := open(fmt.Sprintf("The answer is suspicious, which is no proof: %s. Auditors add up many such answers.", said))
		f.Steps = score.Tokens
		return f, err
	}
	return proof.Finding{Verdict: proof.Upheld, Step: -1, Steps: score.Tokens, Reason: fmt.Sprintf("Nothing speaks against the answer: %s.", said)}, nil
}

// withEnd is what is looked at of each token, and of the end after them. An answer
// that was over before as many tokens came as were allowed, or the context holds, and
// not by a draw nor by a stop string, could not have been drawn so. Methods that look at
// likelihood or reports see nothing in an end.
func withEnd(values []float32, by statistical.Method, w party.Weights, r receipt.Receipt, t receipt.Transcript) []float32 {
	if len(values) > len(t.Output) {
		return values // a draw ended it, and was looked at
	}
	short := r.CompletionTokens < uint64(r.Sampling.MaxTokens) && r.PromptTokens+r.CompletionTokens < uint64(w.Model.ContextLength)
	if by == statistical.Margin && r.FinishReason == engine.FinishLength && short {
		return append(values, float32(math.Inf(1)))
	}
	return append(values, 0)
}

// jobOf is an answer as it is scored.
func jobOf(w party.Weights, r receipt.Receipt, t receipt.Transcript) (statistical.Job, error) {
	q, err := request(r, t)
	if err != nil {
		return statistical.Job{}, &statistical.Inconclusive{Reason: statistical.DifferentTokens, Err: err}
	}
	q.Seed = r.Seed.Value
	prompt, err := proof.Prompt(w.Model, r, q)
	if err != nil {
		return statistical.Job{}, &statistical.Inconclusive{Reason: statistical.DifferentTokens, Err: err}
	}
	params := reference.Sampling(q)
	if r.Sampling.Kind == receipt.Gumbel {
		params.Kind = sampling.Gumbel
	}
	job, err := statistical.FromReceipt(r, prompt, t.Output, params)
	if err == nil && job.Ended {
		asked := len(prompt) - min(len(prompt), int(r.Sampling.Resumed))
		job.Ended = !w.Model.Stopped(q.Stop, append(slices.Clone(prompt[asked:]), t.Output...))
	}
	return job, err
}

// request is what was asked; of an epoch challenge, what every one asks.
func request(r receipt.Receipt, t receipt.Transcript) (inference.Request, error) {
	if _, ok := proof.Challenged(r); ok {
		return inference.Request{TopP: 1}, nil
	}
	return inference.ParseRequest([]byte(t.Request))
}

// reasonOf is why an answer could not be scored, as the court names it; false if
// the attempt failed for now.
func reasonOf(err error) (court.Reason, bool) {
	var i *statistical.Inconclusive
	if !errors.As(err, &i) {
		return court.None, false
	}
	switch i.Reason {
	case statistical.DifferentTokens:
		return court.Unreadable, true
	case statistical.NoAnswer, statistical.TooLong:
		return court.Length, true
	case statistical.UnknownToken:
		return court.Tokens, true
	case statistical.UnknownModel, statistical.NotAgreed:
		return court.Model, true
	}
	return court.Engine, true
}
