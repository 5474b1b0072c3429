package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/koinon/koinon/internal/engine/mapping"
)

var order = binary.LittleEndian

// File is an open GGUF file, mapped into memory, or the files of a split one.
type File struct {
	maps    []*mapping.File // none if it was read from memory
	meta    map[string]value
	keys    []string
	tensors map[string]Tensor
	names   []string
	borders []uint64
}

// value is one metadata value, still encoded but checked.
type value struct {
	kind    valueType
	element valueType // of arrays
	count   uint64    // of arrays
	data    []byte    // the scalar, the string's bytes, or the array's elements
	entry   []byte    // the whole entry, key included, as it stands in the file
}

// Tensor is one tensor's place and shape; Shape has the innermost dimension
// first, as the file does.
type Tensor struct {
	Name  string
	Type  Type
	Shape []uint64

	data   []byte
	mapped bool
}

// Elements is the number of elements.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Data is the tensor's elements as the file has them, valid until it is closed.
func (t Tensor) Data() []byte { return t.data }

// Forget tells the system that the file's pages of the tensor are no longer
// needed in memory, once its data has been converted.
func (t Tensor) Forget() {
	if t.mapped {
		mapping.Forget(t.data)
	}
}

// Floats converts the whole tensor to float32. Elements that are no numbers
// are refused: no sound model has them, and they would poison an answer.
func (t Tensor) Floats() ([]float32, error) {
	values := make([]float32, t.Elements())
	t.Type.Decode(values, t.data)
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%w: tensor %s: element %d is %g", ErrFormat, t.Name, i, v)
		}
	}
	return values, nil
}

// Open maps a file into memory and checks its structure. Given the first file of
// a split set, name-00001-of-00003.gguf, it opens all of them as one. Close it
// after use.
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err != nil || !f.Has(keySplitCount) {
		return f, err
	}
	if err := f.openShards(path); err != nil {
		_ = f.Close() // the first error says more
		return nil, err
	}
	return f, nil
}

