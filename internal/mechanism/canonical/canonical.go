// Package canonical writes and reads the bytes of objects that have one encoding:
// integers in 4 or 8 bytes, big-endian; digests in 32; lists and byte strings
// after their length in 4 bytes.
package canonical

import (
	"bytes"
	"encoding/binary"

	"github.com/koinon/koinon/receipt"
)

// Writer collects bytes.
type Writer []byte

// Byte appends one byte.
func (w *Writer) Byte(v byte) { *w = append(*w, v) }

// Bool appends a byte, 0 or 1.
func (w *Writer) Bool(v bool) {
	if v {
		w.Byte(1)
	} else {
		w.Byte(0)
	}
}

// Uint32 appends 4 bytes.
func (w *Writer) Uint32(v uint32) { *w = binary.BigEndian.AppendUint32(*w, v) }

// Uint64 appends 8 bytes.
func (w *Writer) Uint64(v uint64) { *w = binary.BigEndian.AppendUint64(*w, v) }

// Digest appends 32 bytes.
func (w *Writer) Digest(d receipt.Digest) { *w = append(*w, d[:]...) }

// Digests appends a list of digests.
func (w *Writer) Digests(list []receipt.Digest) {
	w.Uint32(uint32(len(list)))
	for _, d := range list {
		w.Digest(d)
	}
}

// Bytes appends a byte string.
func (w *Writer) Bytes(b []byte) {
	w.Uint32(uint32(len(b)))
	*w = append(*w, b...)
}

// Words appends a list of words.
func (w *Writer) Words(list []uint32) {
	w.Uint32(uint32(len(list)))
	for _, v := range list {
		w.Uint32(v)
	}
}

// Reader takes fields off bytes. Once they are wrong, it gives zeros.
type Reader struct {
	rest  []byte
	wrong bool
}

// NewReader reads data, which must not change meanwhile.
func NewReader(data []byte) *Reader { return &Reader{rest: data} }

// Done says whether all bytes were read and none was wrong.
func (r *Reader) Done() bool { return !r.wrong && len(r.rest) == 0 }

func (r *Reader) take(n int) []byte {
	if r.wrong || n > len(r.rest) {
		r.wrong = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// Bool reads a byte, which is 0 or 1.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.wrong = true
	}
	return b == 1
}

// Uint32 reads 4 bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads 8 bytes.
func (r *Reader) Uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Digest reads 32 bytes.
func (r *Reader) Digest() (d receipt.Digest) {
	copy(d[:], r.take(len(d)))
	return d
}

// Count reads the length of a list, at most so long, whose elements take so many
// bytes each; more than are there is wrong, so that no list is made for nothing.
func (r *Reader) Count(most, size int) int {
	n := int(r.Uint32())
	if n > most || n*size > len(r.rest) {
		r.wrong = true
		return 0
	}
	return n
}

// Digests reads a list of at most so many digests; nil if it is empty.
func (r *Reader) Digests(most int) (list []receipt.Digest) {
	for range r.Count(most, len(receipt.Digest{})) {
		list = append(list, r.Digest())
	}
	return list
}

// Bytes reads a byte string of at most so many; nil if it is empty.
func (r *Reader) Bytes(most int) []byte {
	n := r.Count(most, 1)
	if n == 0 {
		return nil
	}
	return bytes.Clone(r.take(n))
}

// Words reads a list of at most so many words; nil if it is empty.
func (r *Reader) Words(most int) (list []uint32) {
	for range r.Count(most, 4) {
		list = append(list, r.Uint32())
	}
	return list
}
