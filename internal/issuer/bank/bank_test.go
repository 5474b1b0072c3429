package bank_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/issuer/bank"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

var alice, bob = ledgertest.NewAccount("alice"), ledgertest.NewAccount("bob")

// book books a journal and returns outcomes by id, and the reports.
func book(t ledgertest.TB, l ledgertest.Issuing, journal string, dryRun bool) (map[string]bank.Outcome, []bank.Line) {
	t.Helper()
	outcomes, lines := map[string]bank.Outcome{}, []bank.Line{}
	err := bank.Book(context.Background(), l, strings.NewReader(journal), dryRun, func(line bank.Line) {
		outcomes[line.ID] = line.Outcome
		lines = append(lines, line)
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return outcomes, lines
}

func held(l ledgertest.Issuing, a ledgertest.Account) uint64 {
	return l.Balance(a.Address, credit.Denom)
}

func TestAJournalIsBookedOnce(t *testing.T) {
	l := ledgertest.Issuing{Ledger: ledgertest.New(t, []ledgertest.Account{alice, bob}, nil)}
	before := held(l, alice)
	journal := fmt.Sprintf(`Date,ID,Amount,Currency,Reference,Balance
2026-11-20,t1,25.00,USD,"top up %s, thanks",9
2026-11-20,t2,+0.50,USD,%s,9
2026-11-20,t3,10,EUR,%[1]s,9
2026-11-20,t4,10,USD,no address here,9
2026-11-20,t5,10,USD,%[1]s and %[2]s,9
2026-11-20,t6,-3.00,USD,rent,9
2026-11-20,t7,ten,USD,%[1]s,9
2026-11-20,t1,25.00,USD,%[1]s,9
2026-11-20,,1,USD,%[1]s,9
2026-11-20,t8,0,USD,%[1]s,9
2026-11-20,t9,10,USD,koinon1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq,9
short
`, alice.Address, strings.ToUpper(bob.Address))
	dry, _ := book(t, l, journal, true)
	if dry["t2"] != bank.Minted || held(l, alice) != before {
		t.Errorf("a dry run: %v, and %d minted", dry, held(l, alice)-before)
	}
	_, lines := book(t, l, journal, false)
	want := []bank.Outcome{
		bank.Minted, bank.Minted, bank.Refused, bank.Refused, bank.Refused, bank.Skipped, bank.Refused, bank.Refused,
		bank.Refused, bank.Refused, bank.Refused, bank.Refused,
	}
	for i, line := range lines {
		if line.Outcome != want[i] || line.Line != i+2 || (line.Outcome == bank.Refused) != (line.Why != "" && line.Outcome != bank.Skipped) {
			t.Errorf("%+v, want %s", line, want[i])
		}
	}
	if got := held(l, alice) - before; got != 25_000_000 {
		t.Errorf("alice got %d", got)
	}
	again, _ := book(t, l, journal, false)
	if again["t2"] != bank.Known || held(l, alice)-before != 25_000_000 {
		t.Errorf("again: %v", again)
	}
	changed := strings.Replace(journal, "25.00", "26.00", 1)
	if conflict, _ := book(t, l, strings.Join(strings.Split(changed, "\n")[:2], "\n"), false); conflict["t1"] != bank.Refused {
		t.Errorf("another amount under the same id: %v", conflict)
	}
}

// TestMintsOnceHoweverOftenItFails books growing journals over a connection that
// loses answers, with an export between: everybody has what the journal says.
func TestMintsOnceHoweverOftenItFails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lost := errors.New("connection reset")
		l := ledgertest.Issuing{Ledger: ledgertest.New(t, []ledgertest.Account{alice, bob}, func(c *app.GenesisConfig) {
			c.Issuer.Cap = 3*ledgertest.Credit + 200_000_000
		})}
		before := held(l, alice) + held(l, bob)
		journal, sum := "id,amount,currency,reference\n", uint64(0)
		for run := range rapid.IntRange(1, 4).Draw(t, "runs") {
			for n := range rapid.IntRange(0, 3).Draw(t, "new") {
				amount := rapid.Uint64Range(1, 40_000_000).Draw(t, "ucredit")
				sum += amount
				to := rapid.SampledFrom([]string{alice.Address, bob.Address}).Draw(t, "to")
				journal += fmt.Sprintf("r%dn%d,%s,USD,%s\n", run, n, credit.Dollars(amount), to)
			}
			l.Lost = func() error {
				if rapid.Bool().Draw(t, "lost") {
					return lost
				}
				return nil
			}
			book(t, l, journal, false)
		}
		l.Lost = nil
		outcomes, _ := book(t, l, journal, false)
		minted := held(l, alice) + held(l, bob) - before
		refused := false
		for _, o := range outcomes {
			refused = refused || o == bank.Refused
		}
		if minted > sum || !refused && minted != sum || minted > 200_000_000 {
			t.Fatalf("%d minted of %d in the journal; %v", minted, sum, outcomes)
		}
	})
}

func TestCashOutsAreSettledByTheJournal(t *testing.T) {
	l := ledgertest.Issuing{Ledger: ledgertest.New(t, []ledgertest.Account{alice, bob}, nil)}
	for _, amount := range []uint64{12_000_000, 7_509_999} {
		l.Must(alice, &escrowv1.MsgCashOut{Holder: alice.Address, Issuer: l.Issuer.Address, Amount: amount, Destination: "=customer-7"})
	}
	var out bytes.Buffer
	if n, err := bank.Payouts(context.Background(), l, &out); err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	want := fmt.Sprintf(",12.00,USD,'=customer-7,%s,koinon-cash-out-0\n", alice.Address)
	if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), ",7.50,USD,") {
		t.Errorf("payouts:\n%s", out.String())
	}
	journal := "id,amount,currency,reference\no1,-12.00,USD,ref koinon-cash-out-0\no2,-7.00,USD,KOINON-CASH-OUT-1\n"
	if o, lines := book(t, l, journal, false); o["o1"] != bank.Settled || o["o2"] != bank.Refused {
		t.Errorf("%+v", lines)
	}
	journal += "o3,-7.50,USD,koinon-cash-out-1\n"
	if o, lines := book(t, l, journal, false); o["o1"] != bank.Known || o["o3"] != bank.Settled {
		t.Errorf("%+v", lines)
	}
	twice := "id,amount,currency,reference\no4,-12.00,USD,koinon-cash-out-0\no5,-1.00,USD,koinon-cash-out-77\n"
	if o, lines := book(t, l, twice, false); o["o4"] != bank.Refused || o["o5"] != bank.Refused {
		t.Errorf("paid twice, and for nothing: %+v", lines)
	}
	if owed, err := l.CashOuts(context.Background()); err != nil || len(owed) != 0 {
		t.Errorf("still owed: %v, %v", owed, err)
	}
}

func TestNotAJournal(t *testing.T) {
	l := ledgertest.Issuing{Ledger: ledgertest.New(t, nil, nil)}
	for _, text := range []string{"", "id,amount,currency\n", "id,id,amount,currency,reference\n", "id,amount,currency,reference\n\"a"} {
		err := bank.Book(context.Background(), l, strings.NewReader(text), false, func(bank.Line) {})
		if !errors.Is(err, bank.ErrJournal) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
