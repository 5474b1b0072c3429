package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/issuer"
)

// payment is a card payment as it is kept on disk, from the moment that Stripe
// says it is paid. The ledger's entry, not this file, says whether it is minted.
type payment struct {
	Session string `json:"session"` // the Checkout Session's id
	Intent  string `json:"payment_intent"`
	Address string `json:"address"`
	Cents   int64  `json:"cents"`
	Minted  bool   `json:"minted"`
	// Refunded is what was given back, in cents, by cash-out.
	Refunded map[uint64]int64 `json:"refunded,omitempty"`
}

// ErrSession is returned for what is not a Checkout Session's id.
var ErrSession = errors.New("not the id of a Checkout Session")

var sessionID = regexp.MustCompile(`^cs_[A-Za-z0-9_]{1,100}$`)

func (p payment) reference() string { return "stripe:" + p.Session }

const microPerCent = 10_000

func (p payment) issue() issuer.Payment {
	return issuer.Payment{Reference: p.reference(), Recipient: p.Address, Ucredit: uint64(p.Cents) * microPerCent}
}

// rest is what can still be refunded, in cents.
func (p payment) rest() int64 {
	rest := p.Cents
	for _, cents := range p.Refunded {
		rest -= cents
	}
	return rest
}

// store keeps each payment in a file of its own, whole or not at all.
type store struct{ dir string }

func (s store) path(session string) (string, error) {
	if !sessionID.MatchString(session) {
		return "", fmt.Errorf("%w: %q", ErrSession, session)
	}
	return filepath.Join(s.dir, session+".json"), nil
}

func (s store) put(p payment) error {
	path, err := s.path(p.Session)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(path, append(data, '\n'), 0o600)
}

// get returns a payment, or os.ErrNotExist.
func (s store) get(session string) (payment, error) {
	path, err := s.path(session)
	if err != nil {
		return payment{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return payment{}, err
	}
	var p payment
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("the payment's file %s: %w", path, err)
	}
	return p, nil
}

// waiting returns the payments that are not minted yet, as far as is known.
func (s store) waiting() ([]payment, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "cs_*.json"))
	if err != nil {
		return nil, err
	}
	var list []payment
	for _, file := range files {
		p, err := s.get(strings.TrimSuffix(filepath.Base(file), ".json"))
		if err != nil {
			return nil, err
		}
		if !p.Minted {
			list = append(list, p)
		}
	}
	return list, nil
}
