package challenge

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/receipt"
)

// messages serves transactions.
type messages struct{ *Keeper }

// maxEntries bounds the challenges of one message.
const maxEntries = 64

func checkEntries(n int) error {
	if n == 0 || n > maxEntries {
		return fmt.Errorf("%w: a message has 1 to %d entries, not %d", ErrField, maxEntries, n)
	}
	return nil
}

// exactly refuses what has not the length of a digest.
func exactly(field string, b []byte) error {
	if len(b) != len(receipt.Digest{}) {
		return fmt.Errorf("%w: %s has %d bytes, not %d", ErrField, field, len(b), len(receipt.Digest{}))
	}
	return nil
}

// Commit implements challengev1.MsgServer.
func (m messages) Commit(ctx context.Context, msg *challengev1.MsgCommit) (*challengev1.MsgCommitResponse, error) {
	if err := checkEntries(len(msg.Commitments)); err != nil {
		return nil, err
	}
	for _, entry := range msg.Commitments {
		if err := exactly("commitment", entry.Commitment); err != nil {
			return nil, err
		}
		c, stored, err := m.load(ctx, entry.Epoch, entry.ModelDigest, msg.Provider)
		if err != nil {
			return nil, err
		}
		q, err := stateOf(c).Commit(participantOf(stored), digest(entry.Commitment))
		if err != nil {
			return nil, err
		}
		if err := m.storeParticipant(ctx, c, storedParticipant(q)); err != nil {
			return nil, err
		}
		err = sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
			&challengev1.EventCommitted{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Provider: msg.Provider})
		if err != nil {
			return nil, err
		}
	}
	return &challengev1.MsgCommitResponse{}, nil
}

// Reveal implements challengev1.MsgServer.
func (m messages) Reveal(ctx context.Context, msg *challengev1.MsgReveal) (*challengev1.MsgRevealResponse, error) {
	if err := checkEntries(len(msg.Answers)); err != nil {
		return nil, err
	}
	for _, entry := range msg.Answers {
		if err := m.reveal(ctx, msg.Provider, entry); err != nil {
			return nil, err
		}
	}
	return &challengev1.MsgRevealResponse{}, nil
}

func (m messages) reveal(ctx context.Context, provider string, entry challengev1.Answer) error {
	if err := errors.Join(exactly("digest", entry.Digest), exactly("salt", entry.Salt)); err != nil {
		return err
	}
	c, stored, err := m.load(ctx, entry.Epoch, entry.ModelDigest, provider)
	if err != nil {
		return err
	}
	q, err := stateOf(c).Reveal(participantOf(stored), challenge.Answer{Digest: digest(entry.Digest)}, digest(entry.Salt))
	if err != nil {
		return err
	}
	kept := storedParticipant(q)
	if kept.Receipt, err = m.statement(ctx, c, provider, entry); err != nil {
		return err
	}
	kept.Tokens = entry.Tokens
	tally, err := m.back(ctx, c, q)
	if err != nil {
		return err
	}
	if len(c.Leader) == 0 || tally.Leads(leaderOf(c)) {
		c.Leader, c.LeaderBond = entry.Digest, tally.Bond
	}
	return errors.Join(
		m.storeParticipant(ctx, c, kept),
		m.storeChallenge(ctx, c, c.Deadline),
		sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&challengev1.EventRevealed{
			Epoch: c.Epoch, ModelDigest: c.ModelDigest, Provider: provider, Answer: hex.EncodeToString(entry.Digest)}))
}

// gasPerSignature is the price that the SDK puts on a signature.
const gasPerSignature = 590

// statement is the receipt that a provider has signed with its answer.
func (m messages) statement(ctx context.Context, c challengev1.Challenge, provider string, a challengev1.Answer) ([]byte, error) {
	if len(a.Tokens) == 0 || int64(len(a.Tokens)) > c.Steps || a.Attempt >= challenge.MaxAttempts {
		return nil, fmt.Errorf("%w: an answer has 1 to %d tokens, not %d, in one of %d attempts, not %d", ErrField, c.Steps, len(a.Tokens), challenge.MaxAttempts, a.Attempt)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(gasPerSignature, "statement's signature")
	p, err := m.providers.Provider(ctx, provider)
	if err != nil {
		return nil, err
	}
	model, err := receipt.ParseDigest(c.ModelDigest)
	if err != nil {
		return nil, err
	}
	r := challenge.Statement{
		Chain: sdkCtx.ChainID(), Class: classOf(c), Payer: c.Payer, Provider: provider, Model: model, Seed: digest(c.Seed),
		Tokens: c.Tokens, Steps: c.Steps, Attempt: int(a.Attempt), Output: a.Tokens, Root: digest(a.Digest),
	}.Receipt()
	r.ProviderKey, r.Signature = p.PublicKey, a.Signature
	if err := r.VerifySignature(); err != nil {
		return nil, fmt.Errorf("%w: of %s: %w", ErrStatement, provider, err)
	}
	return r.Encode(), nil
}

// back counts a participant's bond behind its answer.
func (m messages) back(ctx context.Context, c challengev1.Challenge, q challenge.Participant) (tally challenge.Tally, err error) {
	key := collections.Join3(c.Epoch, c.ModelDigest, q.Answer.Digest[:])
	tally.Bond, err = m.tallies.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return tally, err
	}
	tally = tally.Add(q)
	return tally, m.tallies.Set(ctx, key, tally.Bond)
}

// UpdateParams implements challengev1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *challengev1.MsgUpdateParams) (*challengev1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := rules(msg.Params).Validate(); err != nil {
		return nil, err
	}
	return &challengev1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
