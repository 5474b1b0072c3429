package receipt

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/bits"
)

// Grant is a payer's promise to one provider for one model version: whoever
// reveals ticket i of its hash chain to the provider pays i·TicketValue, at
// most Tickets·TicketValue. It is signed off the ledger with the grant key of
// the payer's escrow, and activated on the ledger by the provider.
type Grant struct {
	ChainID     string `json:"chain_id"`
	Payer       string `json:"payer"`        // account address
	Provider    string `json:"provider"`     // account address
	Model       Digest `json:"model"`        // the version's manifest
	App         string `json:"app"`          // referring application's address, or empty
	TicketValue uint64 `json:"ticket_value"` // ucredit
	Tickets     uint64 `json:"tickets"`
	Expiry      int64  `json:"expiry"` // Unix time, seconds
	Anchor      Digest `json:"anchor"` // ticket 0
	// Right is under which its calls are made: empty where the version is open to
	// all, "list", or "token/" and an access token's number on the ledger.
	Right string `json:"right"`
	Calls uint64 `json:"calls"` // the most that may be made on it; 0 for any number
}

// maxText bounds addresses and chain identifiers.
const maxText = 128

// Errors of grants.
var (
	ErrGrantField     = errors.New("grant field missing or too long")
	ErrGrantValue     = errors.New("grant worth nothing")
	ErrGrantOverflow  = errors.New("grant's cap does not fit in 64 bits")
	ErrGrantSignature = errors.New("grant's signature does not match the payer's grant key")
	ErrKey            = errors.New("an Ed25519 public key has 32 bytes")
)

// Bytes is the grant's canonical form.
func (g Grant) Bytes() []byte {
	c := begin("grant")
	c.text(g.ChainID)
	c.text(g.Payer)
	c.text(g.Provider)
	c.digest(g.Model)
	c.text(g.App)
	c.integer(g.TicketValue)
	c.integer(g.Tickets)
	c.integer(uint64(g.Expiry))
	c.digest(g.Anchor)
	c.text(g.Right)
	c.integer(g.Calls)
	return c
}

// ID identifies the grant: the SHA-256 of its canonical bytes. The anchor makes
// it unique.
func (g Grant) ID() Digest { return Sum(g.Bytes()) }

// Cap is the most the grant can pay, in ucredit.
func (g Grant) Cap() (uint64, error) {
	high, low := bits.Mul64(g.TicketValue, g.Tickets)
	if high != 0 {
		return 0, fmt.Errorf("%w: %d tickets of %d ucredit", ErrGrantOverflow, g.Tickets, g.TicketValue)
	}
	return low, nil
}

// Validate checks form: that nothing is missing, too long or overflowing.
func (g Grant) Validate() error {
	for _, field := range []struct{ name, value string }{
		{"chain_id", g.ChainID}, {"payer", g.Payer}, {"provider", g.Provider},
	} {
		if field.value == "" || len(field.value) > maxText {
			return fmt.Errorf("%w: %s", ErrGrantField, field.name)
		}
	}
	if len(g.App) > maxText || len(g.Right) > maxText || g.Model.IsZero() || g.Anchor.IsZero() || g.Expiry <= 0 {
		return fmt.Errorf("%w: one of app, right, model, anchor, expiry", ErrGrantField)
	}
	if g.TicketValue == 0 || g.Tickets == 0 {
		return fmt.Errorf("%w: %d tickets of %d ucredit", ErrGrantValue, g.Tickets, g.TicketValue)
	}
	_, err := g.Cap()
	return err
}

// SignedGrant is a grant with its payer's signature.
type SignedGrant struct {
	Grant
	Signature []byte `json:"signature"`
}

// Sign signs the grant with the payer's grant key.
func (g Grant) Sign(key ed25519.PrivateKey) SignedGrant {
	return SignedGrant{g, ed25519.Sign(key, g.Bytes())}
}

// Verify checks form and signature.
func (s SignedGrant) Verify(grantKey ed25519.PublicKey) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(grantKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w, not %d", ErrKey, len(grantKey))
	}
	if !ed25519.Verify(grantKey, s.Bytes(), s.Signature) {
		return ErrGrantSignature
	}
	return nil
}
