package audit_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/mechanism/court"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// earn lets peter redeem so many ucredit of alice's, of which 70 % are his.
func (w world) earn(amount uint64) receipt.Digest {
	w.t.Helper()
	w.Must(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 10_000_000, GrantKey: alice.Public()})
	chain := receipt.NewChain(sha256.Sum256([]byte("chain")), 100)
	model, _ := receipt.ParseDigest(ledgertest.Digest("exact"))
	g := receipt.Grant{ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: model,
		TicketValue: amount / 10, Tickets: 10, Expiry: w.Time.Unix() + 600, Anchor: chain.Anchor()}
	chain = receipt.NewChain(sha256.Sum256([]byte("chain")), g.Tickets)
	g.Anchor = chain.Anchor()
	s := g.Sign(alice.GrantKey)
	w.Must(peter, &escrowv1.MsgActivate{Provider: peter.Address, Grant: escrow.StoredGrant(g), Signature: s.Signature})
	ticket, err := chain.Ticket(10)
	if err != nil {
		w.t.Fatal(err)
	}
	root := receipt.Sum(nil)
	w.Must(peter, &escrowv1.MsgRedeem{Provider: peter.Address, Redemptions: []escrowv1.Redemption{
		{Id: s.ID().Hex(), Index: 10, Ticket: ticket[:], Receipts: 1, ReceiptsRoot: root[:]}}})
	return s.ID()
}

// A provider's pay waits while there is a case about it, whatever grant it is for,
// and is paid after an acquittal.
func TestPayWaitsForTheCase(t *testing.T) {
	w := newWorld(t)
	w.earn(1_000)
	before := w.Balance(peter.Address, "ucredit")
	c := w.open(w.answer(receipt.Exact, nil)) // of another grant
	commitment := court.Commitment(c.Id, 0, c.Seats[0].Auditor, rerun(c), salt)
	w.Must(named(c.Seats[0].Auditor), &auditv1.MsgCommit{Auditor: c.Seats[0].Auditor, CaseId: c.Id, Commitment: commitment[:]})
	w.Block(50 * time.Second)
	w.Must(peter, w.openings(c))
	w.Block(50 * time.Second) // its pay would have matured
	if got := w.Balance(peter.Address, "ucredit"); got != before {
		t.Fatalf("paid %d while the case is open", got-before)
	}
	v := rerun(c)
	w.Must(named(c.Seats[0].Auditor), &auditv1.MsgReveal{Auditor: c.Seats[0].Auditor, CaseId: c.Id, Salt: salt[:],
		Vote: auditv1.Vote{Root: v.Root[:], Leaves: digests(v.Leaves)}})
	w.Block(20 * time.Second)
	w.Block(200 * time.Second)
	if got := w.Balance(peter.Address, "ucredit") - before; got != 700+params().DisputeBond/2 {
		t.Errorf("got %d after it", got)
	}
}

// A bond bounds what its provider can have in active grants.
func TestExposureIsBounded(t *testing.T) {
	w := newWorld(t)
	w.Must(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 10_000_000, GrantKey: alice.Public()})
	model, _ := receipt.ParseDigest(ledgertest.Digest("exact"))
	grant := func(value uint64) *escrowv1.MsgActivate {
		g := receipt.Grant{ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: model,
			TicketValue: value, Tickets: 10, Expiry: w.Time.Unix() + 600, Anchor: receipt.Sum(fmt.Append(nil, value))}
		s := g.Sign(alice.GrantKey)
		return &escrowv1.MsgActivate{Provider: peter.Address, Grant: escrow.StoredGrant(g), Signature: s.Signature}
	}
	w.Must(peter, grant(90_000))
	refuse(t, "more than the bond", w.Send(peter, grant(10_001)), rules.ErrExposure)
	w.Must(peter, grant(10_000))
	w.Block(time.Hour) // both lapse
	w.Must(peter, grant(99_999))
}
