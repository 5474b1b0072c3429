package receipts

import (
	"bytes"
	"crypto/ed25519"
	"sync"

	"github.com/koinon/koinon/receipt"
)

// lotsKept is how many grants' lots are kept in memory, some 300 bytes each.
const lotsKept = 1 << 14

// Lots are the providers' parts in the seeds of answers, one for each grant in
// use, so that a proof is checked once and not with every answer.
type Lots struct {
	mu     sync.Mutex
	proven map[receipt.Digest]lot
}

// lot is one with the key by which it is proven.
type lot struct {
	receipt.Lot
	key ed25519.PublicKey
}

// Prove is the lot that a provider's proof is of. Refusal: [receipt.ErrSeed].
func (l *Lots) Prove(key ed25519.PublicKey, proof []byte, grant receipt.Digest) (receipt.Lot, error) {
	l.mu.Lock()
	known, ok := l.proven[grant]
	l.mu.Unlock()
	if ok && bytes.Equal(known.Proof, proof) && known.key.Equal(key) {
		return known.Lot, nil
	}
	proven, err := receipt.ProvenLot(key, proof, grant)
	if err != nil {
		return proven, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.proven == nil || len(l.proven) >= lotsKept {
		l.proven = map[receipt.Digest]lot{} // those still in use are proven again
	}
	l.proven[grant] = lot{proven, key}
	return proven, nil
}
