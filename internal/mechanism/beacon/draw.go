// Package beacon holds the rules of the ledger's randomness: what a validator
// proves about, how proofs join into one value, how those who withhold are
// counted, and how to draw from the value. Proofs themselves (RFC 9381) are the
// ledger's to make and to check. The protocol is in spec/beacon.md.
package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/bits"

	"github.com/koinon/koinon/receipt"
)

// Draw picks n different indices of weights, in the order drawn, each time one
// of those left with a chance in proportion to its weight. An index of weight
// zero is never drawn, so that fewer than n may come back. The label keeps
// draws from one randomness apart: draws with different labels are independent.
// The chances are exact but for less than 2^-128.
func Draw(r receipt.Digest, label string, weights []uint64, n int) []int {
	var total weight
	positive := 0
	for _, w := range weights {
		if w > 0 {
			total = total.plus(w)
			positive++
		}
	}
	n = max(0, min(n, positive))
	drawn := make([]int, 0, n)
	taken := make([]bool, len(weights))
	for len(drawn) < n {
		rest := total.below(Value(r, label, uint64(len(drawn))))
		for i, w := range weights {
			if taken[i] || w == 0 {
				continue
			}
			if rest.less(w) {
				taken[i] = true
				total = total.minus(w)
				drawn = append(drawn, i)
				break
			}
			rest = rest.minus(w)
		}
	}
	return drawn
}

// Value is the randomness of one label and number: values that nobody can
// tell from independent ones.
func Value(r receipt.Digest, label string, number uint64) receipt.Digest {
	data := append([]byte("koinon/beacon-draw/v1\x00"), r[:]...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(label)))
	data = append(data, label...)
	return sha256.Sum256(binary.BigEndian.AppendUint64(data, number))
}

// weight is a sum of weights, which may exceed 64 bits.
type weight struct{ high, low uint64 }

func (a weight) plus(w uint64) weight {
	low, carry := bits.Add64(a.low, w, 0)
	return weight{a.high + carry, low}
}

func (a weight) minus(w uint64) weight {
	low, borrow := bits.Sub64(a.low, w, 0)
	return weight{a.high - borrow, low}
}

func (a weight) less(w uint64) bool { return a.high == 0 && a.low < w }

// below reduces 256 random bits to a number below a sum, which is not zero.
func (a weight) below(d receipt.Digest) weight {
	sum := new(big.Int).SetUint64(a.high)
	sum.Or(sum.Lsh(sum, 64), new(big.Int).SetUint64(a.low))
	rest := new(big.Int).SetBytes(d[:])
	var b [16]byte
	rest.Mod(rest, sum).FillBytes(b[:])
	return weight{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}
