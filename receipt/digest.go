package receipt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Digest is a SHA-256 digest. As text it is "sha256:" and 64 hexadecimal digits.
type Digest [sha256.Size]byte

// ErrDigest is returned for text that is not a digest.
var ErrDigest = errors.New(`not a digest: expected "sha256:" and 64 lower-case hexadecimal digits`)

const digestPrefix = "sha256:"

// ParseDigest reads a digest as [Digest.String] writes it.
func ParseDigest(s string) (Digest, error) {
	text, ok := strings.CutPrefix(s, digestPrefix)
	if !ok {
		return Digest{}, fmt.Errorf("%w, not %q", ErrDigest, s)
	}
	return ParseHex(text)
}

// ParseHex reads the 64 hexadecimal digits of [Digest.Hex].
func ParseHex(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) || strings.ToLower(s) != s {
		return Digest{}, fmt.Errorf("%w, not %q", ErrDigest, s)
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("%w, not %q", ErrDigest, s)
	}
	return d, nil
}

// Sum is the SHA-256 of data.
func Sum(data []byte) Digest { return sha256.Sum256(data) }

// String is "sha256:" and the digits.
func (d Digest) String() string { return digestPrefix + d.Hex() }

// Hex is the digits alone.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// IsZero says whether d is all zeros, which no digest is in practice.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	*d = parsed
	return err
}

// canonical collects the canonical bytes of one object.
type canonical []byte

func begin(kind string) canonical { return make(canonical, 0, 128).begin(kind) }

// begin names the object whose bytes follow.
func (c canonical) begin(kind string) canonical {
	c = append(c, "koinon/"...)
	c = append(c, kind...)
	return append(c, "/v1\x00"...)
}

func (c *canonical) integer(v uint64) { *c = binary.BigEndian.AppendUint64(*c, v) }
func (c *canonical) digest(d Digest)  { *c = append(*c, d[:]...) }
func (c *canonical) float(v float32) {
	*c = binary.BigEndian.AppendUint32(*c, math.Float32bits(v))
}

func (c *canonical) text(s string) {
	*c = binary.BigEndian.AppendUint32(*c, uint32(len(s)))
	*c = append(*c, s...)
}