func openOne(path string) (*File, error) {
	mapped, err := mapping.Open(path)
	if errors.Is(err, mapping.ErrFile) {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return nil, err
	}
	f, err := Read(mapped.Data)
	if err != nil {
		_ = mapped.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.maps = []*mapping.File{mapped}
	for name, t := range f.tensors {
		t.mapped = true
		f.tensors[name] = t
	}
	return f, nil
}

// Close unmaps the file; nothing read from it without conversion may be used
// afterwards.
func (f *File) Close() error {
	var err error
	for _, m := range f.maps {
		err = errors.Join(err, m.Close())
	}
	f.maps = nil
	return err
}

// Read checks the structure of a file in memory, which the File refers to.
func Read(data []byte) (*File, error) {
	r := reader{data: data}
	if string(r.take(4, "magic")) != magic {
		return nil, fmt.Errorf("%w: it does not begin with GGUF", ErrFormat)
	}
	if v := r.uint32("version"); r.err == nil && v != version {
		return nil, fmt.Errorf("%w: version %d, only %d is supported", ErrFormat, v, version)
	}
	tensorCount, metaCount := r.uint64("tensor count"), r.uint64("metadata count")
	// An entry takes at least 12 bytes, a tensor's description 24.
	if r.err == nil && (metaCount > uint64(len(data))/12 || tensorCount > uint64(len(data))/24) {
		return nil, fmt.Errorf("%w: %d metadata entries and %d tensors do not fit in %d bytes", ErrFormat, metaCount, tensorCount, len(data))
	}
	f := &File{meta: map[string]value{}, tensors: map[string]Tensor{}}
	for i := uint64(0); i < metaCount && r.err == nil; i++ {
		f.readEntry(&r)
	}
	type place struct {
		Tensor
		offset, size uint64
	}
	var places []place
	for i := uint64(0); i < tensorCount && r.err == nil; i++ {
		t, offset, size := r.tensor()
		places = append(places, place{t, offset, size})
	}
	if r.err != nil {
		return nil, r.err
	}
	alignment, err := f.alignment()
	if err != nil {
		return nil, err
	}
	start := (r.at + alignment - 1) / alignment * alignment
	f.borders = append(f.borders, start)
	for _, p := range places {
		if _, twice := f.tensors[p.Name]; twice {
			return nil, fmt.Errorf("%w: tensor %s occurs twice", ErrFormat, p.Name)
		}
		from, carry := bits.Add64(start, p.offset, 0)
		if end := from + p.size; carry != 0 || end < from || end > uint64(len(data)) || p.offset%alignment != 0 {
			return nil, fmt.Errorf("%w: tensor %s lies outside the file of %d bytes (is it cut short?)", ErrFormat, p.Name, len(data))
		}
		p.data = data[from : from+p.size]
		f.borders = append(f.borders, from)
		f.tensors[p.Name] = p.Tensor
		f.names = append(f.names, p.Name)
	}
	return f, nil
}

func (f *File) readEntry(r *reader) {
	start := r.at
	key := r.string("metadata key")
	v := r.value(key, 0)
	if r.err != nil {
		return
	}
	if _, twice := f.meta[key]; twice {
		r.fail("metadata %s occurs twice", key)
		return
	}
	v.entry = r.data[start:r.at]
	f.meta[key] = v
	f.keys = append(f.keys, key)
}

func (f *File) alignment() (uint64, error) {
	if _, ok := f.meta["general.alignment"]; !ok {
		return defaultAlignment, nil
	}
	n, err := f.Uint("general.alignment")
	if err != nil {
		return 0, err
	}
	if n == 0 || n > 1<<16 || n&(n-1) != 0 {
		return 0, fmt.Errorf("%w: general.alignment is %d", ErrFormat, n)
	}
	return n, nil
}

// reader takes fields off the front of a file; the first failure stays.
type reader struct {
	data []byte
	at   uint64
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
}

func (r *reader) take(n uint64, field string) []byte {
	if r.err != nil {
		return nil
	}
	if left := uint64(len(r.data)) - r.at; n > left {
		r.fail("%s needs %d bytes at offset %d, %d are left", field, n, r.at, left)
		return nil
	}
	part := r.data[r.at : r.at+n : r.at+n]
	r.at += n
	return part
}

func (r *reader) uint32(field string) uint32 {
	if b := r.take(4, field); b != nil {
		return order.Uint32(b)
	}
	return 0
}

func (r *reader) uint64(field string) uint64 {
	if b := r.take(8, field); b != nil {
		return order.Uint64(b)
	}
	return 0
}

func (r *reader) string(field string) string { return string(r.take(r.uint64(field), field)) }

func (r *reader) value(key string, depth int) value {
	v := value{kind: valueType(r.uint32(key))}
	switch {
	case v.kind == typeString:
		v.data = r.take(r.uint64(key), key)
	case v.kind == typeArray:
		v.element, v.count = valueType(r.uint32(key)), r.uint64(key)
		start := r.at
		r.elements(key, v.element, v.count, depth+1)
		if r.err == nil {
			v.data = r.data[start:r.at]
		}
	case v.kind.size() > 0:
		v.data = r.take(v.kind.size(), key)
	default:
		r.fail("%s has the unknown type %d", key, v.kind)
	}
	return v
}

// elements skips over an array's elements, checking them.
func (r *reader) elements(key string, kind valueType, count uint64, depth int) {
	if size := kind.size(); size > 0 {
		high, total := bits.Mul64(size, count)
		if high != 0 {
			r.fail("%s has %d elements", key, count)
			return
		}
		r.take(total, key)
		return
	}
	if kind != typeString && (kind != typeArray || depth >= maxDepth) {
		r.fail("%s has elements of type %d", key, kind)
		return
	}
	for i := uint64(0); i < count && r.err == nil; i++ {
		if kind == typeString {
			r.take(r.uint64(key), key)
		} else {
			element, n := valueType(r.uint32(key)), r.uint64(key)
			r.elements(key, element, n, depth+1)
		}
	}
}

func (r *reader) tensor() (t Tensor, offset, size uint64) {
	t.Name = r.string("tensor name")
	dims := r.uint32("number of dimensions of " + t.Name)
	if dims == 0 || dims > maxDims {
		r.fail("tensor %s has %d dimensions", t.Name, dims)
		return
	}
	elements := uint64(1)
	for range dims {
		d := r.uint64("shape of " + t.Name)
		high, low := bits.Mul64(elements, d)
		if d == 0 || high != 0 || low > math.MaxInt64/8 {
			r.fail("tensor %s has an impossible shape", t.Name)
			return
		}
		t.Shape, elements = append(t.Shape, d), low
	}
	t.Type = Type(r.uint32("type of " + t.Name))
	offset = r.uint64("offset of " + t.Name)
	if r.err != nil {
		return
	}
	if _, err := t.Type.Bytes(t.Shape[0]); err != nil {
		r.err = fmt.Errorf("%w: tensor %s: %w", ErrFormat, t.Name, err)
		return
	}
	size, r.err = t.Type.Bytes(elements)
	return
}
