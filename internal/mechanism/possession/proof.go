// Package possession holds the rules of pinning: an owner pays holders to keep a
// file, by the GiB and month, and each epoch a holder must show pieces of it that
// the beacon draws. Nothing shorter than the bytes answers: a piece is sent whole,
// with its place in the Merkle tree over all pieces, whose root was fixed when the
// file was pinned. Who cannot answer has no fee for the epoch and loses a part of
// the bond.
//
// A holder that lacks one part in f of a file passes a challenge of n pieces with
// probability (1 − 1/f)ⁿ, and a month of hourly ones with the 720th power of that.
package possession

import (
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/receipt"
)

// PieceSize is how many bytes of a file a piece has; the last may have fewer.
const PieceSize = 1024

// MaxDrawn bounds the pieces of one challenge: an answer is a transaction.
const MaxDrawn = 16

// Refusals of answers.
var (
	// ErrAnswer: the answer has other pieces than were drawn.
	ErrAnswer = errors.New("not the pieces that were drawn")
	// ErrBytes: the pieces are not the file's.
	ErrBytes = errors.New("not the file's bytes")
)

// File is what was pinned.
type File struct {
	Root receipt.Digest // over the SHA-256 of each piece, as package merkle builds it
	Size uint64         // bytes, at least one
}

// Pieces is how many there are.
func (f File) Pieces() uint64 {
	if f.Size == 0 {
		return 0
	}
	return (f.Size-1)/PieceSize + 1
}

// length is how many bytes a piece has.
func (f File) length(i uint64) uint64 { return min(PieceSize, f.Size-i*PieceSize) }

// Drawn are the numbers of the pieces to show, ascending, each once: at most n of
// them, and no more than there are. Each holder of a pin has its own, so none can
// hand on another's answer.
func (f File) Drawn(randomness receipt.Digest, pin uint64, holder string, n int) []uint64 {
	label := fmt.Sprintf("possession/%d/%s", pin, holder)
	pieces := f.Pieces()
	var list []uint64
	for i := 0; i < min(n, MaxDrawn) && pieces > 0; i++ {
		list = append(list, remainder(beacon.Value(randomness, label, uint64(i)), pieces))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// remainder divides a digest, a number of 256 bits, which makes all remainders alike
// to 2⁻¹⁹².
func remainder(d receipt.Digest, by uint64) uint64 {
	var rest uint64
	for i := 0; i < len(d); i += 8 {
		rest = modulo(rest, order.Uint64(d[i:]), by)
	}
	return rest
}

// Answer shows pieces.
type Answer struct {
	Pieces [][]byte         // in the order of their numbers
	Proof  []receipt.Digest // as [merkle.Prove] lists them
}

// Check says whether an answer shows the drawn pieces of the file. Refusals:
// [ErrAnswer], [ErrBytes].
func (f File) Check(drawn []uint64, a Answer) error {
	if len(drawn) == 0 || len(a.Pieces) != len(drawn) {
		return fmt.Errorf("%w: %d pieces, %d were drawn", ErrAnswer, len(a.Pieces), len(drawn))
	}
	opened := merkle.Opened{Index: drawn, Leaf: make([]receipt.Digest, len(drawn))}
	for i, piece := range a.Pieces {
		if drawn[i] >= f.Pieces() {
			return fmt.Errorf("%w: piece %d of %d", ErrAnswer, drawn[i], f.Pieces())
		}
		if want := f.length(drawn[i]); uint64(len(piece)) != want {
			return fmt.Errorf("%w: piece %d has %d bytes, not %d", ErrBytes, drawn[i], len(piece), want)
		}
		opened.Leaf[i] = receipt.Sum(piece)
	}
	if err := merkle.Verify(f.Root, f.Pieces(), opened, a.Proof); err != nil {
		return fmt.Errorf("%w: %w", ErrBytes, err)
	}
	return nil
}
