// Package rows reads a model's file as the rows under its weights root, by which
// single rows of weights can be proved to whoever knows the root alone. Which rows
// there are, and in which order, is in package referee and spec/bisection.md.
package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// ErrModel is returned for a file that is no model whose answers can be refereed.
var ErrModel = errors.New("the model has no weights root")

// File is a model's file and the tree over its rows: 64 bytes of memory a row.
type File struct {
	file  *gguf.File
	shape referee.Shape
	rope  *tensor.RoPE
	words *engine.Vocabulary
	tree  *merkle.Tree
}

// Open reads a file and hashes its rows. Refusals: [ErrModel], and the engine's.
func Open(path string) (*File, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	rows, err := New(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

// New is Open of a file that is open already, and stays so while rows are read.
func New(f *gguf.File) (*File, error) {
	words, err := engine.ReadVocabulary(f)
	if err != nil {
		return nil, err
	}
	shape, rope, err := shapeOf(f, words)
	if err != nil {
		return nil, err
	}
	r := &File{file: f, shape: shape, rope: rope, words: words}
	leaves := make([]receipt.Digest, 0, shape.RowCount())
	for _, t := range shape.Tensors() {
		if err := r.each(t, func(row []byte) { leaves = append(leaves, receipt.Sum(row)) }); err != nil {
			return nil, err
		}
	}
	r.tree = merkle.New(leaves)
	return r, nil
}

// Close releases the file.
func (r *File) Close() error { return r.file.Close() }

// Shape is the model's.
func (r *File) Shape() referee.Shape { return r.shape }

// Root is the weights root.
func (r *File) Root() receipt.Digest { return r.tree.Root() }

// Prove is the proof of some rows, ascending, under the root.
func (r *File) Prove(wanted []uint64) []receipt.Digest {
	return merkle.Prove(r.tree.Node, 0, r.tree.Len(), wanted)
}

// Row is the bytes of one row.
func (r *File) Row(index uint64) ([]byte, error) {
	t := r.shape.Row(index)
	if index >= t.First+t.Count {
		return nil, fmt.Errorf("%w: row %d of %d", ErrModel, index, r.tree.Len())
	}
	return r.row(t, index-t.First)
}

// row is the i-th row of a tensor.
func (r *File) row(t referee.Rows, i uint64) ([]byte, error) {
	switch {
	case t.Name == "" && t.First == 0:
		return r.shape.Bytes(), nil
	case t.Name == "" && t.Bytes == 0:
		return r.words.Piece(int32(i)), nil
	case t.Name == "":
		return floatBytes(r.rope.At(int(i)).Values()), nil
	}
	stored, err := r.file.Tensor(t.Name)
	if err != nil {
		return nil, err
	}
	if t.Vector {
		values, err := stored.Floats()
		return floatBytes(values), err
	}
	return slices.Clone(stored.Data()[i*t.Bytes:][:t.Bytes]), nil
}

// each visits all rows of a tensor.
func (r *File) each(t referee.Rows, visit func(row []byte)) error {
	for i := range t.Count {
		row, err := r.row(t, i)
		if err != nil {
			return err
		}
		visit(row)
	}
	return nil
}

func floatBytes(values []float32) []byte {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

// shapeOf is the shape of a file's model, and its rotation.
func shapeOf(f *gguf.File, words *engine.Vocabulary) (referee.Shape, *tensor.RoPE, error) {
	d, err := engine.Outline(f)
	if err != nil {
		return referee.Shape{}, nil, err
	}
	embedding, err := f.Tensor("token_embd.weight")
	if err != nil {
		return referee.Shape{}, nil, err
	}
	if len(embedding.Shape) != 2 {
		return referee.Shape{}, nil, fmt.Errorf("%w: token_embd.weight has the shape %v", ErrModel, embedding.Shape)
	}
	s := referee.Shape{
		Dim: uint64(d.Dim), Hidden: uint64(d.Hidden), Heads: uint64(d.Heads), KVHeads: uint64(d.KVHeads), HeadDim: uint64(d.HeadDim),
		Layers: uint64(len(d.Layers)), Vocabulary: embedding.Shape[1], Context: uint64(d.Context), Epsilon: math.Float32bits(d.Epsilon),
		Halves: d.Halves, HeadNorms: d.HeadNorms, Biases: f.HasTensor("blk.0.attn_q.bias"), Tied: !f.HasTensor("output.weight"),
		Embedding: formatOf(embedding), Output: formatOf(embedding),
	}
	if !s.Tied {
		output, err := f.Tensor("output.weight")
		if err != nil {
			return s, nil, err
		}
		s.Output = formatOf(output)
	}
	for i := range d.Layers {
		m, err := matricesOf(f, fmt.Sprintf("blk.%d.", i), s.Biases)
		if err != nil {
			return s, nil, err
		}
		s.Matrices = append(s.Matrices, m)
	}
	for id := range int32(words.Size()) {
		if words.EndsText(id) {
			s.Ends = append(s.Ends, uint32(id))
		}
	}
	if err := s.Validate(); err != nil {
		return s, nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	return s, d.RoPE, checkSizes(f, &s)
}

func matricesOf(f *gguf.File, block string, biases bool) (m referee.Matrices, err error) {
	if f.HasTensor(block+"attn_q.bias") != biases {
		return m, fmt.Errorf("%w: only some layers have biases", ErrModel)
	}
	for _, want := range []struct {
		name string
		to   *referee.Format
	}{
		{"attn_q", &m.Q}, {"attn_k", &m.K}, {"attn_v", &m.V}, {"attn_output", &m.O}, {"ffn_gate", &m.Gate}, {"ffn_up", &m.Up}, {"ffn_down", &m.Down},
	} {
		t, err := f.Tensor(block + want.name + ".weight")
		if err != nil {
			return m, err
		}
		*want.to = formatOf(t)
	}
	return m, nil
}

// formatOf is how a tensor is stored; what no shape has, for an unknown type.
func formatOf(t gguf.Tensor) referee.Format { return referee.Format(min(t.Type, math.MaxUint8)) }

// checkSizes refuses tensors that have not the rows that the shape gives them.
func checkSizes(f *gguf.File, s *referee.Shape) error {
	for _, t := range s.Tensors() {
		if t.Name == "" {
			continue
		}
		stored, err := f.Tensor(t.Name)
		if err != nil {
			return err
		}
		size := uint64(len(stored.Data()))
		if t.Vector { // which is kept in binary32
			size = 4 * stored.Elements()
		}
		if size != t.Count*t.Bytes {
			return fmt.Errorf("%w: tensor %s has the shape %v, where %d rows of %d bytes are needed", ErrModel, t.Name, stored.Shape, t.Count, t.Bytes)
		}
	}
	return nil
}
