// Package proof judges answers against their receipts, by computing them again.
//
// An answer of verification class exact is computed by this package in one pass
// over prompt and output, and has to be the same to the last bit; package
// statistical judges those of other engines. Whatever cannot be judged is
// [Inconclusive] and goes on to somebody who can: it never counts as good.
package proof

import (
	"fmt"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Verdict is what an audit came to.
type Verdict string

// The verdicts.
const (
	Upheld       Verdict = "upheld"       // the answer is what its receipt states
	Refuted      Verdict = "refuted"      // it is not
	Inconclusive Verdict = "inconclusive" // it could not be judged: somebody else must
)

// Finding is a verdict with its reason.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	// Reason is a sentence.
	Reason string `json:"reason"`
	// Step is the first step of the output that differs, −1 if it is not known or
	// there is none.
	Step int `json:"step"`
	// Steps is how many were computed again.
	Steps int `json:"steps"`
	// Leaves are those that the receipt should commit to.
	Leaves []receipt.Digest `json:"-"`
}

func found(v Verdict, step int, format string, args ...any) Finding {
	return Finding{Verdict: v, Step: step, Reason: fmt.Sprintf(format, args...)}
}

// Consistent checks, without a model, that a transcript is of a receipt's answer
// and that the receipt states how the request asked for it to be drawn. It returns
// the request. What it says of a receipt that does not verify is said of nobody.
func Consistent(r receipt.Receipt, t receipt.Transcript) (inference.Request, error) {
	if err := r.Verify(); err != nil {
		return inference.Request{}, err
	}
	if err := t.Verify(r); err != nil {
		return inference.Request{}, err
	}
	q, err := inference.ParseRequest([]byte(t.Request))
	if err != nil {
		return q, err
	}
	for _, field := range []struct {
		name string
		ok   bool
	}{
		{"model", r.Model == q.Model},
		{"sampling", q.Embed != nil || r.Sampling == q.Sampling(r.Sampling.Kind, r.Sampling.MaxTokens)},
		{"sampling.max_tokens", q.MaxTokens == 0 || r.Sampling.MaxTokens == q.MaxTokens},
		{"seed", r.Seed.Nonce == q.Nonce && (r.Seed.Origin == receipt.Drawn || r.Seed.Value == q.Seed)},
	} {
		if !field.ok {
			return q, fmt.Errorf("%w: %s", ErrStatement, field.name)
		}
	}
	return q, nil
}
