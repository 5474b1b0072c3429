package gguf

import (
	"fmt"
	"math"
	"slices"
)

// Has says whether the file has a metadata key.
func (f *File) Has(key string) bool {
	_, ok := f.meta[key]
	return ok
}

func (f *File) get(key string) (value, error) {
	v, ok := f.meta[key]
	if !ok {
		return v, fmt.Errorf("%w: %s", ErrMissing, key)
	}
	return v, nil
}

// Uint returns a metadata value of any integer type that is not negative.
func (f *File) Uint(key string) (uint64, error) {
	v, err := f.get(key)
	if err != nil {
		return 0, err
	}
	n, ok := v.integer()
	if !ok || n < 0 {
		return 0, fmt.Errorf("%w: %s is no number of at least zero", ErrKind, key)
	}
	return uint64(n), nil
}

// integer reads an integer; those above the largest int64 are not ok.
func (v value) integer() (int64, bool) {
	switch v.kind {
	case typeUint8:
		return int64(v.data[0]), true
	case typeInt8:
		return int64(int8(v.data[0])), true
	case typeUint16:
		return int64(order.Uint16(v.data)), true
	case typeInt16:
		return int64(int16(order.Uint16(v.data))), true
	case typeUint32:
		return int64(order.Uint32(v.data)), true
	case typeInt32:
		return int64(int32(order.Uint32(v.data))), true
	case typeUint64, typeInt64:
		n := order.Uint64(v.data)
		return int64(n), v.kind == typeInt64 || n <= math.MaxInt64
	}
	return 0, false
}

// Float returns a metadata value of type float32 or float64.
func (f *File) Float(key string) (float64, error) {
	v, err := f.get(key)
	if err != nil {
		return 0, err
	}
	switch v.kind {
	case typeFloat32:
		return float64(math.Float32frombits(order.Uint32(v.data))), nil
	case typeFloat64:
		return math.Float64frombits(order.Uint64(v.data)), nil
	}
	return 0, fmt.Errorf("%w: %s is no floating-point number", ErrKind, key)
}

// Bool returns a truth value.
func (f *File) Bool(key string) (bool, error) {
	v, err := f.get(key)
	if err != nil {
		return false, err
	}
	if v.kind != typeBool {
		return false, fmt.Errorf("%w: %s is no truth value", ErrKind, key)
	}
	return v.data[0] != 0, nil
}

// Text returns a string.
func (f *File) Text(key string) (string, error) {
	v, err := f.get(key)
	if err != nil {
		return "", err
	}
	if v.kind != typeString {
		return "", fmt.Errorf("%w: %s is no text", ErrKind, key)
	}
	return string(v.data), nil
}

// Texts returns an array of strings.
func (f *File) Texts(key string) ([]string, error) {
	v, err := f.get(key)
	if err != nil {
		return nil, err
	}
	if v.kind != typeArray || v.element != typeString {
		return nil, fmt.Errorf("%w: %s is no list of texts", ErrKind, key)
	}
	r := reader{data: v.data}
	texts := make([]string, 0, v.count)
	for range v.count {
		texts = append(texts, r.string(key))
	}
	return texts, r.err
}

// Int32s returns an array of int32.
func (f *File) Int32s(key string) ([]int32, error) {
	v, err := f.get(key)
	if err != nil {
		return nil, err
	}
	if v.kind != typeArray || v.element != typeInt32 {
		return nil, fmt.Errorf("%w: %s is no list of int32", ErrKind, key)
	}
	numbers := make([]int32, v.count)
	for i := range numbers {
		numbers[i] = int32(order.Uint32(v.data[4*i:]))
	}
	return numbers, nil
}

// Float32s returns an array of float32.
func (f *File) Float32s(key string) ([]float32, error) {
	v, err := f.get(key)
	if err != nil {
		return nil, err
	}
	if v.kind != typeArray || v.element != typeFloat32 {
		return nil, fmt.Errorf("%w: %s is no list of float32", ErrKind, key)
	}
	numbers := make([]float32, v.count)
	for i := range numbers {
		numbers[i] = math.Float32frombits(order.Uint32(v.data[4*i:]))
	}
	return numbers, nil
}

// Tensor returns a tensor by name, whose shape must be as given, innermost
// dimension first; no shape accepts any.
func (f *File) Tensor(name string, shape ...uint64) (Tensor, error) {
	t, ok := f.tensors[name]
	if !ok {
		return t, fmt.Errorf("%w: %s", ErrNoTensor, name)
	}
	if len(shape) == 0 {
		return t, nil
	}
	same := len(shape) == len(t.Shape)
	for i := 0; same && i < len(shape); i++ {
		same = shape[i] == t.Shape[i]
	}
	if !same {
		return t, fmt.Errorf("%w: tensor %s has shape %v, the model needs %v", ErrFormat, name, t.Shape, shape)
	}
	return t, nil
}

// HasTensor says whether the file has a tensor.
func (f *File) HasTensor(name string) bool {
	_, ok := f.tensors[name]
	return ok
}

// Tensors lists the tensors in the file's order.
func (f *File) Tensors() []Tensor {
	list := make([]Tensor, len(f.names))
	for i, name := range f.names {
		list[i] = f.tensors[name]
	}
	return list
}

// Borders are the bytes of the file, of a split model's first one, at which the
// tensors' section and each tensor begin, ascending and each once.
func (f *File) Borders() []uint64 {
	list := slices.Clone(f.borders)
	slices.Sort(list)
	return slices.Compact(list)
}
