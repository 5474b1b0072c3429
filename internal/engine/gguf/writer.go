package gguf

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// Writer collects a file. Metadata keeps the order in which it was set.
type Writer struct {
	meta    []byte
	entries uint64
	tensors []pending
	err     error
}

type pending struct {
	name  string
	shape []uint64
	kind  Type
	data  []byte
}

func (w *Writer) key(key string, kind valueType) {
	w.entries++
	w.meta = appendText(w.meta, key)
	w.meta = order.AppendUint32(w.meta, uint32(kind))
}

func appendText(data []byte, s string) []byte {
	return append(order.AppendUint64(data, uint64(len(s))), s...)
}

// Text sets a string.
func (w *Writer) Text(key, s string) {
	w.key(key, typeString)
	w.meta = appendText(w.meta, s)
}

// Uint32 sets a number.
func (w *Writer) Uint32(key string, n uint32) {
	w.key(key, typeUint32)
	w.meta = order.AppendUint32(w.meta, n)
}

// Uint64 sets a number.
func (w *Writer) Uint64(key string, n uint64) {
	w.key(key, typeUint64)
	w.meta = order.AppendUint64(w.meta, n)
}

// Float32 sets a floating-point number.
func (w *Writer) Float32(key string, v float32) {
	w.key(key, typeFloat32)
	w.meta = order.AppendUint32(w.meta, math.Float32bits(v))
}

// Bool sets a truth value.
func (w *Writer) Bool(key string, b bool) {
	w.key(key, typeBool)
	if b {
		w.meta = append(w.meta, 1)
	} else {
		w.meta = append(w.meta, 0)
	}
}

// Texts sets an array of strings.
func (w *Writer) Texts(key string, list []string) {
	w.key(key, typeArray)
	w.meta = order.AppendUint32(w.meta, uint32(typeString))
	w.meta = order.AppendUint64(w.meta, uint64(len(list)))
	for _, s := range list {
		w.meta = appendText(w.meta, s)
	}
}

// Int32s sets an array of int32.
func (w *Writer) Int32s(key string, list []int32) {
	w.key(key, typeArray)
	w.meta = order.AppendUint32(w.meta, uint32(typeInt32))
	w.meta = order.AppendUint64(w.meta, uint64(len(list)))
	for _, n := range list {
		w.meta = order.AppendUint32(w.meta, uint32(n))
	}
}

// Float32s sets an array of float32.
func (w *Writer) Float32s(key string, list []float32) {
	w.key(key, typeArray)
	w.meta = order.AppendUint32(w.meta, uint32(typeFloat32))
	w.meta = order.AppendUint64(w.meta, uint64(len(list)))
	for _, v := range list {
		w.meta = order.AppendUint32(w.meta, math.Float32bits(v))
	}
}

// Tensor adds a tensor, stored as the given type; shape has the innermost
// dimension first, and values row after row.
func (w *Writer) Tensor(name string, kind Type, values []float32, shape ...uint64) {
	t := Tensor{Name: name, Shape: shape}
	if t.Elements() != uint64(len(values)) && w.err == nil {
		w.err = fmt.Errorf("tensor %s: %d values do not have shape %v", name, len(values), shape)
		return
	}
	if _, err := kind.Bytes(shape[0]); err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("tensor %s: %w", name, err))
		return
	}
	w.tensors = append(w.tensors, pending{name, shape, kind, kind.Append(nil, values)})
}

// WriteTo writes the file.
func (w *Writer) WriteTo(out io.Writer) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	head := order.AppendUint32([]byte(magic), version)
	head = order.AppendUint64(head, uint64(len(w.tensors)))
	head = order.AppendUint64(head, w.entries)
	head = append(head, w.meta...)
	offset := uint64(0)
	for _, t := range w.tensors {
		head = appendText(head, t.name)
		head = order.AppendUint32(head, uint32(len(t.shape)))
		for _, d := range t.shape {
			head = order.AppendUint64(head, d)
		}
		head = order.AppendUint32(head, uint32(t.kind))
		head = order.AppendUint64(head, offset)
		offset += padded(uint64(len(t.data)))
	}
	total := int64(0)
	write := func(data []byte) error {
		data = append(data, make([]byte, padded(uint64(len(data)))-uint64(len(data)))...)
		n, err := out.Write(data)
		total += int64(n)
		return err
	}
	if err := write(head); err != nil {
		return total, err
	}
	for _, t := range w.tensors {
		if err := write(t.data); err != nil {
			return total, err
		}
	}
	return total, nil
}

func padded(n uint64) uint64 { return (n + defaultAlignment - 1) / defaultAlignment * defaultAlignment }

// VocabularyOnly writes f's metadata without its tensors: all that is needed to
// turn text into tokens and messages into text, for those who only recount.
func VocabularyOnly(out io.Writer, f *File) error {
	_, err := f.metadata("general.alignment").WriteTo(out) // without tensors it says nothing
	return err
}

// Convert writes f with its matrices stored as another type; vectors, such as
// norms, stay in float32.
func Convert(out io.Writer, f *File, kind Type) error {
	w := f.metadata("general.alignment", "general.file_type")
	for _, t := range f.Tensors() {
		values, err := t.Floats()
		if err != nil {
			return err
		}
		as := kind
		if len(t.Shape) == 1 {
			as = F32
		}
		w.Tensor(t.Name, as, values, t.Shape...)
	}
	_, err := w.WriteTo(out)
	return err
}

// metadata begins a file with f's metadata but for some keys.
func (f *File) metadata(without ...string) *Writer {
	w := new(Writer)
	for _, key := range f.keys {
		if !slices.Contains(without, key) {
			w.entries++
			w.meta = append(w.meta, f.meta[key].entry...)
		}
	}
	return w
}
