package client

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// TestGasIsEnough sends the most expensive message of each kind with the gas
// that the client would buy.
func TestGasIsEnough(t *testing.T) {
	alice, peter, olga := ledgertest.NewAccount("alice"), ledgertest.NewAccount("peter"), ledgertest.NewAccount("olga")
	l := ledgertest.New(t, []ledgertest.Account{alice, peter, olga}, nil)
	send := func(from ledgertest.Account, msg sdk.Msg) {
		t.Helper()
		gas := gasFor([]sdk.Msg{msg})
		r := l.Block(time.Second, ledgertest.Tx{From: from, Msgs: []sdk.Msg{msg}, Gas: gas})[0]
		t.Logf("%T: %d gas of %d", msg, r.GasUsed, gas)
		if err := ledgertest.Error(r); err != nil {
			t.Errorf("%T: %v", msg, err)
		}
	}

	crowd := ledgertest.Version(olga, strings.Repeat("c", 64))
	crowd.Policy = modelv1.Policy{ProviderBps: 6700, AppBps: 50, TreasuryBps: 50}
	for i := range split.MaxShares {
		share := func(kind string) modelv1.Share {
			return modelv1.Share{Address: ledgertest.NewAccount(fmt.Sprint(kind, i)).Address, Bps: 50}
		}
		crowd.Policy.Owners = append(crowd.Policy.Owners, share("owner"))
		crowd.Policy.Data = append(crowd.Policy.Data, share("data"))
	}
	send(olga, crowd)

	registration := ledgertest.Registration(peter)
	registration.Addrs = nil
	for range 16 {
		registration.Addrs = append(registration.Addrs, strings.Repeat("a", 256))
	}
	send(peter, registration)
	send(peter, &providerv1.MsgBond{Provider: peter.Address, Amount: 5})
	send(peter, &providerv1.MsgUpdate{Provider: peter.Address, Addrs: registration.Addrs, Status: providerv1.Status_STATUS_DRAINING})
	send(peter, &providerv1.MsgUnbond{Provider: peter.Address, Amount: 5})
	send(peter, &providerv1.MsgSetOffer{Provider: peter.Address, ModelDigest: crowd.Digest, InputPrice: 1 << 50, OutputPrice: 1 << 50, MaxContext: 512, Slots: 1})

	send(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 100_000_000, GrantKey: alice.Public()})
	model, err := receipt.ParseDigest(crowd.Digest)
	if err != nil {
		t.Fatal(err)
	}
	const tickets = 1 << 16
	chain := receipt.NewChain(sha256.Sum256(nil), tickets)
	grant := receipt.Grant{
		ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: model, App: olga.Address,
		TicketValue: 1000, Tickets: tickets, Expiry: l.Time.Unix() + 1000, Anchor: chain.Anchor(),
	}
	signed := grant.Sign(alice.GrantKey)
	send(peter, &escrowv1.MsgActivate{Provider: peter.Address, Grant: escrow.StoredGrant(grant), Signature: signed.Signature})
	ticket, err := chain.Ticket(tickets)
	if err != nil {
		t.Fatal(err)
	}
	send(peter, &escrowv1.MsgRedeem{Provider: peter.Address, Redemptions: []escrowv1.Redemption{{Id: grant.ID().Hex(), Index: tickets, Ticket: ticket[:]}}})
	send(alice, &escrowv1.MsgWithdraw{Payer: alice.Address, Amount: 1})
}
