package escrow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/refusal"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// TestABatchIsJudgedOneByOne redeems two grants of two payers beside a stale
// claim, another provider's grant, a forged ticket and no grant at all.
func TestABatchIsJudgedOneByOne(t *testing.T) {
	w := newWorld(t)
	w.Must(bob, deposit(bob, 50_000))
	a, b, other := w.grant(alice, peter, 50, nil), w.grant(bob, peter, 40, nil), w.grant(alice, paula, 30, nil)
	w.Must(peter, a.activate())
	w.Must(peter, b.activate())
	w.Must(paula, other.activate())
	w.Must(peter, a.redeem(5))
	forged := b.redeem(20)
	forged.Redemptions[0].Index = 30
	unknown := b.redeem(20)
	unknown.Redemptions[0].Id = receipt.Digest{1}.Hex()
	closing := b.redeem(20)
	closing.Redemptions[0].Close = true
	msg := batch(a.redeem(5), a.redeem(9), from(peter, other.redeem(3)), forged, unknown, closing, b.redeem(21))

	result := w.Block(time.Second, ledgertest.Tx{From: peter, Msgs: []sdk.Msg{msg}})[0]
	if err := ledgertest.Error(result); err != nil {
		t.Fatal(err)
	}
	var data sdk.TxMsgData
	var response escrowv1.MsgRedeemResponse
	if err := errors.Join(proto.Unmarshal(result.Data, &data), proto.Unmarshal(data.MsgResponses[0].Value, &response)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		amount  uint64
		refusal error
	}{
		{0, rules.ErrNothingToRedeem}, {400, nil}, {0, rules.ErrWrongProvider}, {0, receipt.ErrTicketChain},
		{0, rules.ErrUnknownGrant}, {2000, nil}, {0, rules.ErrGrantClosed},
	} {
		got := response.Results[i]
		if got.Amount != want.amount || got.Id != msg.Redemptions[i].Id || (want.refusal == nil) != (got.Code == 0) {
			t.Errorf("redemption %d: %+v, want %+v", i, got, want)
		}
		if err := refusal.FromResult(got.Codespace, got.Code, got.Refusal); want.refusal != nil && !errors.Is(err, want.refusal) {
			t.Errorf("redemption %d: %v, want %v", i, err, want.refusal)
		}
	}
	if e := w.escrow(alice); e.Locked != 50*100+30*100-900 {
		t.Errorf("alice: %+v", e)
	}
	if e := w.escrow(bob); e.Locked != 0 || e.Available != 50_000-2000 {
		t.Errorf("bob: %+v", e)
	}
	if err := w.Send(peter, batch(a.redeem(9), closing)); !errors.Is(err, rules.ErrNothingToRedeem) {
		t.Errorf("a batch of which nothing is accepted: %v", err)
	}
}

// TestAShorterGraceRobsNobody lets governance take the grace away while a grant
// is open: its provider still has what its activation promised.
func TestAShorterGraceRobsNobody(t *testing.T) {
	w := newWorld(t)
	p := w.grant(alice, peter, 50, nil)
	w.Must(peter, p.activate())
	w.Govern(&escrowv1.MsgUpdateParams{Authority: w.Authority(), Params: escrowv1.Params{
		WithdrawDelaySeconds: 60, ChallengeWindowSeconds: 100, RedeemGraceSeconds: 0, MaxTickets: 1 << 16,
		MaxGrantSeconds: 3600, FreeTxsPerWindow: 1000, FreeWindowBlocks: 10,
	}})
	later := w.grant(alice, peter, 40, nil)
	w.Must(peter, later.activate())
	w.Block(time.Unix(p.Expiry+20, 0).Sub(w.Time)) // of 30 seconds of grace
	w = world{w.Restart(nil), t}
	w.Must(peter, p.redeem(50))
	if err := w.Send(peter, later.redeem(1)); !errors.Is(err, rules.ErrUnknownGrant) {
		t.Errorf("a grant activated without grace, after its expiry: %v", err)
	}
}
