package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// OnLedger is the ledger as an account sees it over gRPC.
func OnLedger(c *client.Client, account client.Key) Ledger { return onLedger{c, account} }

type onLedger struct {
	client  *client.Client
	account client.Key
}

func (l onLedger) Payer() string { return l.account.Address() }

func (l onLedger) Versions(ctx context.Context) ([]modelv1.Version, error) {
	return l.client.Versions(ctx, "")
}

func (l onLedger) Tags(ctx context.Context) ([]modelv1.Tag, error) { return l.client.Tags(ctx) }

func (l onLedger) Providers(ctx context.Context) ([]providerv1.Provider, error) {
	return l.client.Providers(ctx)
}

func (l onLedger) Offers(ctx context.Context) ([]providerv1.Offer, error) {
	return l.client.Offers(ctx, "", "")
}

func (l onLedger) Ceilings(ctx context.Context) ([]assemblyv1.ModelCeiling, error) {
	return l.client.Ceilings(ctx)
}

func (l onLedger) Access(ctx context.Context) (a Access, err error) {
	if a.Policies, err = l.client.Policies(ctx); err != nil || len(a.Policies) == 0 {
		return a, err // nothing is gated, which is usual
	}
	if a.Plans, err = l.client.Plans(ctx, ""); err != nil {
		return a, err
	}
	a.Tokens, err = l.client.AccessTokens(ctx, l.Payer())
	return a, err
}

func (l onLedger) Audited(ctx context.Context, provider string) (float64, error) {
	record, rate, err := l.client.AuditRecord(ctx, provider)
	if err != nil {
		return route.Unaudited, err
	}
	if record.Clean == 0 && record.Frauds == 0 && !record.Withheld {
		return route.Unaudited, nil
	}
	return 1 - float64(min(rate, court.Million))/court.Million, nil
}

func (l onLedger) Escrow(ctx context.Context) (escrowv1.Escrow, error) {
	escrow, err := l.client.Escrow(ctx, l.Payer())
	if errors.Is(err, client.ErrNotFound) {
		return escrowv1.Escrow{Payer: l.Payer()}, nil
	}
	return escrow, err
}

func (l onLedger) Balance(ctx context.Context) (uint64, error) {
	return l.client.Balance(ctx, l.Payer(), credit.Denom)
}

func (l onLedger) Accuse(ctx context.Context, e Evidence) error {
	var msg proto.Message
	if e.Counts != nil {
		msg = &auditv1.MsgReportOverCount{Finder: l.Payer(), Receipt: e.Receipt.Encode(), Prompt: wireCount(e.Counts.Prompt), Answer: wireCount(e.Counts.Answer)}
	} else {
		msg = &auditv1.MsgReportEquivocation{Finder: l.Payer(), First: e.Receipt.Encode(), Second: e.Other.Encode()}
	}
	_, err := l.client.Send(ctx, l.account, msg)
	if client.Refused(err) {
		return fmt.Errorf("%w: %w", ErrNoConviction, err)
	}
	return err
}

// wireCount is a proof of a count as messages have it.
func wireCount(p *receipt.CountProof) *auditv1.CountProof {
	if p == nil {
		return nil
	}
	return &auditv1.CountProof{State: p.State[:], Tail: p.Tail, Count: p.Count}
}

func (l onLedger) Deposit(ctx context.Context, amount uint64, grantKey ed25519.PublicKey) error {
	_, err := l.client.Send(ctx, l.account, &escrowv1.MsgDeposit{Payer: l.Payer(), Amount: amount, GrantKey: grantKey})
	return err
}
