package gguf

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// Writer describes a file and writes it. Metadata keeps the order in which it
// was set, tensors that in which they were added.
type Writer struct {
	// Written, if set, hears of each tensor of Stream or Copy once it is written.
	Written func(name string, kind Type, loss Loss)

	meta    []byte
	entries uint64
	tensors []pending
	err     error
}

// pending is a tensor to be written. One of data, rows and copied is set.
type pending struct {
	name   string
	shape  []uint64
	kind   Type
	size   uint64 // bytes
	data   []byte
	rows   Rows
	copied *Tensor
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
	p := pending{name: name, kind: kind, shape: shape}
	if p.elements() != uint64(len(values)) {
		w.err = cmp.Or(w.err, fmt.Errorf("tensor %s: %d values do not have shape %v", name, len(values), shape))
		return
	}
	if w.add(p) {
		w.tensors[len(w.tensors)-1].data = kind.Append(nil, values)
	}
}

// Stream adds a tensor like Tensor does, whose values are asked for when the
// file is written, a few rows at a time.
func (w *Writer) Stream(name string, kind Type, rows Rows, shape ...uint64) {
	w.add(pending{name: name, kind: kind, shape: shape, rows: rows})
}

// Copy adds a tensor of an open file as it is, bit for bit.
func (w *Writer) Copy(t Tensor) {
	w.add(pending{name: t.Name, kind: t.Type, shape: t.Shape, copied: &t})
}

func (p pending) elements() uint64 { return Tensor{Shape: p.shape}.Elements() }

func (w *Writer) add(p pending) bool {
	_, err := p.kind.Bytes(p.shape[0])
	if err == nil {
		p.size, err = p.kind.Bytes(p.elements())
	}
	if err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("tensor %s: %w", p.name, err))
		return false
	}
	w.tensors = append(w.tensors, p)
	return true
}

// Size is how many bytes WriteTo will write.
func (w *Writer) Size() uint64 {
	size := padded(uint64(len(w.head())))
	for _, t := range w.tensors {
		size += padded(t.size)
	}
	return size
}

// head is all that is before the first tensor.
func (w *Writer) head() []byte {
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
		offset += padded(t.size)
	}
	return head
}

// WriteTo writes the file.
func (w *Writer) WriteTo(out io.Writer) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	counted := &counter{out: out}
	if _, err := counted.Write(w.head()); err != nil {
		return counted.n, err
	}
	if err := counted.pad(); err != nil {
		return counted.n, err
	}
	for _, t := range w.tensors {
		if err := w.write(counted, t); err != nil {
			return counted.n, err
		}
		if err := counted.pad(); err != nil {
			return counted.n, err
		}
	}
	return counted.n, nil
}

func (w *Writer) write(out io.Writer, t pending) error {
	var loss Loss
	var err error
	switch {
	case t.rows != nil:
		loss, err = encode(out, t.kind, t.shape, t.rows)
	case t.copied != nil:
		loss, err = t.copied.copyTo(out)
	default:
		_, err = out.Write(t.data)
		return err
	}
	if err != nil {
		return fmt.Errorf("tensor %s: %w", t.name, err)
	}
	if w.Written != nil {
		w.Written(t.name, t.kind, loss)
	}
	return nil
}

// counter counts what is written.
type counter struct {
	out io.Writer
	n   int64
}

func (c *counter) Write(data []byte) (int, error) {
	n, err := c.out.Write(data)
	c.n += int64(n)
	return n, err
}

// pad writes zeros up to the next multiple of the alignment.
func (c *counter) pad() error {
	_, err := c.Write(make([]byte, padded(uint64(c.n))-uint64(c.n)))
	return err
}

func padded(n uint64) uint64 { return (n + defaultAlignment - 1) / defaultAlignment * defaultAlignment }

// VocabularyOnly writes f's metadata without its tensors: all that is needed to
// turn text into tokens and messages into text, for those who only recount.
func VocabularyOnly(out io.Writer, f *File) error {
	_, err := Rewrite(f).WriteTo(out)
	return err
}

// Rewrite begins a file with f's metadata but for some keys, and for how f is
// split and aligned. Its tensors are to be added.
func Rewrite(f *File, without ...string) *Writer {
	without = append(without, "general.alignment")
	w := new(Writer)
	for _, key := range f.keys {
		if !slices.Contains(without, key) && !slices.Contains(splitKeys, key) {
			w.entries++
			w.meta = append(w.meta, f.meta[key].entry...)
		}
	}
	return w
}
