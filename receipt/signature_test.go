package receipt

import (
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// TestSignaturesAsStandard holds the verdict on signatures to crypto/ed25519's, by
// which the same receipt is judged elsewhere: on good ones, on any with some bytes
// spoilt, and with keys and points that only some verifiers refuse.
func TestSignaturesAsStandard(t *testing.T) {
	odd := [][]byte{
		make([]byte, 32), // of order 4
		unhex(t, "0100000000000000000000000000000000000000000000000000000000000000"), // the neutral point
		unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), // of order 2
		unhex(t, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), // the neutral point, not canonical
		unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"), // the order, as a scalar
	}
	rapid.Check(t, func(t *rapid.T) {
		key := ed25519.NewKeyFromSeed(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		message := rapid.SliceOf(rapid.Byte()).Draw(t, "message")
		public, signature := append([]byte(nil), key.Public().(ed25519.PublicKey)...), ed25519.Sign(key, message)
		parts := [][]byte{public, signature[:32], signature[32:]}
		for _, part := range parts {
			switch rapid.IntRange(0, 3).Draw(t, "spoil") {
			case 0:
				copy(part, rapid.SampledFrom(odd).Draw(t, "odd"))
			case 1:
				part[rapid.IntRange(0, 31).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			}
		}
		if got, want := signed(public, message, signature), ed25519.Verify(public, message, signature); got != want {
			t.Fatalf("%t, crypto/ed25519 says %t", got, want)
		}
	})
	if signed(make([]byte, 32), nil, make([]byte, 63)) {
		t.Error("a signature of 63 bytes")
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
