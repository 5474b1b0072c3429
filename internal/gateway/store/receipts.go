package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/koinon/koinon/receipt"
)

// Receipt is a receipt as it arrived, with the gateway's verdict on it.
type Receipt struct {
	ID       receipt.Digest // its hash
	Key      string         // the API key that paid
	Request  string         // the answer's id in the HTTP API
	Grant    receipt.Digest
	Sequence uint64
	Provider string
	// Problem says what is wrong with the receipt, and is empty if nothing is.
	Problem  string
	Received time.Time
	Body     []byte // as it arrived: if it is a receipt, [receipt.Receipt.Encode]
	// Transcript is nil unless the gateway keeps them.
	Transcript *receipt.Transcript
	// Counts convict a receipt that counts too many tokens; nil of others.
	Counts *receipt.Counts
}

// insertReceipt leaves a receipt that is stored already as it is.
const insertReceipt = `INSERT INTO receipts (id, key, request, grant_id, sequence, provider, problem, received, body, transcript, counts)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`

func (r *Receipt) insert(statement *sql.Stmt) error {
	sequence, err := amount(r.Sequence)
	if err != nil {
		return err
	}
	var transcript, counts []byte // NULL for none
	if r.Transcript != nil {
		transcript, err = json.Marshal(r.Transcript)
	}
	if r.Counts != nil && err == nil {
		counts, err = json.Marshal(r.Counts)
	}
	if err != nil {
		return fmt.Errorf("storing what goes with a receipt: %w", err)
	}
	_, err = statement.Exec(r.ID[:], r.Key, r.Request, r.Grant[:], sequence, r.Provider, r.Problem, r.Received.UnixMilli(), r.Body, transcript, counts)
	if err != nil {
		return fmt.Errorf("storing a receipt: %w", err)
	}
	return nil
}

const receiptColumns = `seen, id, key, request, grant_id, sequence, provider, problem, received, body, transcript, counts`

// Receipt returns one receipt, or [ErrNotFound].
func (s *Store) Receipt(ctx context.Context, id receipt.Digest) (Receipt, error) {
	r, _, err := scanReceipt(s.reader.QueryRowContext(ctx, `SELECT `+receiptColumns+` FROM receipts WHERE id = ?`, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return Receipt{}, fmt.Errorf("receipt %s: %w", id, ErrNotFound)
	}
	return r, err
}

// Neighbours returns the receipts right before and after a place in a grant's
// chain, as far as they are known and sound.
func (s *Store) Neighbours(ctx context.Context, grant receipt.Digest, sequence uint64) ([]Receipt, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+receiptColumns+` FROM receipts
		WHERE grant_id = ? AND sequence BETWEEN ? AND ? AND problem = '' ORDER BY sequence`,
		grant[:], int64(sequence)-1, int64(sequence)+1)
	if err != nil {
		return nil, fmt.Errorf("reading receipts: %w", err)
	}
	receipts, _, err := collect(rows)
	return receipts, err
}

// Unshown lists false receipts that the ledger has not been shown, oldest first,
// some at a time.
func (s *Store) Unshown(ctx context.Context) ([]Receipt, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+receiptColumns+` FROM receipts WHERE problem <> '' AND shown = 0 ORDER BY seen LIMIT 100`)
	if err != nil {
		return nil, fmt.Errorf("reading false receipts: %w", err)
	}
	receipts, _, err := collect(rows)
	return receipts, err
}

// Shown notes that the ledger has seen a false receipt, or need not.
func (s *Store) Shown(id receipt.Digest) error {
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE receipts SET shown = 1 WHERE id = ?`, id[:])
		if err != nil {
			return fmt.Errorf("keeping what the ledger was shown: %w", err)
		}
		return nil
	})
}

// LastSequence is the highest place of a sound receipt in a grant's chain, 0 if
// there is none.
func (s *Store) LastSequence(ctx context.Context, grant receipt.Digest) (last uint64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT coalesce(max(sequence), 0) FROM receipts WHERE grant_id = ? AND problem = ''`, grant[:]).Scan(&last)
	return last, err
}

// Receipts lists a key's receipts, newest first, at most limit of them. The
// next page begins before the cursor that is returned; 0 is both the newest
// page's cursor and, returned, the end.
func (s *Store) Receipts(ctx context.Context, key string, limit int, before int64) ([]Receipt, int64, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+receiptColumns+` FROM receipts
		WHERE key = ? AND seen < ? ORDER BY seen DESC LIMIT ?`, key, before, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("listing receipts: %w", err)
	}
	receipts, last, err := collect(rows)
	if len(receipts) < limit {
		last = 0
	}
	return receipts, last, err
}

func collect(rows *sql.Rows) (receipts []Receipt, last int64, err error) {
	defer rows.Close()
	for rows.Next() {
		r, seen, err := scanReceipt(rows)
		if err != nil {
			return nil, 0, err
		}
		receipts, last = append(receipts, r), seen
	}
	return receipts, last, rows.Err()
}

func scanReceipt(row scanner) (r Receipt, seen int64, err error) {
	var id, grant, transcript, counts []byte
	var received int64
	err = row.Scan(&seen, &id, &r.Key, &r.Request, &grant, &r.Sequence, &r.Provider, &r.Problem, &received, &r.Body, &transcript, &counts)
	if err == nil && transcript != nil {
		err = json.Unmarshal(transcript, &r.Transcript)
	}
	if err == nil && counts != nil {
		err = json.Unmarshal(counts, &r.Counts)
	}
	if err != nil {
		return Receipt{}, 0, fmt.Errorf("reading a receipt: %w", err)
	}
	copy(r.ID[:], id)
	copy(r.Grant[:], grant)
	r.Received = time.UnixMilli(received)
	return r, seen, nil
}

// Suspension keeps a provider from being chosen until a time.
type Suspension struct {
	Provider string
	Reason   string
	Until    time.Time
}

// Suspend stores a suspension, in place of an earlier one of that provider.
func (s *Store) Suspend(x Suspension) error {
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO suspensions (provider, reason, until) VALUES (?, ?, ?)
			ON CONFLICT (provider) DO UPDATE SET reason = excluded.reason, until = excluded.until`,
			x.Provider, x.Reason, x.Until.UnixMilli())
		if err != nil {
			return fmt.Errorf("suspending a provider: %w", err)
		}
		return nil
	})
}

// Suspensions lists those that last beyond now.
func (s *Store) Suspensions(ctx context.Context, now time.Time) ([]Suspension, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT provider, reason, until FROM suspensions WHERE until > ?`, now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("listing suspensions: %w", err)
	}
	defer rows.Close()
	var all []Suspension
	for rows.Next() {
		var x Suspension
		var until int64
		if err := rows.Scan(&x.Provider, &x.Reason, &until); err != nil {
			return nil, fmt.Errorf("reading a suspension: %w", err)
		}
		x.Until = time.UnixMilli(until)
		all = append(all, x)
	}
	return all, rows.Err()
}
