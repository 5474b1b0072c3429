package escrow

import (
	"fmt"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/mechanism/discount"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// The stored forms and the mechanism's are the same facts in other types.

func paramsOf(p escrowv1.Params) escrow.Params {
	return escrow.Params{
		WithdrawDelay: p.WithdrawDelaySeconds, ChallengeWindow: p.ChallengeWindowSeconds, RedeemGrace: p.RedeemGraceSeconds,
		MaxGrantSeconds: p.MaxGrantSeconds, MaxTickets: p.MaxTickets,
		FreeTxsPerWindow: p.FreeTxsPerWindow, FreeWindowBlocks: p.FreeWindowBlocks,
		AuditBps: p.AuditBps, Discounts: discount.Schedule{Stake: stepsOf(p.Discounts.Stake), Held: stepsOf(p.Discounts.Held)},
	}
}

func stepsOf(list []escrowv1.DiscountStep) []discount.Step {
	steps := make([]discount.Step, len(list))
	for i, s := range list {
		steps[i] = discount.Step{Least: s.Least, Bps: s.Bps}
	}
	return steps
}

func accountOf(e escrowv1.Escrow) escrow.Account {
	return escrow.Account{Payer: e.Payer, GrantKey: e.GrantKey, Available: e.Available, Locked: e.Locked}
}

func storedAccount(a escrow.Account) escrowv1.Escrow {
	return escrowv1.Escrow{Payer: a.Payer, GrantKey: a.GrantKey, Available: a.Available, Locked: a.Locked}
}

// GrantOf reads a grant as messages carry it.
func GrantOf(g escrowv1.Grant) (receipt.Grant, error) {
	model, err := receipt.ParseDigest(g.ModelDigest)
	if err != nil {
		return receipt.Grant{}, fmt.Errorf("grant's model: %w", err)
	}
	anchor, err := digestOf(g.Anchor)
	if err != nil {
		return receipt.Grant{}, fmt.Errorf("grant's anchor: %w", err)
	}
	return receipt.Grant{
		ChainID: g.ChainId, Payer: g.Payer, Provider: g.Provider, Model: model, App: g.App,
		TicketValue: g.TicketValue, Tickets: g.Tickets, Expiry: g.Expiry, Anchor: anchor,
		Right: g.Right, Calls: g.Calls,
	}, nil
}

// StoredGrant writes a grant as messages carry it.
func StoredGrant(g receipt.Grant) escrowv1.Grant {
	return escrowv1.Grant{
		ChainId: g.ChainID, Payer: g.Payer, Provider: g.Provider, ModelDigest: g.Model.String(), App: g.App,
		TicketValue: g.TicketValue, Tickets: g.Tickets, Expiry: g.Expiry, Anchor: g.Anchor[:],
		Right: g.Right, Calls: g.Calls,
	}
}

func digestOf(data []byte) (receipt.Digest, error) {
	if len(data) != len(receipt.Digest{}) {
		return receipt.Digest{}, fmt.Errorf("%w: %d bytes, not %d", receipt.ErrDigest, len(data), len(receipt.Digest{}))
	}
	return receipt.Digest(data), nil
}

func activeOf(g escrowv1.ActiveGrant) (escrow.Grant, error) {
	grant, err := GrantOf(g.Grant)
	if err != nil {
		return escrow.Grant{}, err
	}
	id, err := receipt.ParseHex(g.Id)
	if err != nil {
		return escrow.Grant{}, err
	}
	ticket, err := digestOf(g.LastTicket)
	if err != nil {
		return escrow.Grant{}, err
	}
	root, err := digestOf(g.ReceiptsRoot)
	if err != nil {
		return escrow.Grant{}, err
	}
	return escrow.Grant{
		Grant: grant, ID: id, Status: escrow.Status(g.Status), Redeemed: g.Redeemed, LastTicket: ticket,
		ReceiptsRoot: root, Receipts: g.Receipts, ActivatedAt: g.ActivatedAt, ReleaseAt: g.ReleaseAt,
		DiscountBps: g.DiscountBps,
	}, nil
}

func storedActive(g escrow.Grant) escrowv1.ActiveGrant {
	return escrowv1.ActiveGrant{
		Id: g.ID.Hex(), Grant: StoredGrant(g.Grant), Status: escrowv1.GrantStatus(g.Status), Redeemed: g.Redeemed,
		LastTicket: g.LastTicket[:], ReceiptsRoot: g.ReceiptsRoot[:], Receipts: g.Receipts, ActivatedAt: g.ActivatedAt,
		ReleaseAt: g.ReleaseAt, DiscountBps: g.DiscountBps,
	}
}

// roles are the mechanism's roles in the numbers of the protobuf enum.
var roles = []escrow.Role{
	escrowv1.Role_ROLE_PROVIDER: split.Provider, escrowv1.Role_ROLE_OWNER: split.Owner, escrowv1.Role_ROLE_DATA: split.Data,
	escrowv1.Role_ROLE_APP: split.App, escrowv1.Role_ROLE_TREASURY: split.Treasury, escrowv1.Role_ROLE_PAYER: escrow.Payer,
	escrowv1.Role_ROLE_CURATORS: split.Curators, escrowv1.Role_ROLE_ROYALTY: split.Royalty,
}

func storedPayout(p escrow.Payout) escrowv1.Payout {
	stored := escrowv1.Payout{DueAt: p.DueAt, Source: p.Source, Recipient: p.Recipient, Amount: p.Amount, Provider: p.Provider}
	for number, role := range roles {
		if role == p.Role {
			stored.Role = escrowv1.Role(number)
		}
	}
	return stored
}

func issuerOf(i escrowv1.Issuer) escrow.Issuer {
	return escrow.Issuer{Address: i.Address, Name: i.Name, Cap: i.Cap, Outstanding: i.Outstanding, Backing: i.Backing}
}

func storedIssuer(i escrow.Issuer) escrowv1.Issuer {
	return escrowv1.Issuer{Address: i.Address, Name: i.Name, Cap: i.Cap, Outstanding: i.Outstanding, Backing: i.Backing}
}

// RoleName is a role as people read it.
func RoleName(r escrowv1.Role) string {
	if r <= 0 || int(r) >= len(roles) {
		return "unknown"
	}
	return string(roles[r])
}
