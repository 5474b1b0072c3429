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
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/credit"
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
	// ErrInvalid says that a key is malformed, unknown or revoked; which of
	// them is nobody's business.
	ErrInvalid = errors.New("no such API key")
	// ErrBudget says that a request could cost more than the key has left.
	ErrBudget = errors.New("the key's budget does not cover this request")
	// ErrName says that a key's name is too long.
	ErrName = errors.New("a key's name has at most 128 bytes")
)

// Store is the part of the database that keys need.
type Store interface {
	AddKey(store.Key) error
	RevokeKey(id string, at time.Time) error
	Key(ctx context.Context, id string) (store.Key, error)
	Keys(ctx context.Context) ([]store.Key, error)
}

// Create makes a key with a budget in ucredit and returns its text, which is
// shown this once and cannot be had again.
func Create(s Store, name string, budget uint64, now time.Time) (text string, key store.Key, err error) {
	if len(name) > maxName {
		return "", store.Key{}, ErrName
	}
	random := make([]byte, (idDigits+secretDigits)/2)
	rand.Read(random) // never fails
	digits := hex.EncodeToString(random)
	text = prefix + digits[:idDigits] + "-" + digits[idDigits:]
	key = store.Key{ID: digits[:idDigits], Hash: sha256.Sum256([]byte(text)), Name: name, Budget: budget, Created: now}
	if err := s.AddKey(key); err != nil {
		return "", store.Key{}, err
	}
	return text, key, nil
}

// List returns every key, oldest first.
func List(ctx context.Context, s Store) ([]store.Key, error) { return s.Keys(ctx) }

// Revoke ends a key by its identifier.
func Revoke(s Store, id string, now time.Time) error { return s.RevokeKey(id, now) }

// Authenticate finds the good key that a text is.
func Authenticate(ctx context.Context, s Store, text string) (store.Key, error) {
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
	hash := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare(hash[:], key.Hash[:]) != 1 || !key.Revoked.IsZero() {
		return store.Key{}, ErrInvalid
	}
	return key, nil
}

// identifier takes the public part out of a key's text.
func identifier(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != idDigits+1+secretDigits || rest[idDigits] != '-' {
		return "", false
	}
	return rest[:idDigits], true
}

// Budgets holds back what running requests may cost, so that requests in
// parallel never spend more than a key has. What is spent is in the store;
// what is held back is in memory alone, for it ends with the process.
type Budgets struct {
	mu       sync.Mutex
	accounts map[string]*account
}

// account is one key's balance as this process, the only one that spends, sees it.
type account struct {
	spent    uint64 // ucredit, by requests that have ended
	reserved uint64 // ucredit, the most that running requests may spend
}

// NewBudgets starts with nothing held back.
func NewBudgets() *Budgets { return &Budgets{accounts: map[string]*account{}} }

// Reservation holds back part of a key's budget until it is settled.
type Reservation struct {
	budgets *Budgets
	account *account
	amount  uint64
}

// Reserve holds back the most that a request may cost, in ucredit, or refuses
// with [ErrBudget].
func (b *Budgets) Reserve(key store.Key, amount uint64) (*Reservation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[key.ID]
	if a == nil {
		a = &account{spent: key.Spent} // nothing of this key runs, so the stored value is final
		b.accounts[key.ID] = a
	}
	taken, carry := bits.Add64(a.spent, a.reserved, 0)
	left := key.Budget - min(key.Budget, taken)
	if carry != 0 || left == 0 || amount > left {
		return nil, fmt.Errorf("%w: %s of %s left, it may cost %s", ErrBudget,
			credit.Dollars(left), credit.Dollars(key.Budget), credit.Dollars(amount))
	}
	a.reserved += amount
	return &Reservation{b, a, amount}, nil
}

// Settle ends the reservation at what the request really cost. Settling twice
// changes nothing.
func (r *Reservation) Settle(cost uint64) {
	r.budgets.mu.Lock()
	defer r.budgets.mu.Unlock()
	if r.account == nil {
		return
	}
	r.account.reserved -= r.amount
	r.account.spent += cost
	r.account = nil
}
