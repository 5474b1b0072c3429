package court

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/trace"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/defend"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// price is what every provider asks, in ucredit for a million tokens.
var price = receipt.Price{Input: 1_000_000, CachedInput: 1_000_000, Output: 4_000_000}

// seller is a provider.
type seller struct {
	w       *world
	name    string
	address string // name, if empty
	court   defend.Ledger
	key     ed25519.PrivateKey
	weights party.Weights // that it computes with
	cut     int           // tokens of a prompt that it does not read
	stops   int           // tokens after which it says that the model has ended its answer, if any
	// challenged is what it does then.
	challenged manner
	kept       map[receipt.Digest]provider.Evidence
	defence    *defend.Defence

	bond     uint64 // ukoin
	record   penalty.Record
	jailed   int64 // until when
	out      bool  // tombstoned
	clean    uint64
	maturing []earning
	chain    struct {
		sequence, owed uint64
		previous       receipt.Digest
	}
}

// earning is what a sale brought, until it matures.
type earning struct {
	amount uint64 // ucredit
	at     int64
}

func (s *seller) sells() bool { return !s.out && s.w.now >= s.jailed }

// start takes its defence up, as a new process does.
func (s *seller) start() {
	s.defence = defend.New(s.court, func(_ context.Context, r receipt.Receipt) (provider.Evidence, error) {
		e, ok := s.kept[r.Hash()]
		if !ok {
			return e, provider.ErrNoEvidence
		}
		return e, nil
	}, func(context.Context) (party.Weights, error) { return s.weights, nil }, 1, slog.New(slog.DiscardHandler))
}

// sell answers a request, signs the receipt and keeps the evidence.
func (s *seller) sell(ctx context.Context, payer, prompt string, limit int) (receipt.Record, error) {
	bard, _ := models.bard, models.twin
	q := inference.Request{Model: s.w.model, Prompt: prompt, MaxTokens: uint32(limit), Temperature: 0.8, TopP: 0.95, Nonce: s.w.digest()}
	raw, err := q.Encode()
	if err != nil {
		return receipt.Record{}, err
	}
	grant := receipt.Sum([]byte(s.name))
	lot, err := receipt.DrawLot(s.key, grant)
	if err != nil {
		return receipt.Record{}, err
	}
	seed := lot.Seed(q.Nonce)
	q.Seed = seed.Value
	whole, err := reference.Vocabulary{Vocabulary: bard.Model.Vocabulary}.Prompt(q)
	if err != nil {
		return receipt.Record{}, err
	}
	request, err := reference.Request(s.weights.Model, q, s.read(whole), limit)
	if err != nil {
		return receipt.Record{}, err
	}
	var output []int32
	var leaves []receipt.Digest
	end, err := s.w.engineOf(s).Generate(ctx, request, func(t engine.Token) error {
		output, leaves = append(output, t.ID), append(leaves, t.Leaf)
		return nil
	})
	if err != nil {
		return receipt.Record{}, err
	}
	cost, err := price.Cost(uint64(len(whole)), 0, uint64(len(output)))
	if err != nil {
		return receipt.Record{}, err
	}
	if s.stops > 0 && len(output) > s.stops {
		output, leaves, end.Finish = output[:s.stops], leaves[:s.stops], engine.FinishStop
		if cost, err = price.Cost(uint64(len(whole)), 0, uint64(s.stops)); err != nil {
			return receipt.Record{}, err
		}
	}
	c := &s.chain
	c.sequence, c.owed = c.sequence+1, c.owed+cost
	r := receipt.Receipt{
		Version: receipt.Version, ChainID: s.w.chain, Grant: grant, Sequence: c.sequence, Previous: c.previous,
		Provider: cmp.Or(s.address, s.name), Payer: payer, Model: s.w.model, Class: receipt.Exact, Request: receipt.Sum(raw),
		PromptTokens: uint64(len(whole)), CompletionTokens: uint64(len(output)),
		PromptDigest: receipt.TokensDigest(whole), OutputDigest: receipt.TokensDigest(output), Commitment: receipt.MerkleRoot(leaves),
		Sampling: q.Sampling(receipt.Categorical, uint32(limit)), Seed: seed, FinishReason: end.Finish,
		Price: price, Cost: cost, Owed: c.owed, Started: s.w.now * 1000, FirstToken: s.w.now * 1000, Finished: s.w.now * 1000,
	}.Sign(s.key)
	c.previous = r.Hash()
	t := receipt.Transcript{Request: string(raw), Output: output}
	s.kept[r.Hash()] = provider.Evidence{Transcript: t}
	return receipt.Record{Receipt: r, Transcript: &t}, nil
}

