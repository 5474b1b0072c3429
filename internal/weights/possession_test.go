package weights

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/receipt"
)

// What a holder answers is what the ledger checks, for files of every shape; a file
// that changed is noticed before a false answer is sent.
func TestAHolderAnswers(t *testing.T) {
	const span = piecesInSpan * possession.PieceSize
	for _, size := range []int{1, possession.PieceSize, possession.PieceSize + 1, span, span + 1, 3*span + 5000, 4 * span} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i ^ i>>8 ^ i>>16)
		}
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		h, err := Hold(path)
		if err != nil {
			t.Fatal(err)
		}
		if whole := merkle.New(pieceSums(data)); h.File.Root != whole.Root() || h.File.Pieces() != whole.Len() {
			t.Fatalf("%d bytes: the root is not that of one tree over all pieces", size)
		}
		for round := range byte(20) {
			drawn := h.File.Drawn(receipt.Sum([]byte{round}), 3, "holder", 8)
			a, err := h.Answer(drawn)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.File.Check(drawn, a); err != nil {
				t.Fatalf("%d bytes, pieces %v: %v", size, drawn, err)
			}
		}
		if _, err := h.Answer([]uint64{h.File.Pieces()}); err == nil {
			t.Error("it shows a piece behind the end")
		}
		changed := bytes.Clone(data)
		changed[size/2] ^= 1
		if err := os.WriteFile(path, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Answer([]uint64{uint64(size/2) / possession.PieceSize}); !errors.Is(err, ErrMismatch) {
			t.Errorf("a changed file: %v", err)
		}
	}
	if _, err := Hold(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("it holds what is not there")
	}
}
