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
	// Drawn: by payer and provider together, so that neither could choose it.
	Drawn = "drawn"
	// Named: by the payer, in the request.
	Named = "named"
)

// Seed is where an answer's randomness came from. A drawn one is made of a nonce
// that the payer puts into its request and of the provider's verifiable random
// function (RFC 9381, ECVRF-EDWARDS25519-SHA512-ELL2, with the key that signs its
// receipts) of that request: the payer cannot foresee what the function makes of
// a nonce, and the provider has no choice but to serve or not.
type Seed struct {
	Value  uint64 `json:"value"`  // below 2^53 if drawn
	Origin string `json:"origin"` // Drawn or Named
	Nonce  Digest `json:"nonce"`  // the payer's; zero if named
	Proof  []byte `json:"proof"`  // of the function, 80 bytes; none if named
}

// ErrSeed is returned for a seed that did not come about as it says.
var ErrSeed = errors.New("seed does not come of the payer's nonce and the provider's key")

// job is what the provider's function is taken of: the request's digest, which
// commits to the nonce. Nothing of the provider's choice is in it.
func job(request Digest) []byte {
	c := begin("job")
	c.digest(request)
	return c
}

// value is the first 53 bits of SHA-256 over the canonical bytes of kind seed with
// nonce and output: as many as readers of JSON that know no integers keep exactly.
func value(nonce Digest, output []byte) uint64 {
	c := begin("seed")
	c.digest(nonce)
	c = append(c, output...)
	sum := Sum(c)
	return binary.BigEndian.Uint64(sum[:]) >> 11
}

// DrawSeed draws the seed of a request, given by the digest of its bytes and the
// nonce in it. It is the provider's part.
func DrawSeed(key ed25519.PrivateKey, request, nonce Digest) (Seed, error) {
	proof := ecvrf.Prove(voi.PrivateKey(key), job(request))
	output, err := ecvrf.ProofToHash(proof)
	if err != nil {
		return Seed{}, fmt.Errorf("drawing a seed: %w", err)
	}
	return Seed{Value: value(nonce, output), Origin: Drawn, Nonce: nonce, Proof: proof}, nil
}

// NameSeed is a seed that the payer chose.
func NameSeed(value uint64) Seed { return Seed{Value: value, Origin: Named} }

// ProvenSeed is the seed that a provider's proof makes of a nonce in a request,
// given by its digest. Refusal: [ErrSeed].
func ProvenSeed(key ed25519.PublicKey, proof []byte, request, nonce Digest) (Seed, error) {
	if len(proof) != ecvrf.ProofSize || len(key) != ed25519.PublicKeySize || nonce.IsZero() {
		return Seed{}, fmt.Errorf("%w: a proof of %d bytes by a key of %d", ErrSeed, len(proof), len(key))
	}
	ok, output := ecvrf.Verify(voi.PublicKey(key), proof, job(request))
	if !ok {
		return Seed{}, fmt.Errorf("%w: the proof does not verify", ErrSeed)
	}
	return Seed{Value: value(nonce, output), Origin: Drawn, Nonce: nonce, Proof: proof}, nil
}

// Verify checks that the seed came about as it says, for a request with this
// digest at the provider with this key. Refusal: [ErrSeed].
func (s Seed) Verify(key ed25519.PublicKey, request Digest) error {
	if s.Origin == Named {
		return s.form()
	}
	proven, err := ProvenSeed(key, s.Proof, request, s.Nonce)
	if err != nil {
		return err
	}
	if !proven.Equal(s) {
		return fmt.Errorf("%w: they make %d, it says %d", ErrSeed, proven.Value, s.Value)
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