// read is as much of a prompt as this provider reads.
func (s *seller) read(prompt []int32) []int32 { return prompt[min(s.cut, len(prompt)-1):] }

// step answers the court. Who cut the prompt short cannot compute its leaves from
// the whole: it opens those that it served with, and plays on as far as they go.
func (s *seller) step(ctx context.Context) error {
	if s.cut == 0 {
		return s.defence.Step(ctx)
	}
	cases, err := s.court.Cases(ctx, s.court.Address())
	if err != nil {
		return err
	}
	for _, c := range cases {
		if c.Provider == s.court.Address() {
			if err := s.bluff(ctx, &c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *seller) bluff(ctx context.Context, c *auditv1.Case) error {
	opening := c.State == auditv1.CaseState_CASE_STATE_OPENING
	if !opening && (c.State != auditv1.CaseState_CASE_STATE_PLAYING || !c.AccusedTurn) {
		return nil
	}
	r, err := receipt.Decode(c.Receipt)
	if err != nil {
		return err
	}
	t := s.kept[r.Hash()].Transcript
	replay, request, err := s.recompute(ctx, r, t)
	if err != nil {
		return err
	}
	if !opening {
		g, err := bisection.Unmarshal(c.Game)
		if err != nil {
			return err
		}
		p, err := trace.NewPlayer(&trace.Case{Model: s.weights.Model, Rows: s.weights.Rows, Receipt: r, Prompt: request.Prompt, Output: t.Output, Threads: 1}, replay.Leaves)
		if err != nil {
			return err
		}
		move, err := p.Move(&g)
		if errors.Is(err, trace.ErrAnswer) {
			return nil // it has nothing to say: the deadline will
		}
		if err != nil {
			return err
		}
		return s.court.Send(ctx, &auditv1.MsgPlay{Player: c.Provider, CaseId: c.Id, Move: move.Bytes()})
	}
	msg := &auditv1.MsgOpenLeaves{Provider: c.Provider, CaseId: c.Id}
	for _, at := range c.Positions {
		path, err := receipt.Prove(replay.Leaves, int(at))
		if err != nil {
			return err
		}
		o := auditv1.Opening{Step: at, Token: uint32(t.Output[at]), Logits: replay.Logits[at][:], Fold: replay.Folds[at][:]}
		for _, node := range path {
			o.Path = append(o.Path, slices.Clone(node[:]))
		}
		msg.Openings = append(msg.Openings, o)
	}
	return s.court.Send(ctx, msg)
}

// recompute is the answer from as much of the prompt as was read.
func (s *seller) recompute(ctx context.Context, r receipt.Receipt, t receipt.Transcript) (engine.Replay, engine.Request, error) {
	q, err := inference.ParseRequest([]byte(t.Request))
	if err != nil {
		return engine.Replay{}, engine.Request{}, err
	}
	q.Seed = r.Seed.Value
	whole, err := reference.Vocabulary{Vocabulary: s.weights.Model.Vocabulary}.Prompt(q)
	if err != nil {
		return engine.Replay{}, engine.Request{}, err
	}
	request, err := reference.Request(s.weights.Model, q, s.read(whole), int(r.Sampling.MaxTokens))
	if err != nil {
		return engine.Replay{}, request, err
	}
	replay, err := s.weights.Model.Replay(ctx, request, t.Output, 1)
	return replay, request, err
}

func (s *seller) String() string { return fmt.Sprintf("provider %s", s.name) }
