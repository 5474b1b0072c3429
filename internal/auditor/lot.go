package auditor

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"

	"github.com/koinon/koinon/internal/mechanism/court"
)

// lot is what an epoch drew for one auditor: its verifiable random function of
// the epoch's randomness, which nobody else can compute.
type lot struct{ proof, output []byte }

func prove(key ed25519.PrivateKey, randomness []byte) (lot, error) {
	proof := ecvrf.Prove(voi.PrivateKey(key), append([]byte("koinon/mystery/v1\x00"), randomness...))
	output, err := ecvrf.ProofToHash(proof)
	if err != nil {
		return lot{}, fmt.Errorf("drawing audits: %w", err)
	}
	return lot{proof, output}, nil
}

func (l lot) assigned(provider string, rate, audits, auditors uint64) bool {
	return court.Assigned(l.output, provider, rate, audits, auditors)
}

// moment is when in the epoch to buy: in its first three quarters, so that there
// is time to tell of it.
func (l lot) moment(provider string, epoch time.Duration) time.Duration {
	h := sha256.Sum256(append(append([]byte("moment\x00"), l.output...), provider...))
	return time.Duration(float64(epoch) * 0.75 * float64(binary.BigEndian.Uint32(h[:4])) / (1 << 32))
}
