package weights

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/receipt"
)

// piecesInSpan is how many pieces a span has: subtrees of that many, a power of
// two, are remembered, so that an answer reads a few spans and not the file.
const piecesInSpan = 1024

// Holding is a file that is pinned: what answers challenges takes, 32 bytes of
// memory for each MiB.
type Holding struct {
	// File is what the pin names.
	File  possession.File
	path  string
	spans []receipt.Digest // the node above each span's pieces
}

// Hold reads a file once, to answer for it.
func Hold(path string) (*Holding, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := &Holding{path: path}
	for data := make([]byte, piecesInSpan*possession.PieceSize); ; {
		n, err := io.ReadFull(f, data)
		if n > 0 {
			h.spans = append(h.spans, merkle.New(pieceSums(data[:n])).Root())
			h.File.Size += uint64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if h.File.Size == 0 {
		return nil, fmt.Errorf("hold %s: the file is empty", path)
	}
	h.File.Root = h.above(0, h.File.Pieces())
	return h, nil
}

// pieceSums are the digests of a span's pieces.
func pieceSums(data []byte) []receipt.Digest {
	var sums []receipt.Digest
	for at := 0; at < len(data); at += possession.PieceSize {
		sums = append(sums, receipt.Sum(data[at:min(at+possession.PieceSize, len(data))]))
	}
	return sums
}

// above is the node above pieces lo to hi, which are whole spans.
func (h *Holding) above(lo, hi uint64) receipt.Digest {
	if hi-lo <= piecesInSpan {
		return h.spans[lo/piecesInSpan]
	}
	mid := merkle.Mid(lo, hi)
	return merkle.Join(h.above(lo, mid), h.above(mid, hi))
}

// Answer shows drawn pieces, ascending, each once. It reads the spans that they lie
// in and says if the file is no longer what it was. Refusal: [ErrMismatch].
func (h *Holding) Answer(drawn []uint64) (possession.Answer, error) {
	f, err := os.Open(h.path)
	if err != nil {
		return possession.Answer{}, err
	}
	defer f.Close()
	var a possession.Answer
	trees := map[uint64]*merkle.Tree{}
	for _, piece := range drawn {
		span := piece / piecesInSpan
		first := span * piecesInSpan * possession.PieceSize
		if piece >= h.File.Pieces() {
			return a, fmt.Errorf("piece %d of %d was asked for", piece, h.File.Pieces())
		}
		data := make([]byte, min(piecesInSpan*possession.PieceSize, h.File.Size-first))
		if _, err := f.ReadAt(data, int64(first)); err != nil {
			return a, fmt.Errorf("%w: %s: %v", ErrMismatch, h.path, err)
		}
		if trees[span] == nil {
			trees[span] = merkle.New(pieceSums(data))
		}
		if trees[span].Root() != h.spans[span] {
			return a, fmt.Errorf("%w: %s changed near byte %d: fetch it again, or the next challenges are lost", ErrMismatch, h.path, first)
		}
		at := piece*possession.PieceSize - first
		a.Pieces = append(a.Pieces, data[at:min(at+possession.PieceSize, uint64(len(data)))])
	}
	node := func(lo, hi uint64) receipt.Digest {
		span := lo / piecesInSpan
		if tree := trees[span]; tree != nil && hi-lo < piecesInSpan {
			return tree.Node(lo-span*piecesInSpan, hi-span*piecesInSpan)
		}
		return h.above(lo, hi)
	}
	a.Proof = merkle.Prove(node, 0, h.File.Pieces(), drawn)
	return a, nil
}
