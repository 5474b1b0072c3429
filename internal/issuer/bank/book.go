package bank

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/issuer"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// Outcome is what came of a transfer.
type Outcome string

// The outcomes. A dry run tells those that would be.
const (
	Minted  Outcome = "minted"
	Settled Outcome = "settled" // a cash-out was paid with it
	Known   Outcome = "known"   // done in a former run
	Skipped Outcome = "skipped" // none of an issuer's business
	Refused Outcome = "refused" // needs a person
	Failed  Outcome = "failed"  // the ledger was out of reach: run again
)

// Line is the report on one line of a journal.
type Line struct {
	Line    int     `json:"line"`
	ID      string  `json:"id"`
	Outcome Outcome `json:"outcome"`
	Ucredit uint64  `json:"ucredit"`
	To      string  `json:"to,omitempty"` // recipient, or cash-out
	Why     string  `json:"why,omitempty"`
}

// Book books a journal: tell is called with each line's report, in order. Doing
// it again with the same or a longer journal does nothing twice. With dryRun it
// does nothing at all. The error is the journal's or the context's.
func Book(ctx context.Context, l issuer.Ledger, journal io.Reader, dryRun bool, tell func(Line)) error {
	list, err := read(journal)
	if err != nil {
		return err
	}
	owed, err := l.CashOuts(ctx)
	if err != nil {
		return err
	}
	amounts := map[uint64]uint64{}
	for _, c := range owed {
		amounts[c.Id] = c.Amount
	}
	b := booking{l, amounts, dryRun}
	for _, t := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		line := Line{Line: t.line, ID: t.id, Ucredit: t.ucredit}
		switch {
		case t.err != nil:
			line.Outcome, line.Why = Refused, t.err.Error()
		case t.out:
			b.outgoing(ctx, t, &line)
		default:
			b.incoming(ctx, t, &line)
		}
		tell(line)
	}
	return nil
}

// booking is one run over a journal.
type booking struct {
	ledger issuer.Ledger
	owed   map[uint64]uint64 // amount of each cash-out that is not settled
	dryRun bool
}

func (b booking) incoming(ctx context.Context, t transfer, line *Line) {
	recipient, err := t.recipient(b.ledger.Check)
	if err != nil {
		line.Outcome, line.Why = Refused, err.Error()
		return
	}
	line.To = recipient
	p := issuer.Payment{Reference: t.name(), Recipient: recipient, Ucredit: t.ucredit}
	minted := b.dryRun
	if b.dryRun {
		e, known, asked := b.ledger.Entry(ctx, p.Reference)
		if err = asked; known {
			minted, err = false, issuer.Same(e, p)
		}
	} else {
		minted, err = issuer.Issue(ctx, b.ledger, p)
	}
	line.judge(err, map[bool]Outcome{true: Minted, false: Known}[minted])
}

func (b booking) outgoing(ctx context.Context, t transfer, line *Line) {
	id, err := t.cashOut()
	if err != nil {
		line.Outcome, line.Why = Skipped, err.Error()
		return
	}
	line.To = fmt.Sprintf("cash-out %d", id)
	amount, owed := b.owed[id]
	switch {
	case !owed:
		b.settledBefore(ctx, t, id, line)
		return
	case inCents(amount) != t.ucredit:
		line.Outcome, line.Why = Refused, fmt.Sprintf("cash-out %d is of %s", id, credit.Dollars(inCents(amount)))
		return
	}
	delete(b.owed, id)
	if !b.dryRun {
		err = b.ledger.Settle(ctx, id, t.name())
	}
	line.judge(err, Settled)
}

// settledBefore tells a transfer that settled its cash-out in a former run from one
// that paid what nobody owes.
func (b booking) settledBefore(ctx context.Context, t transfer, id uint64, line *Line) {
	_, known, err := b.ledger.Entry(ctx, t.name())
	line.judge(err, Known)
	if err == nil && !known {
		line.Outcome, line.Why = Refused, fmt.Sprintf("cash-out %d is not owed, and no transfer of this id settled it", id)
	}
}

// judge tells a refusal, which a person must look at, from trouble that passes.
func (l *Line) judge(err error, done Outcome) {
	l.Outcome = done
	if err == nil {
		return
	}
	l.Why, l.Outcome = err.Error(), Failed
	for _, rule := range []error{
		issuer.ErrConflict, escrow.ErrIssuerCap, escrow.ErrNotIssuer, escrow.ErrZeroAmount, escrow.ErrOverflow, escrow.ErrReference, escrow.ErrNotOwed,
	} {
		if errors.Is(err, rule) {
			l.Outcome = Refused
		}
	}
}

// Payouts writes what the issuer owes as CSV for the bank, and returns how many
// there are: id, date, amount, currency, destination, holder, reference. Each
// transfer must carry its reference, so that the journal settles it.
func Payouts(ctx context.Context, l issuer.Ledger, w io.Writer) (int, error) {
	owed, err := l.CashOuts(ctx)
	if err != nil {
		return 0, err
	}
	out := csv.NewWriter(w)
	if err := out.Write([]string{"id", "date", "amount", "currency", "destination", "holder", "reference"}); err != nil {
		return 0, err
	}
	for _, c := range owed {
		id := strconv.FormatUint(c.Id, 10)
		err := out.Write([]string{
			id, time.Unix(c.RequestedAt, 0).UTC().Format(time.DateOnly), strings.TrimPrefix(credit.Dollars(inCents(c.Amount)), "$"), "USD",
			inert(c.Destination), c.Holder, "koinon-cash-out-" + id,
		})
		if err != nil {
			return 0, err
		}
	}
	out.Flush()
	return len(owed), out.Error()
}

// inCents rounds down to what a bank can pay; holders cash out whole cents.
func inCents(ucredit uint64) uint64 {
	const cent = 10_000
	return ucredit / cent * cent
}

// inert keeps a spreadsheet from taking what a stranger wrote for a formula.
func inert(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t", rune(text[0])) {
		return "'" + text
	}
	return text
}
