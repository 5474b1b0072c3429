package audit

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// Some evidence needs no court: signed statements that convict themselves.

// ReportEquivocation implements auditv1.MsgServer.
func (m messages) ReportEquivocation(ctx context.Context, msg *auditv1.MsgReportEquivocation) (*auditv1.MsgReportEquivocationResponse, error) {
	first, err := m.signed(ctx, msg.First)
	if err != nil {
		return nil, fmt.Errorf("first: %w", err)
	}
	second, err := m.signed(ctx, msg.Second)
	if err != nil {
		return nil, fmt.Errorf("second: %w", err)
	}
	if err := receipt.Equivocates(first, second); err != nil {
		return nil, err
	}
	// One place of one grant is one fact, however many statements there are for it.
	return &auditv1.MsgReportEquivocationResponse{}, m.convictOnce(ctx, penalty.Conviction{
		Provider: first.Provider, Offence: penalty.Equivocation, Finder: msg.Finder, Victim: first.Payer,
		Reference: fmt.Sprintf("place/%s/%d", first.Grant.Hex(), first.Sequence),
		Done:      max(first.Finished, second.Finished) / 1000,
	})
}

// maxCounted bounds a count that a message proves; proofs cost the same for all.
const maxCounted = 1 << 40

// ReportOverCount implements auditv1.MsgServer.
func (m messages) ReportOverCount(ctx context.Context, msg *auditv1.MsgReportOverCount) (*auditv1.MsgReportOverCountResponse, error) {
	r, err := m.signed(ctx, msg.Receipt)
	if err != nil {
		return nil, err
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerSignature, "count proofs")
	prompt, err := countOf(msg.Prompt)
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	answer, err := countOf(msg.Answer)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if err := r.OverCounts(prompt, answer); err != nil {
		return nil, err
	}
	return &auditv1.MsgReportOverCountResponse{}, m.convictOnce(ctx, penalty.Conviction{
		Provider: r.Provider, Offence: penalty.OverCounted, Finder: msg.Finder, Victim: r.Payer, Reference: "count/" + r.Hash().Hex(),
		Done: r.Finished / 1000,
	})
}

func countOf(p *auditv1.CountProof) (*receipt.CountProof, error) {
	if p == nil {
		return nil, nil
	}
	if p.Count > maxCounted || len(p.State) != len(receipt.Digest{}) {
		return nil, fmt.Errorf("%w: count is %d, at most %d, and state has %d bytes, must have %d", ErrField, p.Count, int64(maxCounted), len(p.State), len(receipt.Digest{}))
	}
	return &receipt.CountProof{State: receipt.Digest(p.State), Tail: p.Tail, Count: p.Count}, nil
}

// convictOnce refuses what was punished before, so that a finder learns that it
// came too late.
func (m messages) convictOnce(ctx context.Context, c penalty.Conviction) error {
	if _, err := account.Parse(m.addresses, c.Finder); err != nil {
		return err
	}
	if done, err := m.verdicts.Has(ctx, c.Reference); err != nil {
		return err
	} else if done {
		return fmt.Errorf("%w: %s", ErrConvicted, c.Reference)
	}
	return m.Convict(ctx, c)
}
