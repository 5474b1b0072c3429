package receipt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrDecode is returned for bytes that are no receipt's.
var ErrDecode = errors.New("not the bytes of a receipt")

// Encode is the receipt for messages: its canonical bytes, then the signature as
// a byte string.
func (r Receipt) Encode() []byte {
	c := canonical(r.Bytes())
	c.text(string(r.Signature))
	return c
}

// Decode reads what [Receipt.Encode] writes, and nothing else: a receipt has one
// encoding. It checks form alone; [Receipt.Verify] checks the rest. Refusal:
// [ErrDecode].
func Decode(data []byte) (Receipt, error) {
	head := begin("receipt")
	if !bytes.HasPrefix(data, head) {
		return Receipt{}, fmt.Errorf("%w: they do not begin with the kind %q", ErrDecode, "koinon/receipt/v1")
	}
	in := &reader{rest: data[len(head):]}
	r := in.receipt()
	if in.wrong || len(in.rest) > 0 {
		return Receipt{}, fmt.Errorf("%w: they end too early, too late, or have a number out of its field's range", ErrDecode)
	}
	return r, nil
}

// reader takes fields off canonical bytes. Once they are wrong, it gives zeros.
type reader struct {
	rest  []byte
	wrong bool // they were wrong
}

// take is the next n bytes.
func (r *reader) take(n int) []byte {
	if r.wrong || n > len(r.rest) {
		r.wrong = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) integer() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// short is an integer of 32 bits.
func (r *reader) short() uint32 {
	v := r.integer()
	if v > math.MaxUint32 {
		r.wrong = true
		return 0
	}
	return uint32(v)
}

func (r *reader) digest() (d Digest) {
	copy(d[:], r.take(len(d)))
	return d
}

func (r *reader) float() float32 {
	if b := r.take(4); b != nil {
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	}
	return 0
}

// bytes are nil if there are none.
func (r *reader) bytes() []byte {
	b := r.take(4)
	if b == nil {
		return nil
	}
	n := binary.BigEndian.Uint32(b)
	if n > maxText {
		r.wrong = true
		return nil
	}
	if n == 0 {
		return nil
	}
	return bytes.Clone(r.take(int(n)))
}

func (r *reader) text() string { return string(r.bytes()) }
