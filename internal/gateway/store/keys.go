package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Key is an API key as stored: its secret is known by its hash alone.
type Key struct {
	ID      string
	Hash    [32]byte // SHA-256 of the whole key
	Name    string
	Budget  uint64 // ucredit
	Spent   uint64 // ucredit
	Created time.Time
	Revoked time.Time // zero while the key is good
}

// AddKey stores a new key.
func (s *Store) AddKey(k Key) error {
	budget, err := amount(k.Budget)
	if err != nil {
		return fmt.Errorf("storing a key: %w", err)
	}
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO keys (id, hash, name, budget, created) VALUES (?, ?, ?, ?, ?)`,
			k.ID, k.Hash[:], k.Name, budget, k.Created.UnixMilli())
		if err != nil {
			return fmt.Errorf("storing a key: %w", err)
		}
		return nil
	})
}

// RevokeKey ends a key; revoking twice changes nothing.
func (s *Store) RevokeKey(id string, at time.Time) error {
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

const keyColumns = `id, hash, name, budget, spent, created, revoked`

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
	var created int64
	var revoked sql.NullInt64
	if err := row.Scan(&k.ID, &hash, &k.Name, &k.Budget, &k.Spent, &created, &revoked); err != nil {
		return Key{}, fmt.Errorf("reading a key: %w", err)
	}
	copy(k.Hash[:], hash)
	k.Created = time.UnixMilli(created)
	if revoked.Valid {
		k.Revoked = time.UnixMilli(revoked.Int64)
	}
	return k, nil
}
