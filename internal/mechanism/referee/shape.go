package referee

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of shapes: those of the engine, but for what must fit into a move.
const (
	maxWidth      = 1 << 16
	maxVocabulary = 1 << 24
	maxHeads      = 1 << 10
	maxHead       = 512
	maxLayers     = 1 << 10
	maxContext    = 1 << 18
)

// ErrShape is returned for bytes that describe no model that can be refereed.
var ErrShape = errors.New("not the shape of a model that can be refereed")

// Shape is what of a decoder decides which operators an answer has, and how each
// is computed. It is the first row under a model's weights root, so that a
// version which names the root has fixed it too.
type Shape struct {
	Dim, Hidden, Heads, KVHeads, HeadDim, Layers uint64
	Vocabulary, Context                          uint64 // tokens
	Epsilon                                      uint32 // of norms, the bits of a binary32
	Halves                                       bool   // rotary pairs are halves of a head apart, not adjacent
	HeadNorms                                    bool   // queries and keys are normalised in each head
	Biases                                       bool   // queries, keys and values have biases
	Tied                                         bool   // logits are products with the embedding
	Embedding, Output                            Format // Output is Embedding where they are tied
	Matrices                                     []Matrices
	// Ends are the tokens that end a text, ascending.
	Ends []uint32
}

// Matrices are the formats of one layer's matrices.
type Matrices struct{ Q, K, V, O, Gate, Up, Down Format }

func (m *Matrices) list() [7]*Format {
	return [7]*Format{&m.Q, &m.K, &m.V, &m.O, &m.Gate, &m.Up, &m.Down}
}

func (s *Shape) numbers() []*uint64 {
	return []*uint64{&s.Dim, &s.Hidden, &s.Heads, &s.KVHeads, &s.HeadDim, &s.Layers, &s.Vocabulary, &s.Context}
}

func (s *Shape) flags() []*bool { return []*bool{&s.Halves, &s.HeadNorms, &s.Biases, &s.Tied} }

// maxEnds bounds the tokens that end a text.
const maxEnds = 256

// MaxShape bounds the bytes of a shape.
const MaxShape = 256 + 7*maxLayers + 4*maxEnds

const shapeKind = "koinon/shape/v1\x00"

// Bytes is the canonical form: "koinon/shape/v1", a zero byte, the numbers in
// the order of the type in 8 bytes each, epsilon in 4, a byte for each flag, and
// one for each format: embedding, output, then the layers' matrices; then the
// tokens that end a text, in 4 bytes each.
func (s Shape) Bytes() []byte {
	data := []byte(shapeKind)
	for _, n := range s.numbers() {
		data = binary.BigEndian.AppendUint64(data, *n)
	}
	data = binary.BigEndian.AppendUint32(data, s.Epsilon)
	for _, f := range s.flags() {
		if *f {
			data = append(data, 1)
		} else {
			data = append(data, 0)
		}
	}
	data = append(data, byte(s.Embedding), byte(s.Output))
	for _, m := range s.Matrices {
		for _, f := range m.list() {
			data = append(data, byte(*f))
		}
	}
	for _, id := range s.Ends {
		data = binary.BigEndian.AppendUint32(data, id)
	}
	return data
}

// ParseShape reads the canonical form, from anybody. Refusal: [ErrShape].
func ParseShape(data []byte) (Shape, error) {
	var s Shape
	fixed := len(shapeKind) + 8*len(s.numbers()) + 4 + len(s.flags()) + 2
	if len(data) < fixed || string(data[:len(shapeKind)]) != shapeKind {
		return s, fmt.Errorf("%w: %d bytes that do not begin as one", ErrShape, len(data))
	}
	rest := data[len(shapeKind):]
	for _, n := range s.numbers() {
		*n, rest = binary.BigEndian.Uint64(rest), rest[8:]
	}
	s.Epsilon, rest = binary.BigEndian.Uint32(rest), rest[4:]
	for i, f := range s.flags() {
		if rest[i] > 1 {
			return s, fmt.Errorf("%w: flag %d is %d", ErrShape, i, rest[i])
		}
		*f = rest[i] == 1
	}
	rest = rest[len(s.flags()):]
	s.Embedding, s.Output, rest = Format(rest[0]), Format(rest[1]), rest[2:]
	if s.Layers > maxLayers || uint64(len(rest)) < 7*s.Layers || (uint64(len(rest))-7*s.Layers)%4 != 0 {
		return s, fmt.Errorf("%w: %d layers, whose formats and the tokens that end a text have %d bytes", ErrShape, s.Layers, len(rest))
	}
	s.Matrices = make([]Matrices, s.Layers)
	for i := range s.Matrices {
		for j, f := range s.Matrices[i].list() {
			*f = Format(rest[7*i+j])
		}
	}
	for rest = rest[7*s.Layers:]; len(rest) > 0; rest = rest[4:] {
		s.Ends = append(s.Ends, binary.BigEndian.Uint32(rest))
	}
	return s, s.Validate()
}

