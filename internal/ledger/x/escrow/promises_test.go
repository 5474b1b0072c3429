package escrow_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

// TestMain lowers how many sequences rapid tries by default, as each is a ledger
// of its own. The flags still have the last word.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.checks": "15", "rapid.shrinktime": "10s"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// books are what everybody knows, kept apart from the ledger.
type books struct {
	world
	promises  []*told
	sent      []ledgertest.Tx // everything ever sent, to be sent again
	deposited map[string]uint64
	withdrawn map[string]uint64
	redeemed  map[string]uint64 // by payer
	before    uint64            // what recipients had when the books began
}

// told is a grant with what its payer has told its provider.
type told struct {
	promise
	payer, provider ledgertest.Account
	known           bool   // has been activated
	active          bool   // and is not closed
	revealed        uint64 // index of the highest ticket revealed
	settled         uint64 // index of the highest ticket redeemed
}

// TestPromises holds the ledger to DESIGN section 4 over random interleavings
// of two payers and two providers with replays, theft, expiry and withdrawals.
// The ledger's own invariants are checked after every block, by the harness.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &books{
			world: newWorld(t), deposited: map[string]uint64{alice.Address: deposited},
			withdrawn: map[string]uint64{}, redeemed: map[string]uint64{},
		}
		b.before = b.received()
		t.Repeat(map[string]func(*rapid.T){
			"deposit":  b.deposit,
			"withdraw": b.withdraw,
			"activate": b.activate,
			"reveal":   b.reveal,
			"redeem":   b.redeem,
			"cheat":    b.cheat,
			"replay":   b.replay,
			"wait": func(t *rapid.T) {
				b.Block(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			},
			"": b.check,
		})
	})
}

// send makes a block of a transaction and remembers it.
func (b *books) send(from ledgertest.Account, msg sdk.Msg) (*abci.ExecTxResult, error) {
	tx := ledgertest.Tx{From: from, Msgs: []sdk.Msg{msg}}
	b.sent = append(b.sent, tx)
	result := b.Block(time.Second, tx)[0]
	return result, ledgertest.Error(result)
}

func (b *books) deposit(t *rapid.T) {
	payer := rapid.SampledFrom([]ledgertest.Account{alice, bob}).Draw(t, "payer")
	amount := rapid.Uint64Range(0, 20_000).Draw(t, "amount")
	if _, err := b.send(payer, deposit(payer, amount)); err == nil {
		b.deposited[payer.Address] += amount
	} else if amount > 0 {
		t.Fatalf("deposit: %v", err)
	}
}

func (b *books) withdraw(t *rapid.T) {
	payer := rapid.SampledFrom([]ledgertest.Account{alice, bob}).Draw(t, "payer")
	amount := rapid.Uint64Range(1, 300_000).Draw(t, "amount")
	available := b.escrow(payer).Available
	_, err := b.send(payer, &escrowv1.MsgWithdraw{Payer: payer.Address, Amount: amount})
	if (err == nil) != (amount <= available) {
		t.Fatalf("withdrawal of %d of %d: %v", amount, available, err)
	}
	if err == nil {
		b.withdrawn[payer.Address] += amount
	}
}

func (b *books) activate(t *rapid.T) {
	p := &told{
		payer:    rapid.SampledFrom([]ledgertest.Account{alice, bob}).Draw(t, "payer"),
		provider: rapid.SampledFrom([]ledgertest.Account{peter, paula}).Draw(t, "provider"),
	}
	p.promise = b.grant(p.payer, p.provider, rapid.Uint64Range(1, 1000).Draw(t, "tickets"), nil)
	before := b.escrow(p.payer)
	_, err := b.send(p.provider, p.promise.activate())
	p.known = err == nil
	p.active = p.known
	if want := before.Available >= p.Tickets*p.TicketValue; want != p.known {
		t.Fatalf("activation of %d tickets against %d ucredit: %v", p.Tickets, before.Available, err)
	}
	b.promises = append(b.promises, p)
}

// any draws a grant, or skips the action if there is none.
func (b *books) any(t *rapid.T) *told {
	if len(b.promises) == 0 {
		t.Skip("no grant yet")
	}
	return rapid.SampledFrom(b.promises).Draw(t, "grant")
}

func (b *books) reveal(t *rapid.T) {
	p := b.any(t)
	p.revealed = rapid.Uint64Range(p.revealed, p.Tickets).Draw(t, "revealed")
}

// redeem collects what was revealed: the provider of a grant that is active and
// not over always can.
func (b *books) redeem(t *rapid.T) {
	p := b.any(t)
	msg := p.promise.redeem(p.revealed)
	closing := rapid.Bool().Draw(t, "close")
	msg.Redemptions[0].Close = closing
	now := b.Time.Unix() + 1 // the block that send makes
	due := p.active && now < p.Expiry+30 && (p.revealed > p.settled || closing)
	result, err := b.send(p.provider, msg)
	if due != (err == nil) {
		t.Fatalf("redemption up to %d after %d: %v", p.revealed, p.settled, err)
	}
	if err != nil {
		return
	}
	want := (p.revealed - p.settled) * p.TicketValue
	if got := redeemedBy(t, result); got != want {
		t.Fatalf("%d ucredit redeemed, want %d", got, want)
	}
	p.settled = p.revealed
	p.active = !closing && p.settled < p.Tickets
	b.redeemed[p.Payer] += want
}

