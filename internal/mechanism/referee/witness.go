package referee

import (
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/receipt"
)

// Bounds of a witness, so that its move fits into a transaction.
const (
	// MaxWitness bounds its bytes.
	MaxWitness = 256<<10 - 2
	maxChunks  = 4 << 10
	maxRows    = 4
	maxProof   = MaxWitness / 32 // digests
	maxBias    = 1 << 10
	// chunkHead are the bytes of a chunk beside its words; witnessRoom is left for
	// proofs and a second row, such as a bias.
	chunkHead   = 20
	witnessRoom = 8 << 10
)

// ErrMissing is returned for a witness that lacks what the operator needs.
var ErrMissing = errors.New("the witness lacks an input")

// Chunk is a chunk of the trace.
type Chunk struct {
	Segment, Index uint64
	Words          []uint32
}

// Row is a row of weights, by its place under the weights root.
type Row struct {
	Index uint64
	Data  []byte
}

// Bias is what was added to one token's logit, the bits of a binary32.
type Bias struct{ Token, Value uint32 }

// Witness is what one word is computed from, with proofs. It implements [Source].
type Witness struct {
	// Chunks ascend by segment and index.
	Chunks []Chunk
	// Proof leads, for each segment with chunks before the disputed one, to the
	// segment's root, and in the disputed one to the nodes that are agreed; then
	// from the roots to the trace's nodes that are agreed.
	Proof []receipt.Digest
	// Rows ascend by index; RowProof leads to the weights root.
	Rows     []Row
	RowProof []receipt.Digest
	// Bias is the request's, if the operator is that of bias and penalties.
	Bias []Bias
}

// Source is what the referee reads the inputs of an operator from.
type Source interface {
	// Chunk gives a chunk's words.
	Chunk(segment, index uint64) ([]uint32, error)
	// Row gives a row's bytes.
	Row(index uint64) ([]byte, error)
	// Biases gives the request's.
	Biases() ([]Bias, error)
}

// Chunk implements [Source]. Refusal: [ErrMissing].
func (w *Witness) Chunk(segment, index uint64) ([]uint32, error) {
	i, found := slices.BinarySearchFunc(w.Chunks, Chunk{Segment: segment, Index: index}, Chunk.Compare)
	if !found {
		return nil, fmt.Errorf("%w: chunk %d of segment %d", ErrMissing, index, segment)
	}
	return w.Chunks[i].Words, nil
}

// Compare orders chunks by segment and index.
func (c Chunk) Compare(other Chunk) int {
	if c.Segment != other.Segment {
		if c.Segment < other.Segment {
			return -1
		}
		return 1
	}
	switch {
	case c.Index < other.Index:
		return -1
	case c.Index > other.Index:
		return 1
	}
	return 0
}

// Row implements [Source]. Refusal: [ErrMissing].
func (w *Witness) Row(index uint64) ([]byte, error) {
	for _, r := range w.Rows {
		if r.Index == index {
			return r.Data, nil
		}
	}
	return nil, fmt.Errorf("%w: row %d of the weights", ErrMissing, index)
}

// Biases implements [Source].
func (w *Witness) Biases() ([]Bias, error) { return w.Bias, nil }

// Append writes the witness's one encoding.
func (w *Witness) Append(to *canonical.Writer) {
	to.Uint32(uint32(len(w.Chunks)))
	for _, c := range w.Chunks {
		to.Uint64(c.Segment)
		to.Uint64(c.Index)
		to.Words(c.Words)
	}
	to.Digests(w.Proof)
	to.Uint32(uint32(len(w.Rows)))
	for _, r := range w.Rows {
		to.Uint64(r.Index)
		to.Bytes(r.Data)
	}
	to.Digests(w.RowProof)
	to.Uint32(uint32(len(w.Bias)))
	for _, b := range w.Bias {
		to.Uint32(b.Token)
		to.Uint32(b.Value)
	}
}

// ReadWitness reads what Append writes; what is wrong, the reader notes.
func ReadWitness(r *canonical.Reader) (w Witness) {
	for range r.Count(maxChunks, 20) {
		w.Chunks = append(w.Chunks, Chunk{r.Uint64(), r.Uint64(), r.Words(ChunkWords)})
	}
	w.Proof = r.Digests(maxProof)
	for range r.Count(maxRows, 12) {
		w.Rows = append(w.Rows, Row{r.Uint64(), r.Bytes(MaxWitness)})
	}
	w.RowProof = r.Digests(maxProof)
	for range r.Count(maxBias, 8) {
		w.Bias = append(w.Bias, Bias{r.Uint32(), r.Uint32()})
	}
	return w
}
