package referee

import (
	"fmt"
	"sort"
)

// A model's rows, in the order in which its weights root has them: the shape;
// the embedding; the last norm; the output, unless it is tied; of each layer the
// norms, biases and matrices; of each position the cosines, then the sines, of
// its rotation; and what each token stands for. Vectors are one row of binary32,
// whatever the file has.

// tensor names a tensor of one layer, or of none.
type tensor int

// The tensors, in order.
const (
	tensorShape tensor = iota
	tensorEmbedding
	tensorNorm
	tensorOutput
	tensorAttnNorm
	tensorFFNNorm
	tensorQNorm
	tensorKNorm
	tensorQBias
	tensorKBias
	tensorVBias
	tensorQ
	tensorK
	tensorV
	tensorO
	tensorGate
	tensorUp
	tensorDown
	tensorTurns
	tensorPieces
)

// count is how many rows a tensor has, 0 if the model has none.
func (s *Shape) count(t tensor) uint64 {
	q, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	when := func(there bool, n uint64) uint64 {
		if there {
			return n
		}
		return 0
	}
	switch t {
	case tensorShape, tensorNorm, tensorAttnNorm, tensorFFNNorm:
		return 1
	case tensorEmbedding:
		return s.Vocabulary
	case tensorOutput:
		return when(!s.Tied, s.Vocabulary)
	case tensorQNorm, tensorKNorm:
		return when(s.HeadNorms, 1)
	case tensorQBias, tensorKBias, tensorVBias:
		return when(s.Biases, 1)
	case tensorQ:
		return q
	case tensorK, tensorV:
		return kv
	case tensorO, tensorDown:
		return s.Dim
	case tensorGate, tensorUp:
		return s.Hidden
	case tensorPieces:
		return s.Vocabulary
	}
	return s.Context // turns
}

// perLayer is the rows of one layer.
func (s *Shape) perLayer() (n uint64) {
	for t := tensorAttnNorm; t < tensorTurns; t++ {
		n += s.count(t)
	}
	return n
}

// RowCount is how many rows a model has.
func (s *Shape) RowCount() uint64 {
	n := s.Layers * s.perLayer()
	for t := tensorShape; t < tensorAttnNorm; t++ {
		n += s.count(t)
	}
	return n + s.count(tensorTurns) + s.count(tensorPieces)
}

// row is the place of one row of a tensor.
func (s *Shape) row(t tensor, layer, i uint64) uint64 {
	at := i
	for before := tensorShape; before < min(t, tensorAttnNorm); before++ {
		at += s.count(before)
	}
	if t < tensorAttnNorm {
		return at
	}
	switch t {
	case tensorTurns:
		return at + s.Layers*s.perLayer()
	case tensorPieces:
		return at + s.Layers*s.perLayer() + s.count(tensorTurns)
	}
	for before := tensorAttnNorm; before < t; before++ {
		at += s.count(before)
	}
	return at + layer*s.perLayer()
}

// Rows are the rows of one tensor under a weights root.
type Rows struct {
	// Name is the tensor's in GGUF; empty for the shape, the first row, for the
	// rotations, and for what tokens stand for, the last ones.
	Name         string
	First, Count uint64
	Bytes        uint64 // of a row; 0 for what tokens stand for, each as long as it is
	Vector       bool   // one row of binary32; a matrix's rows are as the file has them
}

// tensorNames are GGUF's; those of layers follow "blk.<layer>.".
var tensorNames = [...]string{
	tensorEmbedding: "token_embd.weight", tensorNorm: "output_norm.weight", tensorOutput: "output.weight",
	tensorAttnNorm: "attn_norm.weight", tensorFFNNorm: "ffn_norm.weight", tensorQNorm: "attn_q_norm.weight", tensorKNorm: "attn_k_norm.weight",
	tensorQBias: "attn_q.bias", tensorKBias: "attn_k.bias", tensorVBias: "attn_v.bias",
	tensorQ: "attn_q.weight", tensorK: "attn_k.weight", tensorV: "attn_v.weight", tensorO: "attn_output.weight",
	tensorGate: "ffn_gate.weight", tensorUp: "ffn_up.weight", tensorDown: "ffn_down.weight", tensorTurns: "", tensorPieces: "",
}

// bytes is the size of a tensor's rows.
func (s *Shape) bytes(t tensor, layer uint64) uint64 {
	q, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	switch t {
	case tensorShape:
		return uint64(len(s.Bytes()))
	case tensorEmbedding:
		return s.Embedding.size(s.Dim)
	case tensorOutput:
		return s.Output.size(s.Dim)
	case tensorNorm, tensorAttnNorm, tensorFFNNorm:
		return F32.size(s.Dim)
	case tensorQBias:
		return F32.size(q)
	case tensorKBias, tensorVBias:
		return F32.size(kv)
	case tensorQNorm, tensorKNorm, tensorTurns:
		return F32.size(s.HeadDim)
	case tensorPieces:
		return 0
	}
	return s.Matrices[layer].list()[t-tensorQ].size(s.inputs()[t-tensorQ])
}

// Row finds the tensor that a row belongs to; the last, if there is no such row.
func (s *Shape) Row(index uint64) Rows {
	list := s.Tensors()
	i := sort.Search(len(list), func(i int) bool { return list[i].First > index })
	return list[i-1]
}

// Tensors lists all rows by tensor, in order.
func (s *Shape) Tensors() (list []Rows) {
	add := func(t tensor, prefix string, layer uint64) {
		if n := s.count(t); n > 0 {
			vector := t == tensorNorm || t >= tensorAttnNorm && t <= tensorVBias
			list = append(list, Rows{prefix + tensorNames[t], s.row(t, layer, 0), n, s.bytes(t, layer), vector})
		}
	}
	for t := tensorShape; t < tensorAttnNorm; t++ {
		add(t, "", 0)
	}
	for layer := range s.Layers {
		for t := tensorAttnNorm; t < tensorTurns; t++ {
			add(t, fmt.Sprintf("blk.%d.", layer), layer)
		}
	}
	add(tensorTurns, "", 0)
	add(tensorPieces, "", 0)
	return list
}
