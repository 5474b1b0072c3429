package escrow_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"
	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	transfertypes "github.com/cosmos/ibc-go/v11/modules/apps/transfer/types"
	clienttypes "github.com/cosmos/ibc-go/v11/modules/core/02-client/types"
	channeltypes "github.com/cosmos/ibc-go/v11/modules/core/04-channel/types"
	ibcexported "github.com/cosmos/ibc-go/v11/modules/core/exported"
	localhost "github.com/cosmos/ibc-go/v11/modules/light-clients/09-localhost"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
)

// usd stands for another ledger's dollar. That ledger is this one itself, which
// IBC lets it be: channel 0 is its end, channel 1 is ours.
const usd, theirs, ours = "uusd", "channel-0", "channel-1"

// arrived is what usd is called on our end.
var arrived = transfertypes.NewDenom(usd, transfertypes.NewHop(transfertypes.PortID, ours)).IBCDenom()

// harbour is a world with an open channel; alice has a thousand dollars on its
// far side.
type harbour struct{ world }

func newHarbour(t *testing.T) harbour {
	t.Helper()
	old := newWorld(t)
	dollars := sdk.NewCoin(usd, sdkmath.NewInt(1_000_000_000))
	h := harbour{world{old.Restart(func(g app.Genesis) {
		ledgertest.Edit(old.Ledger, g, banktypes.ModuleName, &banktypes.GenesisState{}, func(s *banktypes.GenesisState) {
			for i, b := range s.Balances {
				if b.Address == alice.Address {
					s.Balances[i].Coins = b.Coins.Add(dollars)
				}
			}
			s.Supply = s.Supply.Add(dollars)
		})
	}), t}}
	const port, version = transfertypes.PortID, transfertypes.V1
	hops, proof, height, by := []string{ibcexported.LocalhostConnectionID}, localhost.SentinelProof, clienttypes.ZeroHeight(), anna.Address
	h.Must(anna, channeltypes.NewMsgChannelOpenInit(port, version, channeltypes.UNORDERED, hops, port, by))
	h.Must(anna, channeltypes.NewMsgChannelOpenTry(port, version, channeltypes.UNORDERED, hops, port, theirs, version, proof, height, by))
	h.Must(anna, channeltypes.NewMsgChannelOpenAck(port, theirs, ours, version, proof, height, by))
	h.Must(anna, channeltypes.NewMsgChannelOpenConfirm(port, ours, proof, height, by))
	return h
}

// send sends tokens through a channel and returns the packet for the other end.
func (h harbour) send(from, to ledgertest.Account, channel, other, denom string, amount uint64) *channeltypes.MsgRecvPacket {
	h.tb.Helper()
	timeout := uint64(h.Time.Add(time.Hour).UnixNano())
	msg := transfertypes.NewMsgTransfer(transfertypes.PortID, channel, sdk.NewCoin(denom, sdkmath.NewIntFromUint64(amount)),
		from.Address, to.Address, clienttypes.ZeroHeight(), timeout, "")
	result := h.Block(time.Second, ledgertest.Tx{From: from, Msgs: []sdk.Msg{msg}})[0]
	if err := ledgertest.Error(result); err != nil {
		h.tb.Fatalf("transfer: %v", err)
	}
	data, err := hex.DecodeString(attribute(result.Events, channeltypes.EventTypeSendPacket, channeltypes.AttributeKeyDataHex))
	if err != nil {
		h.tb.Fatalf("packet: %v", err)
	}
	sequence, err := strconv.ParseUint(attribute(result.Events, channeltypes.EventTypeSendPacket, channeltypes.AttributeKeySequence), 10, 64)
	if err != nil {
		h.tb.Fatalf("packet: %v", err)
	}
	packet := channeltypes.NewPacket(data, sequence, transfertypes.PortID, channel, transfertypes.PortID, other, clienttypes.ZeroHeight(), timeout)
	return channeltypes.NewMsgRecvPacket(packet, localhost.SentinelProof, clienttypes.ZeroHeight(), anna.Address)
}

func attribute(events []abci.Event, kind, key string) string {
	for _, e := range events {
		for _, a := range e.Attributes {
			if e.Type == kind && a.Key == key {
				return a.Value
			}
		}
	}
	return ""
}

// admit makes governance admit the dollar, and returns its issuer.
func (h harbour) admit(limit uint64) escrowv1.Issuer {
	h.tb.Helper()
	h.Govern(&escrowv1.MsgSetIssuer{Authority: h.Authority(), Name: "usd over IBC", Cap: limit, Backing: arrived})
	return h.issuer()
}

func (h harbour) issuer() escrowv1.Issuer {
	h.tb.Helper()
	r, err := escrowv1.NewQueryClient(h.Conn()).Issuers(context.Background(), &escrowv1.QueryIssuersRequest{})
	if err != nil {
		h.tb.Fatalf("issuers: %v", err)
	}
	for _, i := range r.Issuers {
		if i.Backing != "" {
			return i
		}
	}
	h.tb.Fatalf("no backed issuer among %+v", r.Issuers)
	return escrowv1.Issuer{}
}

