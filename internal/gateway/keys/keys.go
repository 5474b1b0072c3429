// Package keys makes and checks a gateway's API keys and keeps their budgets.
//
// A key is "sk-koinon-", an identifier of 12 hexadecimal digits, "-" and a
// secret of 64. Only the SHA-256 of the whole is stored; the identifier finds
// the row, and hashes are compared in constant time.
package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
)

const (
	prefix       = "sk-koinon-"
	idDigits     = 12
	secretDigits = 64
)

// maxName bounds a key's name in bytes.
const maxName = 128

// Refusals.
var (
	// ErrInvalid says that a key is malformed, unknown, revoked or expired; which
	// of them is nobody's business but the key's holder's.
	ErrInvalid = errors.New("no such API key")
	// ErrBudget says that a request could cost more than the key has left.
	ErrBudget = errors.New("the key's budget does not cover this request")
	// ErrTerms says that a key's terms make no sense.
	ErrTerms = errors.New("a key's terms")
	// ErrName says that a key's name is too long.
	ErrName = errors.New("a key's name has at most 128 bytes")
)

// Store is the part of the database that keys need.
type Store interface {
	AddKey(store.Key) error
	TopUpKey(id string, ucredit uint64) error
	RevokeKey(id string, at time.Time) error
	Key(ctx context.Context, id string) (store.Key, error)
	Keys(ctx context.Context) ([]store.Key, error)
	// KeyChanges counts the changes of keys by this process.
	KeyChanges() uint64
}

// Terms are what a key may do.
type Terms struct {
	Name   string
	Budget uint64 // ucredit, in each period
	// Period is after how long the budget is there anew; 0 for one budget for ever.
	Period time.Duration
	// Models are the names, name@version or digests that may be asked; none for all.
	Models []string
	// Rate is how many requests may come in RatePer; 0 for any number.
	Rate    uint32
	RatePer time.Duration
	// Expires is when the key ends; zero for never.
	Expires time.Time
}

// check says what about terms makes no sense.
func (t Terms) check() error {
	switch {
	case len(t.Name) > maxName:
		return ErrName
	case t.Period != 0 && t.Period < time.Minute:
		return fmt.Errorf("%w: a budget's period is at least a minute", ErrTerms)
	case t.Rate > 0 && t.RatePer < time.Second:
		return fmt.Errorf("%w: a rate is for a second or more", ErrTerms)
	}
	for _, m := range t.Models {
		if m == "" || len(m) > maxName || strings.ContainsAny(m, "\n,") {
			return fmt.Errorf("%w: %q is no model's name", ErrTerms, m)
		}
	}
	return nil
}

// Create makes a key on some terms and returns its text, which is shown this
// once and cannot be had again.
func Create(s Store, t Terms, now time.Time) (text string, key store.Key, err error) {
	if err := t.check(); err != nil {
		return "", store.Key{}, err
	}
	random := make([]byte, (idDigits+secretDigits)/2)
	rand.Read(random) // never fails
	digits := hex.EncodeToString(random)
	text = prefix + digits[:idDigits] + "-" + digits[idDigits:]
	key = store.Key{
		ID: digits[:idDigits], Hash: sha256.Sum256([]byte(text)), Name: t.Name, Budget: t.Budget, Period: t.Period,
		Models: t.Models, Rate: t.Rate, RatePer: t.RatePer, Created: now, Expires: t.Expires,
	}
	if err := s.AddKey(key); err != nil {
		return "", store.Key{}, err
	}
	return text, key, nil
}

// Permits says whether a key may ask a model version, which has a name, a label
// (name@version) and a digest.
func Permits(key store.Key, name, label, digest string) bool {
	return len(key.Models) == 0 || slices.ContainsFunc(key.Models, func(m string) bool {
		return m == name || m == label || m == digest || m == name+"@"+digest
	})
}

// List returns every key, oldest first.
func List(ctx context.Context, s Store) ([]store.Key, error) { return s.Keys(ctx) }

// TopUp adds to a key's budget, in ucredit, in each of its periods.
func TopUp(s Store, id string, more uint64) error { return s.TopUpKey(id, more) }

// Revoke ends a key by its identifier.
func Revoke(s Store, id string, now time.Time) error { return s.RevokeKey(id, now) }

// Authenticate finds the good key that a text is.
func Authenticate(ctx context.Context, s Store, text string, now time.Time) (store.Key, error) {
	id, ok := identifier(text)
	if !ok {
		return store.Key{}, ErrInvalid
	}
	key, err := s.Key(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Key{}, ErrInvalid
	}
	if err != nil {
		return store.Key{}, err
	}
	return key, check(key, text, now)
}

// check compares a key with the text that is to be it.
func check(key store.Key, text string, now time.Time) error {
	hash := sha256.Sum256([]byte(text))
	switch {
	case subtle.ConstantTimeCompare(hash[:], key.Hash[:]) != 1 || !key.Revoked.IsZero():
		return ErrInvalid
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		return fmt.Errorf("%w: it expired at %s", ErrInvalid, key.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// identifier takes the public part out of a key's text.
func identifier(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != idDigits+1+secretDigits || rest[idDigits] != '-' {
		return "", false
	}
	return rest[:idDigits], true
}