// Validate checks every field. Refusal: [ErrShape].
func (s Shape) Validate() error {
	for _, c := range []struct {
		field       string
		value, most uint64
	}{
		{"dim", s.Dim, maxWidth}, {"hidden", s.Hidden, maxWidth}, {"heads", s.Heads, maxHeads},
		{"kv_heads", s.KVHeads, s.Heads}, {"head_dim", s.HeadDim, maxHead}, {"layers", s.Layers, maxLayers},
		{"vocabulary", s.Vocabulary, maxVocabulary}, {"context", s.Context, maxContext},
	} {
		if c.value == 0 || c.value > c.most {
			return fmt.Errorf("%w: %s is %d; 1 to %d are possible", ErrShape, c.field, c.value, c.most)
		}
	}
	switch {
	case s.Heads%s.KVHeads != 0:
		return fmt.Errorf("%w: kv_heads %d does not divide heads %d", ErrShape, s.KVHeads, s.Heads)
	case s.HeadDim%2 != 0:
		return fmt.Errorf("%w: head_dim %d is odd", ErrShape, s.HeadDim)
	case s.Epsilon > 0x3f800000: // 1
		return fmt.Errorf("%w: epsilon has the bits %08x; 0 to 1 are possible", ErrShape, s.Epsilon)
	case s.Tied && s.Output != s.Embedding:
		return fmt.Errorf("%w: output of format %d is tied to an embedding of format %d", ErrShape, s.Output, s.Embedding)
	case s.Heads*s.HeadDim > maxWidth:
		return fmt.Errorf("%w: %d heads of %d elements; %d in all are possible", ErrShape, s.Heads, s.HeadDim, maxWidth)
	case uint64(len(s.Matrices)) != s.Layers:
		return fmt.Errorf("%w: formats of %d layers of %d", ErrShape, len(s.Matrices), s.Layers)
	case len(s.Ends) > maxEnds:
		return fmt.Errorf("%w: %d tokens that end a text; %d are possible", ErrShape, len(s.Ends), maxEnds)
	}
	for i, id := range s.Ends {
		if uint64(id) >= s.Vocabulary || i > 0 && id <= s.Ends[i-1] {
			return fmt.Errorf("%w: token %d ends a text; such tokens ascend, in a vocabulary of %d", ErrShape, id, s.Vocabulary)
		}
	}
	return s.validateFormats()
}

func (s Shape) validateFormats() error {
	inputs := s.inputs()
	check := func(name string, f Format, in uint64) error {
		if n := f.elements(); n == 0 || in%n != 0 {
			return fmt.Errorf("%w: %s has rows of %d elements in format %d", ErrShape, name, in, f)
		}
		if size := f.size(in) + F32.size(in) + in/ChunkWords*chunkHead + witnessRoom; size > MaxWitness {
			return fmt.Errorf("%w: to check one element of %s takes %d bytes, more than the %d of a move", ErrShape, name, size, MaxWitness)
		}
		return nil
	}
	err := errors.Join(check("embedding", s.Embedding, s.Dim), check("output", s.Output, s.Dim))
	for _, m := range s.Matrices {
		for i, f := range m.list() {
			err = errors.Join(err, check(matrixNames[i], *f, inputs[i]))
		}
	}
	return err
}

// inputs are how long the rows of a layer's matrices are.
func (s *Shape) inputs() [7]uint64 {
	return [7]uint64{s.Dim, s.Dim, s.Dim, s.Heads * s.HeadDim, s.Dim, s.Dim, s.Hidden}
}

var matrixNames = [...]string{"q", "k", "v", "o", "gate", "up", "down"}