// TestADollarComesByIBCAndGoesBack follows it through a packet, a swap, a swap
// back and home; a packet that is relayed again brings nothing.
func TestADollarComesByIBCAndGoesBack(t *testing.T) {
	h := newHarbour(t)
	packet := h.send(alice, bob, theirs, ours, usd, 700_000_000)
	h.Must(anna, packet)
	h.Must(anna, packet) // relayed twice
	if got := h.Balance(bob.Address, arrived); got != 700_000_000 {
		t.Fatalf("%d arrived", got)
	}
	i := h.admit(500_000_000)
	before := h.credit(bob)
	in := func(amount uint64) error {
		return h.Send(bob, &escrowv1.MsgSwapIn{Holder: bob.Address, Issuer: i.Address, Amount: amount})
	}
	out := func(amount uint64) error {
		return h.Send(bob, &escrowv1.MsgSwapOut{Holder: bob.Address, Issuer: i.Address, Amount: amount})
	}
	if err := in(500_000_001); !errors.Is(err, rules.ErrIssuerCap) {
		t.Errorf("above the cap: %v", err)
	}
	if err := errors.Join(in(300_000_000), in(200_000_000)); err != nil {
		t.Fatal(err)
	}
	if h.credit(bob)-before != 500_000_000 || h.Balance(bob.Address, arrived) != 200_000_000 {
		t.Errorf("%d credit for the dollars, %d are left", h.credit(bob)-before, h.Balance(bob.Address, arrived))
	}
	cash := &escrowv1.MsgCashOut{Holder: bob.Address, Issuer: i.Address, Amount: 1, Destination: "x"}
	if err := h.Send(bob, cash); !errors.Is(err, rules.ErrBacked) {
		t.Errorf("a cash-out from the ledger's own issuer: %v", err)
	}
	if err := out(500_000_001); !errors.Is(err, rules.ErrOverburn) {
		t.Errorf("more than is outstanding: %v", err)
	}
	h.harbourRestart(t)
	if err := out(500_000_000); err != nil {
		t.Fatal(err)
	}
	h.Must(anna, h.send(bob, alice, ours, theirs, arrived, 700_000_000))
	if got := h.Balance(alice.Address, usd); got != 1_000_000_000 {
		t.Errorf("alice has %d dollars again", got)
	}
	if got := h.issuer().Outstanding; got != 0 {
		t.Errorf("%d are still outstanding", got)
	}
}

// harbourRestart checks that the state with its channels can be exported.
func (h harbour) harbourRestart(t *testing.T) {
	t.Helper()
	next := world{h.Restart(nil), t}
	if next.credit(bob) != h.credit(bob) || next.Balance(bob.Address, arrived) != h.Balance(bob.Address, arrived) {
		t.Error("an export lost money")
	}
}

func TestBackedIssuersAreTheLedgersOwn(t *testing.T) {
	h := newHarbour(t)
	h.Must(anna, h.send(alice, bob, theirs, ours, usd, 1_000))
	for name, c := range map[string]struct {
		msg  sdk.Msg
		want error
	}{
		"backing that is no IBC denomination": {&escrowv1.MsgSetIssuer{Authority: h.Authority(), Name: "x", Cap: 1, Backing: "ukoin"}, rules.ErrBacking},
		"backing of another's issuer":         {&escrowv1.MsgSetIssuer{Authority: h.Authority(), Name: "x", Cap: 1, Backing: arrived, Address: bob.Address}, rules.ErrBacking},
		"swap with an issuer of its own":      {&escrowv1.MsgSwapIn{Holder: bob.Address, Issuer: h.Issuer.Address, Amount: 1}, rules.ErrNotBacked},
		"swap back with it":                   {&escrowv1.MsgSwapOut{Holder: bob.Address, Issuer: h.Issuer.Address, Amount: 1}, rules.ErrNotBacked},
		"swap with nobody":                    {&escrowv1.MsgSwapIn{Holder: bob.Address, Issuer: anna.Address, Amount: 1}, rules.ErrNotIssuer},
	} {
		if err := h.Handle(c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestSwapsAreOneForOne lets two holders swap at random: the ledger keeps a
// dollar for each that is outstanding, never above the cap, and nobody has more
// of both together than before. Its books are checked after every block.
func TestSwapsAreOneForOne(t *testing.T) {
	h := newHarbour(t)
	h.Must(anna, h.send(alice, bob, theirs, ours, usd, 600_000))
	h.Must(anna, h.send(alice, alice, theirs, ours, usd, 400_000))
	const limit = 700_000
	i := h.admit(limit)
	both := func(a ledgertest.Account) uint64 { return h.credit(a) + h.Balance(a.Address, arrived) }
	before := map[string]uint64{alice.Name: both(alice), bob.Name: both(bob)}
	rapid.Check(t, func(t *rapid.T) {
		holder := rapid.SampledFrom([]ledgertest.Account{alice, bob}).Draw(t, "holder")
		amount := rapid.Uint64Range(0, 800_000).Draw(t, "amount")
		outstanding := h.issuer().Outstanding
		var err error
		var may bool
		if rapid.Bool().Draw(t, "out") {
			may = amount > 0 && amount <= outstanding
			err = h.Send(holder, &escrowv1.MsgSwapOut{Holder: holder.Address, Issuer: i.Address, Amount: amount})
		} else {
			may = amount > 0 && outstanding+amount <= limit && amount <= h.Balance(holder.Address, arrived)
			err = h.Send(holder, &escrowv1.MsgSwapIn{Holder: holder.Address, Issuer: i.Address, Amount: amount})
		}
		if (err == nil) != may {
			t.Fatalf("swap of %d with %d outstanding: %v", amount, outstanding, err)
		}
		if h.issuer().Outstanding > limit || both(alice) != before[alice.Name] || both(bob) != before[bob.Name] {
			t.Fatalf("outstanding %d; %d and %d in all", h.issuer().Outstanding, both(alice), both(bob))
		}
	})
}