// redeemedBy reads the amount from a redemption's response.
func redeemedBy(t *rapid.T, result *abci.ExecTxResult) uint64 {
	var (
		data     sdk.TxMsgData
		response escrowv1.MsgRedeemResponse
	)
	err := proto.Unmarshal(result.Data, &data)
	if err == nil {
		err = proto.Unmarshal(data.MsgResponses[0].Value, &response)
	}
	if err != nil {
		t.Fatalf("response: %v", err)
	}
	if len(response.Results) != 1 {
		t.Fatalf("%d results", len(response.Results))
	}
	return response.Results[0].Amount
}

// cheat tries to collect more than was revealed, or somebody else's.
func (b *books) cheat(t *rapid.T) {
	p := b.any(t)
	msg := p.promise.redeem(p.revealed)
	from := p.provider
	if rapid.Bool().Draw(t, "steal") {
		from = map[string]ledgertest.Account{"peter": paula, "paula": peter}[p.provider.Name]
		msg.Provider = from.Address
	} else {
		msg.Redemptions[0].Index = rapid.Uint64Range(p.revealed+1, p.Tickets+2).Draw(t, "index")
	}
	if _, err := b.send(from, msg); err == nil {
		t.Fatalf("cheating was paid")
	}
}

// replay sends an old message again, under a new signature. What it may bring is
// only what it was refused before and is allowed now: a grant that there was no
// credit for is activated, a ticket that was revealed is redeemed, both once.
func (b *books) replay(t *rapid.T) {
	if len(b.sent) == 0 {
		t.Skip("nothing sent yet")
	}
	tx := b.sent[rapid.IntRange(0, len(b.sent)-1).Draw(t, "old")]
	result := b.Block(time.Second, tx)[0]
	refused := ledgertest.Error(result) != nil
	switch msg := tx.Msgs[0].(type) {
	case *escrowv1.MsgActivate:
		p := b.find(func(p *told) bool { return bytes.Equal(p.Signature, msg.Signature) })
		if !refused && p.known {
			t.Fatalf("a grant was activated twice")
		}
		if !refused {
			p.known, p.active = true, true
		}
	case *escrowv1.MsgRedeem:
		r := msg.Redemptions[0]
		p := b.find(func(p *told) bool { return p.ID().Hex() == r.Id })
		if refused {
			return
		}
		amount := redeemedBy(t, result)
		if msg.Provider != p.Provider || r.Index > p.revealed || amount != (r.Index-p.settled)*p.TicketValue {
			t.Fatalf("a replay paid %d ucredit up to ticket %d; %d are revealed, %d settled", amount, r.Index, p.revealed, p.settled)
		}
		p.settled = r.Index
		p.active = !r.Close && p.settled < p.Tickets
		b.redeemed[p.Payer] += amount
	case *escrowv1.MsgDeposit:
		if !refused {
			b.deposited[msg.Payer] += msg.Amount
		}
	case *escrowv1.MsgWithdraw:
		if !refused {
			b.withdrawn[msg.Payer] += msg.Amount
		}
	}
}

func (b *books) find(is func(*told) bool) *told {
	for _, p := range b.promises {
		if is(p) {
			return p
		}
	}
	b.tb.Fatalf("a message of no grant")
	return nil
}

// received is all that redemptions have paid or will pay.
func (b *books) received() uint64 {
	sum := b.treasury()
	for _, a := range []ledgertest.Account{peter, paula, olga, dora, anna} {
		sum += b.credit(a)
	}
	payouts, err := escrowv1.NewQueryClient(b.Conn()).Payouts(context.Background(), &escrowv1.QueryPayoutsRequest{})
	if err != nil {
		b.tb.Fatalf("payouts: %v", err)
	}
	for _, p := range payouts.Payouts {
		if p.Role != escrowv1.Role_ROLE_PAYER {
			sum += p.Amount
		}
	}
	return sum
}

// check compares the ledger with the books.
func (b *books) check(t *rapid.T) {
	var redeemed uint64
	for _, payer := range []ledgertest.Account{alice, bob} {
		e := b.escrow(payer)
		in, out := b.deposited[payer.Address], b.withdrawn[payer.Address]+b.redeemed[payer.Address]
		if in != out+e.Available+e.Locked {
			t.Fatalf("%s: %d deposited, %d gone out, escrow %+v", payer.Name, in, out, e)
		}
		redeemed += b.redeemed[payer.Address]
	}
	if got := b.received() - b.before; got != redeemed {
		t.Fatalf("%d ucredit were redeemed, %d reached recipients or are due to them", redeemed, got)
	}
}
