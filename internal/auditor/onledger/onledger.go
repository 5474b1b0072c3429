// Package onledger gives an auditor its view of the chain over a node's gRPC
// address.
package onledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/auditor"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/receipt"
)

var _ auditor.Ledger = (*Account)(nil)

// Account is an [auditor.Ledger].
type Account struct {
	client *client.Client
	key    client.Key
}

// New binds a connection to the account that signs.
func New(c *client.Client, key client.Key) *Account { return &Account{c, key} }

// Address is the account that signs.
func (a *Account) Address() string { return a.key.Address() }

// Send signs and sends one transaction, and waits for its block.
func (a *Account) Send(ctx context.Context, msgs ...proto.Message) error {
	_, err := a.client.Send(ctx, a.key, msgs...)
	if client.Refused(err) {
		return fmt.Errorf("%w: %w", auditor.ErrRefused, err)
	}
	return err
}

// Cases lists the open cases in which an account has a part.
func (a *Account) Cases(ctx context.Context, address string) ([]auditv1.Case, error) {
	return a.client.Cases(ctx, address)
}

// Sealed is what the accuser of a case sealed to the committee.
func (a *Account) Sealed(ctx context.Context, id uint64) ([]byte, error) {
	return a.client.Sealed(ctx, id)
}

// Recipient is the age recipient of an auditor.
func (a *Account) Recipient(ctx context.Context, address string) (string, error) {
	found, _, err := a.client.Auditor(ctx, address)
	return found.AgeRecipient, err
}

// Self is the auditor's own entry.
func (a *Account) Self(ctx context.Context) (auditv1.Auditor, error) {
	found, _, err := a.client.Auditor(ctx, a.Address())
	return found, err
}

// Epoch is that of mystery audits which runs now.
func (a *Account) Epoch(ctx context.Context) (auditv1.Epoch, error) { return a.client.AuditEpoch(ctx) }

// Params are x/audit's parameters.
func (a *Account) Params(ctx context.Context) (auditv1.Params, error) {
	return a.client.AuditParams(ctx)
}

// Offers lists what is sold now, and by whom.
func (a *Account) Offers(ctx context.Context) ([]providerv1.Offer, error) {
	providers, err := a.client.Providers(ctx)
	if err != nil {
		return nil, err
	}
	sells := map[string]bool{}
	for _, p := range providers {
		sells[p.Address] = p.Status == providerv1.Status_STATUS_ACTIVE
	}
	offers, err := a.client.Offers(ctx, "", "")
	return slices.DeleteFunc(offers, func(o providerv1.Offer) bool { return !sells[o.Provider] }), err
}

// Challenges are the epoch challenges that the ledger has not forgotten.
func (a *Account) Challenges(ctx context.Context) ([]challengev1.Challenge, error) {
	return a.client.Challenges(ctx)
}

// Participants are those who had to answer one.
func (a *Account) Participants(ctx context.Context, epoch int64, model string) ([]challengev1.Participant, error) {
	return a.client.Participants(ctx, epoch, model)
}

// Answered are the tokens of an answer to an epoch challenge.
func (a *Account) Answered(ctx context.Context, statement receipt.Receipt) ([]int32, error) {
	challenges, err := a.client.Challenges(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range challenges {
		if string(c.Seed) != string(statement.Request[:]) || c.ModelDigest != statement.Model.String() {
			continue
		}
		list, err := a.client.Participants(ctx, c.Epoch, c.ModelDigest)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if p.Provider == statement.Provider {
				return p.Tokens, nil
			}
		}
	}
	return nil, fmt.Errorf("the ledger has forgotten the challenge of seed %s", statement.Request.Hex())
}

// Rate is the audit rate of a provider, in millionths.
func (a *Account) Rate(ctx context.Context, provider string) (uint64, error) {
	_, rate, err := a.client.AuditRecord(ctx, provider)
	return rate, err
}
