package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/koinon/koinon/receipt"
)

// Claim is the right to answer a request that names itself by an idempotency key.
type Claim struct {
	Key     string         // API key
	Name    string         // the client's name of the request, unique to its key
	Request receipt.Digest // of what is asked
}

// Answer is what was said to a request, to be said again.
type Answer struct {
	Status int    // HTTP; 0 while the request runs, and for ever if it was cut off
	Header string // JSON of an http.Header
	Body   []byte
}

// ErrClaimed says that a name was used for another request.
var ErrClaimed = errors.New("the idempotency key was used for another request")

// Claim takes a claim durably, or returns the answer of whoever took it before.
func (s *Store) Claim(c Claim, now time.Time) (earlier *Answer, err error) {
	err = s.write(func(tx *sql.Tx) error {
		earlier = nil // of an attempt that was rolled back
		var a Answer
		var request []byte
		err := tx.QueryRow(`SELECT request, status, header, body FROM answers WHERE key = ? AND name = ?`, c.Key, c.Name).
			Scan(&request, &a.Status, &a.Header, &a.Body)
		switch {
		case err == nil && string(request) != string(c.Request[:]):
			return ErrClaimed
		case err == nil:
			earlier = &a
			return nil
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("reading an answer: %w", err)
		}
		if _, err = tx.Exec(`INSERT INTO answers (key, name, request, begun) VALUES (?, ?, ?, ?)`, c.Key, c.Name, c.Request[:], now.UnixMilli()); err != nil {
			return fmt.Errorf("claiming an idempotency key: %w", err)
		}
		return nil
	})
	return earlier, err
}

// ForgetAnswers forgets claims older than a time, and the oldest answers beyond
// so many bytes in all.
func (s *Store) ForgetAnswers(older time.Time, most int64) error {
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM answers WHERE begun < ?`, older.UnixMilli())
		if err == nil {
			_, err = tx.Exec(`DELETE FROM answers WHERE status <> 0 AND begun <= (SELECT begun FROM
				(SELECT begun, sum(length(body)) OVER (ORDER BY begun DESC) AS total FROM answers) WHERE total > ? ORDER BY begun DESC LIMIT 1)`, most)
		}
		if err != nil {
			return fmt.Errorf("forgetting old answers: %w", err)
		}
		return nil
	})
}

// Answer stores the answer of a claimed request.
func (s *Store) Answer(c Claim, a Answer) error {
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE answers SET status = ?, header = ?, body = ? WHERE key = ? AND name = ?`, a.Status, a.Header, a.Body, c.Key, c.Name)
		if err != nil {
			return fmt.Errorf("storing an answer: %w", err)
		}
		return nil
	})
}

// Disclaim gives a claim up: nothing was paid, and the request may come again.
func (s *Store) Disclaim(c Claim) error {
	return s.write(func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM answers WHERE key = ? AND name = ?`, c.Key, c.Name); err != nil {
			return fmt.Errorf("giving up an idempotency key: %w", err)
		}
		return nil
	})
}
