package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Key is an API key as stored: its secret is known by its hash alone.
type Key struct {
	ID     string
	Hash   [32]byte // SHA-256 of the whole key
	Name   string
	Budget uint64 // ucredit, in each period
	// Period is after how long the budget is there anew, counted from Created;
	// 0 for one budget for ever.
	Period time.Duration
	Spent  uint64 // ucredit, in all
	// Recent is what was spent in the window, the number of a period; 0 is the
	// first.
	Recent uint64 // ucredit
	Window int64
	// Models are the names or digests that may be asked; none for all.
	Models []string
	// Rate is how many requests may come in RatePer; 0 for any number.
	Rate    uint32
	RatePer time.Duration
	Created time.Time
	Expires time.Time // zero for never
	Revoked time.Time // zero while the key is good
}

// WindowAt is the number of the key's period at a time.
func (k Key) WindowAt(now time.Time) int64 {
	if k.Period <= 0 {
		return 0
	}
	return max(0, now.UnixMilli()-k.Created.UnixMilli()) / k.Period.Milliseconds()
}

// SpentAt is what was spent in the period at a time, in ucredit.
func (k Key) SpentAt(now time.Time) uint64 {
	if k.WindowAt(now) != k.Window {
		return 0
	}
	return k.Recent
}

// chargeKey adds to what a key has spent: in all, and in its period.
const chargeKey = `UPDATE keys SET spent = spent + ?1,
	recent = CASE WHEN period > 0 AND (?2 - created) / period > period_number THEN ?1 ELSE recent + ?1 END,
	period_number = CASE WHEN period > 0 THEN max(period_number, (?2 - created) / period) ELSE 0 END
	WHERE id = ?3`

// AddKey stores a new key.
func (s *Store) AddKey(k Key) error {
	budget, err := amount(k.Budget)
	if err != nil {
		return fmt.Errorf("storing a key: %w", err)
	}
	defer s.keyChanges.Add(1)
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO keys (id, hash, name, budget, period, models, rate, rate_per, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			k.ID, k.Hash[:], k.Name, budget, k.Period.Milliseconds(), strings.Join(k.Models, "\n"), k.Rate, k.RatePer.Milliseconds(),
			k.Created.UnixMilli(), sql.NullInt64{Int64: k.Expires.UnixMilli(), Valid: !k.Expires.IsZero()})
		if err != nil {
			return fmt.Errorf("storing a key: %w", err)
		}
		return nil
	})
}

// KeyChanges counts the changes of keys by this process.
func (s *Store) KeyChanges() uint64 { return s.keyChanges.Load() }

// RevokeKey ends a key; revoking twice changes nothing.
func (s *Store) RevokeKey(id string, at time.Time) error {
	defer s.keyChanges.Add(1)
	return s.write(func(tx *sql.Tx) error {
		result, err := tx.Exec(`UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?`, at.UnixMilli(), id)
		if err != nil {
			return fmt.Errorf("revoking a key: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("key %q: %w", id, ErrNotFound), err)
		}
		return nil
	})
}

// TopUpKey adds to a key's budget, in ucredit.
func (s *Store) TopUpKey(id string, more uint64) error {
	sum, err := amount(more)
	if err != nil {
		return fmt.Errorf("topping a key up: %w", err)
	}
	defer s.keyChanges.Add(1)
	return s.write(func(tx *sql.Tx) error {
		result, err := tx.Exec(`UPDATE keys SET budget = budget + ? WHERE id = ? AND budget <= ?`, sum, id, math.MaxInt64-sum)
		if err != nil {
			return fmt.Errorf("topping a key up: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("key %q: %w", id, ErrNotFound), err)
		}
		return nil
	})
}

const keyColumns = `id, hash, name, budget, period, spent, recent, period_number, models, rate, rate_per, created, expires, revoked`

// Key returns one key, or [ErrNotFound].
func (s *Store) Key(ctx context.Context, id string) (Key, error) {
	k, err := scanKey(s.reader.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM keys WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, fmt.Errorf("key %q: %w", id, ErrNotFound)
	}
	return k, err
}

// Keys lists all keys, oldest first.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+keyColumns+` FROM keys ORDER BY created, id`)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	defer rows.Close()
	var keys []Key
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

type scanner interface{ Scan(...any) error }

func scanKey(row scanner) (Key, error) {
	var k Key
	var hash []byte
	var models string
	var created, period, per int64
	var expires, revoked sql.NullInt64
	err := row.Scan(&k.ID, &hash, &k.Name, &k.Budget, &period, &k.Spent, &k.Recent, &k.Window, &models, &k.Rate, &per, &created, &expires, &revoked)
	if err != nil {
		return Key{}, fmt.Errorf("reading a key: %w", err)
	}
	copy(k.Hash[:], hash)
	if models != "" {
		k.Models = strings.Split(models, "\n")
	}
	k.Period, k.RatePer = time.Duration(period)*time.Millisecond, time.Duration(per)*time.Millisecond
	k.Created = time.UnixMilli(created)
	if expires.Valid {
		k.Expires = time.UnixMilli(expires.Int64)
	}
	if revoked.Valid {
		k.Revoked = time.UnixMilli(revoked.Int64)
	}
	return k, nil
}
