package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Charge is what a key has to pay more than the last time.
type Charge struct {
	Key    string
	Amount uint64 // ucredit
}

// Progress is everything that one step of an answer changes, written together:
// a ticket is never revealed without its key being charged, and an answer's
// receipt never lost while its cost is kept.
type Progress struct {
	Grant   receipt.Digest // zero where another keeps its books
	Books   inference.Books
	Charges []Charge
	Receipt *Receipt // nil while the answer runs, and if none came
	At      time.Time
}

// Save takes progress on; when the result says so, a killed process does not lose
// it. Books only ever
// grow: a later call that was overtaken changes nothing of them.
func (s *Store) Save(p Progress) Pending { return s.enter(write{progress: &p}) }

// progressSum is what several steps come to: they share one row of their grant
// and of their key.
type progressSum struct {
	books    map[receipt.Digest]inference.Books
	charges  map[string]uint64
	receipts []*Receipt
	at       time.Time
}

func newProgressSum() *progressSum {
	return &progressSum{books: map[receipt.Digest]inference.Books{}, charges: map[string]uint64{}}
}

func (s *progressSum) add(p Progress) {
	if !p.Grant.IsZero() {
		b := s.books[p.Grant]
		b.Settled, b.Revealed = max(b.Settled, p.Books.Settled), max(b.Revealed, p.Books.Revealed)
		s.books[p.Grant] = b
	}
	for _, c := range p.Charges {
		if c.Amount > 0 {
			s.charges[c.Key] += c.Amount
		}
	}
	if p.Receipt != nil {
		s.receipts = append(s.receipts, p.Receipt)
	}
	if p.At.After(s.at) {
		s.at = p.At
	}
}

// progressStatements are those of the hot path, parsed once.
type progressStatements struct{ books, charge, receipt *sql.Stmt }

func prepareProgress(ctx context.Context, writer *sql.DB) (p progressStatements, err error) {
	for _, one := range []struct {
		into **sql.Stmt
		text string
	}{
		{&p.books, `UPDATE grants SET settled = max(settled, ?), revealed = max(revealed, ?) WHERE id = ?`},
		{&p.charge, chargeKey},
		{&p.receipt, insertReceipt},
	} {
		if *one.into, err = writer.PrepareContext(ctx, one.text); err != nil {
			return p, err
		}
	}
	return p, nil
}

// apply writes a sum.
func (p progressStatements) apply(tx *sql.Tx, s *progressSum) error {
	if len(s.books)+len(s.charges)+len(s.receipts) == 0 {
		return nil
	}
	save := tx.Stmt(p.books)
	for id, b := range s.books {
		settled, err := amount(b.Settled)
		if err != nil {
			return err
		}
		revealed, err := amount(b.Revealed)
		if err != nil {
			return err
		}
		result, err := save.Exec(settled, revealed, id[:])
		if err != nil {
			return fmt.Errorf("storing what is revealed: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return errors.Join(fmt.Errorf("grant %s: %w", id, ErrNotFound), err)
		}
	}
	for key, cost := range s.charges {
		if _, err := tx.Stmt(p.charge).Exec(cost, s.at.UnixMilli(), key); err != nil {
			return fmt.Errorf("charging a key: %w", err)
		}
	}
	if len(s.receipts) == 0 {
		return nil
	}
	insert := tx.Stmt(p.receipt)
	for _, r := range s.receipts {
		if err := r.insert(insert); err != nil {
			return err
		}
	}
	return nil
}
