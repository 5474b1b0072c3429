// Package safetensors reads the files in which Hugging Face publishes weights:
// a JSON header that names tensors, then their elements.
//
// A file is hostile until read: what the header says is checked against the
// file before anything is allocated by it, tensors may not overlap nor leave
// holes, and errors name the field.
package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/koinon/koinon/internal/engine/mapping"
	"github.com/koinon/koinon/internal/tensor/block"
)

// Errors of reading.
var (
	ErrFormat   = errors.New("not a usable safetensors file")
	ErrType     = errors.New("safetensors type that is not read here")
	ErrNoTensor = errors.New("safetensors tensor missing")
)

// Limits of a header.
const (
	maxHeader = 100_000_000 // bytes, as in the reference implementation
	maxDims   = 8
)

// sizes are the bytes of an element of each type.
var sizes = map[string]uint64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}

// formats are the types whose elements can be read.
var formats = map[string]block.Format{"F32": block.F32, "F16": block.F16, "BF16": block.BF16}

// Tensor is one tensor of an open file.
type Tensor struct {
	Name  string
	DType string   // as the file has it: F32, F16, BF16, …
	Shape []uint64 // outermost dimension first

	data   []byte
	mapped bool
}

// Format is how the elements are stored. Error: [ErrType] for other types than
// F32, F16 and BF16.
func (t Tensor) Format() (block.Format, error) {
	f, ok := formats[t.DType]
	if !ok {
		return 0, fmt.Errorf("%w: dtype of %s is %s; F32, F16 and BF16 are read", ErrType, t.Name, t.DType)
	}
	return f, nil
}

// Read converts elements in row order, beginning with that of the given number,
// until dst is full, and forgets the file's pages that it has read. Dst must not
// go beyond the end.
func (t Tensor) Read(dst []float32, first uint64) error {
	f, err := t.Format()
	if err != nil {
		return err
	}
	size := sizes[t.DType]
	stored := t.data[first*size:][:uint64(len(dst))*size]
	f.Decode(dst, stored)
	if t.mapped {
		mapping.Forget(stored)
	}
	return nil
}

// entry is what the header says about a tensor.
type entry struct {
	DType   string    `json:"dtype"`
	Shape   []uint64  `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// Read checks the structure of a file in memory, which the tensors refer to, and
// lists them in the order of their elements in the file.
func Read(data []byte) ([]Tensor, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%w: %d bytes do not hold the header's length", ErrFormat, len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	data = data[8:]
	if n > maxHeader || n > uint64(len(data)) {
		return nil, fmt.Errorf("%w: header length is %d, %d bytes follow, at most %d are allowed", ErrFormat, n, len(data), maxHeader)
	}
	var header map[string]jsontext.Value
	if err := json.Unmarshal(data[:n], &header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	data = data[n:]
	type place struct {
		Tensor
		from, to uint64
	}
	var places []place
	for name, raw := range header {
		if name == "__metadata__" {
			continue // texts about the file, of no use here
		}
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFormat, name, err)
		}
		size, err := e.size(name)
		if err != nil {
			return nil, err
		}
		from, to := e.Offsets[0], e.Offsets[1]
		if from > to || to > uint64(len(data)) || to-from != size {
			return nil, fmt.Errorf("%w: data_offsets of %s are %v; it has %d bytes, the file %d (is it cut short?)", ErrFormat, name, e.Offsets, size, len(data))
		}
		places = append(places, place{Tensor{Name: name, DType: e.DType, Shape: e.Shape, data: data[from:to:to]}, from, to})
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.Name, b.Name))
	})
	end := uint64(0)
	tensors := make([]Tensor, len(places))
	for i, p := range places {
		if p.from != end {
			return nil, fmt.Errorf("%w: data_offsets of %s begin at %d, the tensor before ends at %d", ErrFormat, p.Name, p.from, end)
		}
		end, tensors[i] = p.to, p.Tensor
	}
	if end != uint64(len(data)) {
		return nil, fmt.Errorf("%w: data_offsets end at %d, the file has %d bytes", ErrFormat, end, len(data))
	}
	return tensors, nil
}

// size is the bytes of a tensor's elements.
func (e entry) size(name string) (uint64, error) {
	total, ok := sizes[e.DType]
	if !ok {
		return 0, fmt.Errorf("%w: dtype of %s is %q", ErrFormat, name, e.DType)
	}
	if len(e.Shape) > maxDims {
		return 0, fmt.Errorf("%w: shape of %s has %d dimensions, at most %d are allowed", ErrFormat, name, len(e.Shape), maxDims)
	}
	for _, d := range e.Shape {
		high, low := bits.Mul64(total, d)
		if high != 0 || low > math.MaxInt64 {
			return 0, fmt.Errorf("%w: shape of %s is %v", ErrFormat, name, e.Shape)
		}
		total = low
	}
	return total, nil
}
