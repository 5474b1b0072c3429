package proof

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// ErrStatement says that a receipt states otherwise than its own request asked:
// its provider convicts itself, without a model.
var ErrStatement = errors.New("the receipt states what the request did not ask for")

// Exact computes an answer of verification class exact again, with the model that
// the receipt names, which is for the caller to make sure of, and compares every
// leaf and every draw. An error says that the audit failed, through no fault of the
// answer.
func Exact(ctx context.Context, m *engine.Model, r receipt.Receipt, t receipt.Transcript, threads int) (Finding, error) {
	q, err := Asked(r, t)
	switch {
	case errors.Is(err, ErrStatement):
		return found(Refuted, -1, "%v.", err), nil
	case err != nil:
		return found(Inconclusive, -1, "Nothing is proved by this: %v.", err), nil
	case r.Class != receipt.Exact:
		return found(Inconclusive, -1, "The receipt is of class %s, of which a re-run proves nothing bit for bit.", r.Class), nil
	case r.Sampling.Kind == receipt.Foreign:
		return found(Refuted, -1, "An answer of class exact was drawn by a sampler that nobody can repeat (%s).", r.Sampling.Kind), nil
	case q.Embed != nil:
		return found(Inconclusive, -1, "Embeddings are not audited by this."), nil
	}
	prompt, err := Prompt(m, r, q)
	if err != nil {
		return found(Inconclusive, -1, "The model cannot put the request into tokens: %v.", err), nil
	}
	if finding, ok := samePrompt(r, prompt); !ok {
		return finding, nil
	}
	request, err := asked(m, q, r, prompt)
	if err != nil {
		return found(Inconclusive, -1, "The model cannot be asked this: %v.", err), nil
	}
	p, err := m.Replay(ctx, request, t.Output, threads)
	if ctx.Err() != nil {
		return Finding{}, ctx.Err()
	}
	if err != nil {
		return found(Inconclusive, -1, "The answer cannot be computed again: %v.", err), nil
	}
	finding := compare(r, t, p, m)
	finding.Steps, finding.Leaves = len(t.Output), p.Leaves
	return finding, nil
}

// samePrompt compares the provider's count of the prompt with the model's own.
func samePrompt(r receipt.Receipt, prompt []int32) (Finding, bool) {
	if r.PromptTokens != uint64(len(prompt)) {
		return found(Refuted, -1, "The receipt charges for %d tokens of prompt; the request has %d.", r.PromptTokens, len(prompt)), false
	}
	if r.PromptDigest != receipt.TokensDigest(prompt) {
		return found(Refuted, -1, "The provider read another prompt: its digest is not that of the request's %d tokens.", len(prompt)), false
	}
	return Finding{}, true
}

// asked is what the engine had to generate.
func asked(m *engine.Model, q inference.Request, r receipt.Receipt, prompt []int32) (engine.Request, error) {
	q.Seed = r.Seed.Value
	request, err := reference.Request(m, q, prompt, int(r.Sampling.MaxTokens))
	if r.Sampling.Kind == receipt.Gumbel {
		request.Sampling.Kind = sampling.Gumbel
	}
	if err == nil && request.MaxTokens < 1 {
		err = fmt.Errorf("%w: no token was allowed", engine.ErrRequest)
	}
	return request, err
}

// compare finds the first step in which an answer is not what it must have been.
func compare(r receipt.Receipt, t receipt.Transcript, p engine.Replay, m *engine.Model) Finding {
	given := t.Output
	for i, id := range given {
		switch {
		case p.Over >= 0 && p.Over <= i:
			return found(Refuted, i, "The answer was over (%s) before step %d, and went on.", p.Finish, i)
		case len(t.Leaves) > 0 && t.Leaves[i] != p.Leaves[i]:
			return found(Refuted, i, "The model's logits or layers at step %d are not those that the provider committed to.", i)
		case p.Drawn[i] != id:
			return found(Refuted, i, "At step %d the sampler draws token %d (%q) of the model's logits; the provider gave %d (%q).",
				i, p.Drawn[i], piece(m, p.Drawn[i]), id, piece(m, id))
		}
	}
	if receipt.MerkleRoot(p.Leaves) != r.Commitment {
		return found(Refuted, -1, "Every token is the one that the sampler draws, but the logits or layers of some step are not those that "+
			"the provider committed to: other weights, or other arithmetic. The provider's leaves would show the step.")
	}
	switch {
	case r.FinishReason != engine.FinishStop && r.FinishReason != engine.FinishLength: // cut off, by either side
	case p.Over < 0:
		return found(Refuted, len(given), "The receipt says that the answer ended (%s) after %d tokens, of %d that were allowed; the model goes on.",
			r.FinishReason, len(given), r.Sampling.MaxTokens)
	case p.Finish != r.FinishReason:
		return found(Refuted, len(given), "The answer ends by %s; the receipt says %s.", p.Finish, r.FinishReason)
	}
	return found(Upheld, -1, "All %d steps are what these weights compute, bit for bit.", len(given))
}

func piece(m *engine.Model, id int32) []byte {
	if id < 0 || int(id) >= m.Size() {
		return nil
	}
	return m.Piece(id)
}
