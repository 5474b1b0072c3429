// Package party takes a side in a case about an answer of the exact class: it
// computes the answer again and says what the court wants to know next, as the
// accused, who opens leaves and defends them, or as an auditor, who says what
// the leaves should have been and finds the one number that is wrong.
//
// It keeps nothing: whoever has the receipt, the transcript and the model can
// take a side up again at any move.
package party

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/trace"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// ErrUnreadable says that receipt and transcript do not belong together, or
// that the model cannot be asked what the request asks: nothing is judged.
var ErrUnreadable = errors.New("receipt and transcript are no answer of this model")

// Weights are a model as a party needs it: to compute, and to prove single rows
// of what it computed with.
type Weights struct {
	Model *engine.Model
	Rows  *rows.File
}

// Answer is a disputed answer, computed again.
type Answer struct {
	weights Weights
	receipt receipt.Receipt
	request engine.Request
	output  []int32
	threads int
	replay  engine.Replay
	player  *trace.Player
}

// Opening is what one leaf is made of, and the proof that the receipt commits
// to it.
type Opening struct {
	Step         uint64 // from 0
	Token        int32
	Logits, Fold receipt.Digest
	Path         []receipt.Digest
}

// Recompute computes an answer again, in one pass. Refusal: [ErrUnreadable].
func Recompute(ctx context.Context, w Weights, r receipt.Receipt, t receipt.Transcript, threads int) (*Answer, error) {
	q, err := proof.Asked(r, t)
	if err != nil && !errors.Is(err, proof.ErrStatement) {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if q.Embed != nil {
		return nil, fmt.Errorf("%w: it is an embedding", ErrUnreadable)
	}
	prompt, err := proof.Prompt(w.Model, r, q)
	if err != nil {
		return nil, fmt.Errorf("%w: the prompt: %w", ErrUnreadable, err)
	}
	if receipt.TokensDigest(prompt) != r.PromptDigest || uint64(len(prompt)) != r.PromptTokens {
		return nil, fmt.Errorf("%w: the request's prompt has %d tokens and another digest than the receipt's", ErrUnreadable, len(prompt))
	}
	q.Seed = r.Seed.Value
	request, err := reference.Request(w.Model, q, prompt, int(r.Sampling.MaxTokens))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	a := &Answer{weights: w, receipt: r, request: request, output: t.Output, threads: threads}
	a.replay, err = w.Model.Replay(ctx, request, t.Output, threads)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return a, nil
}

// Openings are what the accused opens at some steps: what it served.
func (a *Answer) Openings(steps []uint64) ([]Opening, error) {
	opened := make([]Opening, len(steps))
	for i, step := range steps {
		if step >= uint64(len(a.output)) {
			return nil, fmt.Errorf("step %d of an answer of %d: there is no such leaf", step, len(a.output))
		}
		path, err := receipt.Prove(a.replay.Leaves, int(step))
		if err != nil {
			return nil, err
		}
		opened[i] = Opening{Step: step, Token: a.output[step], Logits: a.replay.Logits[step], Fold: a.replay.Folds[step], Path: path}
	}
	return opened, nil
}

// Kept are openings of an answer whose engine cannot compute it again, from the
// digests of what it said of each step. Its end, the step after the last, has none.
func Kept(r receipt.Receipt, output []int32, said []receipt.Digest, steps []uint64) ([]Opening, error) {
	if len(said) != len(output) {
		return nil, fmt.Errorf("%w: %d tokens were kept, and what was said of %d", ErrUnreadable, len(output), len(said))
	}
	leaves := make([]receipt.Digest, len(output))
	for i, token := range output {
		leaves[i] = receipt.Leaf(uint64(r.Sampling.Resumed)+uint64(i), token, said[i], receipt.Digest{})
	}
	var opened []Opening
	for _, step := range steps {
		if step == uint64(len(output)) {
			continue
		}
		if step > uint64(len(output)) {
			return nil, fmt.Errorf("step %d of an answer of %d: there is no such leaf", step, len(output))
		}
		path, err := receipt.Prove(leaves, int(step))
		if err != nil {
			return nil, err
		}
		opened = append(opened, Opening{Step: step, Token: output[step], Logits: said[step], Path: path})
	}
	return opened, nil
}

// Leaves are those that an honest provider would have committed to, with the
// tokens that the sampler draws: where they are the receipt's, the answer is. If
// the answer goes on where the receipt says that it was over, there is one more.
// Where no referee computes draws, they are those of the tokens that were served
// ([Answer.Drawn] says whether these were drawn): who claimed others could not show it.
func (a *Answer) Leaves() []receipt.Digest {
	leaves := make([]receipt.Digest, len(a.output))
	for i := range leaves {
		leaves[i] = a.replay.Leaves[i]
		if drawn := a.replay.Drawn[i]; drawn != a.output[i] && referee.Refereed(a.receipt) {
			leaves[i] = receipt.Leaf(uint64(a.request.Resumed+i), drawn, a.replay.Logits[i], a.replay.Folds[i])
		}
	}
	if referee.Disputable(a.receipt) && !a.replay.Next.IsZero() {
		leaves = append(leaves, a.replay.Next)
	}
	return leaves
}

// Drawn says whether every token is the one that the sampler draws, and the answer
// over where the receipt says so.
func (a *Answer) Drawn() bool {
	said := a.receipt.FinishReason == engine.FinishStop || a.receipt.FinishReason == engine.FinishLength
	return slices.Equal(a.replay.Drawn, a.output) && !(said && a.replay.Over != len(a.output))
}

// Root is what they commit to.
func (a *Answer) Root() receipt.Digest { return receipt.MerkleRoot(a.Leaves()) }

// Agrees says whether the receipt commits to this answer of this model.
func (a *Answer) Agrees() bool { return a.Root() == a.receipt.Commitment }

// Move is the next move in a game, given by its bytes, of the side that plays.
// Refusals: [bisection.ErrTurn] if it is not that side's turn, and
// [trace.ErrAgreed] for a challenger who finds nothing wrong.
func (a *Answer) Move(game []byte, side bisection.Side) ([]byte, error) {
	g, err := bisection.Unmarshal(game)
	if err != nil {
		return nil, err
	}
	if g.Turn() != side {
		return nil, fmt.Errorf("%w: it is the turn of the %s", bisection.ErrTurn, g.Turn())
	}
	if a.player == nil {
		leaves := a.replay.Leaves
		if side == bisection.Challenger {
			leaves = a.Leaves()
		}
		c := &trace.Case{
			Model: a.weights.Model, Rows: a.weights.Rows, Receipt: a.receipt, Prompt: a.request.Prompt, Output: a.output,
			Bias: a.request.Sampling.Bias, Stop: a.request.Stop, Threads: a.threads,
		}
		if a.player, err = trace.NewPlayer(c, leaves); err != nil {
			return nil, err
		}
	}
	move, err := a.player.Move(&g)
	if err != nil {
		return nil, err
	}
	return move.Bytes(), nil
}
