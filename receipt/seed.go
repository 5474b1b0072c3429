package receipt

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"
)

// How an answer's seed came about.
const (
	// Drawn: by payer and provider together, so that the provider could not choose it.
	Drawn = "drawn"
	// Named: by the payer, in the request.
	Named = "named"
)

// Seed is where an answer's randomness came from. A drawn one is made of a nonce
// that the payer puts into its request and of the provider's [Lot] of the grant.
type Seed struct {
	Value  uint64 `json:"value"`  // below 2^53 if drawn
	Origin string `json:"origin"` // Drawn or Named
	Nonce  Digest `json:"nonce"`  // the payer's; zero if named
	Proof  []byte `json:"proof"`  // of the provider's lot, 80 bytes; none if named
}

// ErrSeed is returned for a seed that did not come about as it says.
var ErrSeed = errors.New("seed does not come of the payer's nonce and the provider's key")

// Lot is the provider's part in the seeds of all answers on one grant: what its
// verifiable random function (RFC 9381, ECVRF-EDWARDS25519-SHA512-ELL2, with the
// key that signs its receipts) makes of the grant's id. It is fixed when the payer
// signs the grant, before any nonce, and there is one: a provider has no choice
// but to serve or not. docs/adr/0019 says why it is not of each request.
type Lot struct {
	Proof  []byte // 80 bytes
	output []byte
}

// lotOf is what the provider's function is taken of. Nothing of the provider's
// choice is in it.
func lotOf(grant Digest) []byte {
	c := begin("lot")
	c.digest(grant)
	return c
}

// DrawLot is the provider's part.
func DrawLot(key ed25519.PrivateKey, grant Digest) (Lot, error) {
	proof := ecvrf.Prove(voi.PrivateKey(key), lotOf(grant))
	output, err := ecvrf.ProofToHash(proof)
	if err != nil {
		return Lot{}, fmt.Errorf("drawing a lot: %w", err)
	}
	return Lot{proof, output}, nil
}

// ProvenLot is the lot that a proof by the provider with this key is of. Refusal:
// [ErrSeed].
func ProvenLot(key ed25519.PublicKey, proof []byte, grant Digest) (Lot, error) {
	if len(proof) != ecvrf.ProofSize || len(key) != ed25519.PublicKeySize {
		return Lot{}, fmt.Errorf("%w: a proof of %d bytes by a key of %d", ErrSeed, len(proof), len(key))
	}
	ok, output := ecvrf.Verify(voi.PublicKey(key), proof, lotOf(grant))
	if !ok {
		return Lot{}, fmt.Errorf("%w: the proof does not verify", ErrSeed)
	}
	return Lot{proof, output}, nil
}

// Seed is what the lot makes of a request's nonce: the first 53 bits of SHA-256
// over the canonical bytes of kind seed with nonce and output, as many as readers
// of JSON that know no integers keep exactly.
func (l Lot) Seed(nonce Digest) Seed {
	c := begin("seed")
	c.digest(nonce)
	c = append(c, l.output...)
	sum := Sum(c)
	return Seed{Value: binary.BigEndian.Uint64(sum[:]) >> 11, Origin: Drawn, Nonce: nonce, Proof: l.Proof}
}

// NameSeed is a seed that the payer chose.
func NameSeed(value uint64) Seed { return Seed{Value: value, Origin: Named} }

// Verify checks that the seed came about as it says, on this grant at the provider
// with this key. Refusal: [ErrSeed].
func (s Seed) Verify(key ed25519.PublicKey, grant Digest) error {
	if err := s.form(); err != nil || s.Origin == Named {
		return err
	}
	lot, err := ProvenLot(key, s.Proof, grant)
	if err != nil {
		return err
	}
	if drawn := lot.Seed(s.Nonce); !drawn.Equal(s) {
		return fmt.Errorf("%w: they make %d, it says %d", ErrSeed, drawn.Value, s.Value)
	}
	return nil
}

// Equal says whether two seeds are the same in every field.
func (s Seed) Equal(other Seed) bool {
	return s.Value == other.Value && s.Origin == other.Origin && s.Nonce == other.Nonce && bytes.Equal(s.Proof, other.Proof)
}

// form checks what needs no arithmetic.
func (s Seed) form() error {
	switch {
	case s.Origin == Named && s.Nonce.IsZero() && len(s.Proof) == 0,
		s.Origin == Drawn && !s.Nonce.IsZero() && len(s.Proof) == ecvrf.ProofSize:
		return nil
	}
	return fmt.Errorf("%w: one that is %s has a nonce and a proof of %d bytes, one that is %s neither", ErrSeed, Drawn, ecvrf.ProofSize, Named)
}

func (s Seed) append(c *canonical) {
	c.integer(s.Value)
	c.text(s.Origin)
	c.digest(s.Nonce)
	c.text(string(s.Proof))
}

func (r *reader) seed() Seed {
	return Seed{Value: r.integer(), Origin: r.text(), Nonce: r.digest(), Proof: r.bytes()}
}
