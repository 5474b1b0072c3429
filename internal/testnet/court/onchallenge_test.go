package court

import (
	"context"
	"testing"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/receipt"
)

// duties has a seller answer what it is asked, by running what it runs.
func (n *network) duties(ctx context.Context, s *seller) {
	n.t.Helper()
	list, err := challengev1.NewQueryClient(n.Conn()).Open(ctx, &challengev1.QueryOpenRequest{Provider: s.address})
	if err != nil {
		n.t.Fatal(err)
	}
	for _, d := range list.Duties {
		c := d.Challenge
		committing := c.Stage == challengev1.Stage_STAGE_COMMITTING && len(d.Participant.Commitment) == 0
		if !committing && (c.Stage != challengev1.Stage_STAGE_REVEALING || len(d.Participant.Answer) > 0) {
			continue
		}
		request := engine.Request{Prompt: s.read(challenge.Prompt(receipt.Digest(c.Seed), 0, c.Tokens)), MaxTokens: int(c.Steps)}
		request.Sampling.TopP = 1
		var output []int32
		var leaves []receipt.Digest
		if _, err := n.w.engineOf(s).Generate(ctx, request, func(t engine.Token) error {
			output, leaves = append(output, t.ID), append(leaves, t.Leaf)
			return nil
		}); err != nil {
			n.t.Fatal(err)
		}
		root, salt := receipt.MerkleRoot(leaves), receipt.Sum([]byte(s.name))
		if committing {
			commitment := challenge.Commitment(receipt.Digest(c.Seed), root, s.address, salt)
			n.Must(n.accounts[s.address], &challengev1.MsgCommit{Provider: s.address, Commitments: []challengev1.Commitment{
				{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Commitment: commitment[:]}}})
			continue
		}
		said := challenge.Statement{
			Chain: n.w.chain, Class: receipt.Exact, Payer: c.Payer, Provider: s.address, Model: n.w.model, Seed: receipt.Digest(c.Seed),
			Tokens: c.Tokens, Steps: c.Steps, Output: output, Root: root,
		}.Receipt().Sign(s.key)
		s.kept[said.Hash()] = provider.Evidence{Transcript: receipt.Transcript{Output: output}}
		n.Must(n.accounts[s.address], &challengev1.MsgReveal{Provider: s.address, Answers: []challengev1.Answer{
			{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Digest: root[:], Salt: salt[:], Tokens: output, Signature: said.Signature}}})
	}
}

// Nobody buys, and yet whoever answers an epoch challenge with another model, or
// reads half of its prompt, is taken to court by an auditor that computes the
// answers again, and convicted there; though it be the one with the most bonds.
func TestWrongAnswersToChallengesGoToCourt(t *testing.T) {
	const day = 86400
	n, auditors := newNetwork(t, 1, 3, func(c *app.GenesisConfig) {
		c.Audit.AuditsPerEpoch = 0
		c.Challenge = &challengev1.Params{EpochSeconds: day, CommitSeconds: 7200, RevealSeconds: 7200, VerdictSeconds: 7 * day, Blocks: 2, Tokens: 12, Steps: 6, ExcuseEpochs: 10}
	})
	ctx := context.Background()
	for _, s := range n.sellers {
		n.Must(n.accounts[s.address], &providerv1.MsgSetOffer{Provider: s.address, ModelDigest: n.w.model.String(), InputPrice: 1, OutputPrice: 1, MaxContext: 256, Slots: 1})
	}
	n.Must(n.accounts[n.sellers[1].address], &providerv1.MsgBond{Provider: n.sellers[1].address, Amount: 400_000_000}) // the quantiser leads
	for range 24 * 12 {
		for _, s := range n.sellers {
			n.duties(ctx, s)
			if err := s.step(ctx); err != nil && s.name != "quantiser" && s.name != "truncator" {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		for _, a := range auditors {
			if err := a.Step(ctx); err != nil {
				t.Fatal(err)
			}
		}
		n.Block(30 * time.Minute)
		if found := n.convicted(); len(found) == 2 {
			break
		}
	}
	found := n.convicted()
	for _, name := range []string{"quantiser", "truncator"} {
		if c := found[name]; c.Offence != auditv1.Offence_OFFENCE_WRONG_MODEL {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(found) != 2 {
		t.Errorf("convicted: %v", found)
	}
	r, err := challengev1.NewQueryClient(n.Conn()).Challenges(ctx, &challengev1.QueryChallengesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := challengev1.NewQueryClient(n.Conn()).Participants(ctx, &challengev1.QueryParticipantsRequest{
		Epoch: r.Challenges[0].Epoch, ModelDigest: r.Challenges[0].ModelDigest})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range p.Participants {
		name := n.accounts[q.Provider].Name
		_, guilty := found[name]
		if judged := q.Outcome == challengev1.Outcome_OUTCOME_CONVICTED; judged != guilty {
			t.Errorf("the challenge has %s as %s", name, q.Outcome)
		}
	}
}
