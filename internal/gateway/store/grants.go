package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Grant is a signed grant, the secret seed of its hash chain, and its books.
type Grant struct {
	receipt.SignedGrant
	Seed  [32]byte
	Books inference.Books
}

// AddGrant stores a new grant, before it is shown to its provider.
func (s *Store) AddGrant(g Grant, now time.Time) error {
	body, err := json.Marshal(g.Grant)
	if err != nil {
		return fmt.Errorf("storing a grant: %w", err)
	}
	if _, err := amount(g.TicketValue); err != nil {
		return fmt.Errorf("storing a grant: %w", err)
	}
	id := g.ID()
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO grants (id, body, signature, seed, expiry, created) VALUES (?, ?, ?, ?, ?, ?)`,
			id[:], string(body), g.Signature, g.Seed[:], g.Expiry, now.UnixMilli())
		if err != nil {
			return fmt.Errorf("storing a grant: %w", err)
		}
		return nil
	})
}

// RetireGrant ends the use of a grant for a reason that is kept with it.
func (s *Store) RetireGrant(id receipt.Digest, reason string) error {
	return s.write(func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE grants SET retired = ? WHERE id = ? AND retired = ''`, reason, id[:]); err != nil {
			return fmt.Errorf("retiring a grant: %w", err)
		}
		return nil
	})
}

// OpenGrants lists the grants that are not retired and expire after now, oldest
// first.
func (s *Store) OpenGrants(ctx context.Context, now time.Time) ([]Grant, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT body, signature, seed, settled, revealed FROM grants
		WHERE retired = '' AND expiry > ? ORDER BY created, id`, now.Unix())
	if err != nil {
		return nil, fmt.Errorf("listing grants: %w", err)
	}
	defer rows.Close()
	var grants []Grant
	for rows.Next() {
		var g Grant
		var body string
		var seed []byte
		if err := rows.Scan(&body, &g.Signature, &seed, &g.Books.Settled, &g.Books.Revealed); err != nil {
			return nil, fmt.Errorf("reading a grant: %w", err)
		}
		if err := json.Unmarshal([]byte(body), &g.Grant); err != nil {
			return nil, fmt.Errorf("reading a grant: %w", err)
		}
		copy(g.Seed[:], seed)
		grants = append(grants, g)
	}
	return grants, rows.Err()
}

// Books returns the books of one grant, retired or not.
func (s *Store) Books(ctx context.Context, id receipt.Digest) (inference.Books, error) {
	var b inference.Books
	err := s.reader.QueryRowContext(ctx, `SELECT settled, revealed FROM grants WHERE id = ?`, id[:]).Scan(&b.Settled, &b.Revealed)
	if errors.Is(err, sql.ErrNoRows) {
		return b, fmt.Errorf("grant %s: %w", id, ErrNotFound)
	}
	return b, err
}
