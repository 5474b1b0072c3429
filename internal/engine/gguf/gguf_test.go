package gguf

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
)

// sample is a small file with every kind of metadata and tensor.
func sample(t testing.TB) []byte {
	t.Helper()
	var w Writer
	w.Text("general.architecture", "llama")
	w.Uint32("a.number", 7)
	w.Uint64("a.long", 1<<40)
	w.Float32("a.float", 0.5)
	w.Bool("a.truth", true)
	w.Texts("a.texts", []string{"one", "", "three"})
	w.Int32s("a.ints", []int32{-1, 2})
	values := make([]float32, 64)
	for i := range values {
		values[i] = float32(i-32) / 8
	}
	for name, kind := range map[string]Type{"f32": F32, "f16": F16, "q8": Q8_0} {
		w.Tensor(name, kind, values, 32, 2)
	}
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	f, err := Read(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Uint("a.long"); err != nil || n != 1<<40 {
		t.Errorf("a.long is %d, %v", n, err)
	}
	if list, err := f.Texts("a.texts"); err != nil || len(list) != 3 || list[2] != "three" {
		t.Errorf("a.texts is %q, %v", list, err)
	}
	if _, err := f.Text("a.number"); !errors.Is(err, ErrKind) {
		t.Errorf("a number read as text: %v", err)
	}
	if _, err := f.Text("absent"); !errors.Is(err, ErrMissing) {
		t.Errorf("an absent key: %v", err)
	}
	for name, tolerance := range map[string]float64{"f32": 0, "f16": 0, "q8": 4.0 / 127} {
		tensor, err := f.Tensor(name, 32, 2)
		if err != nil {
			t.Fatal(err)
		}
		values, err := tensor.Floats()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if want := float64(i-32) / 8; math.Abs(float64(v)-want) > tolerance/2 {
				t.Errorf("%s[%d] is %g, want %g", name, i, v, want)
			}
		}
	}
	if _, err := f.Tensor("f32", 2, 32); !errors.Is(err, ErrFormat) {
		t.Errorf("another shape: %v", err)
	}
}

func TestVocabularyOnlyKeepsTheMetadata(t *testing.T) {
	f, err := Read(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := VocabularyOnly(&out, f); err != nil {
		t.Fatal(err)
	}
	v, err := Read(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if list, err := v.Texts("a.texts"); err != nil || len(list) != 3 || len(v.Tensors()) != 0 {
		t.Errorf("texts %q, %v; %d tensors", list, err, len(v.Tensors()))
	}
}

func TestFilesCutShortAreRefused(t *testing.T) {
	whole := sample(t)
	for n := range len(whole) - 31 { // the last tensor may be followed by padding
		if _, err := Read(whole[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// hostile is a file that lies about itself, and the field that an error must name.
type hostile struct {
	name, field string
	data        []byte
}

func hostileFiles() []hostile {
	n32, n64 := order.AppendUint32, order.AppendUint64
	text := func(data []byte, s string) []byte { return append(n64(data, uint64(len(s))), s...) }
	head := func(tensors, meta uint64) []byte {
		return n64(n64(n32([]byte("GGUF"), 3), tensors), meta)
	}
	key := func(name string, kind valueType) []byte { return n32(text(head(0, 1), name), uint32(kind)) }
	tensor := func(kind uint32, offset uint64, shape ...uint64) []byte {
		data := n32(text(head(1, 0), "some.weight"), uint32(len(shape)))
		for _, d := range shape {
			data = n64(data, d)
		}
		data = n64(n32(data, kind), offset)
		return append(data, make([]byte, 128)...)
	}
	f32 := uint32(F32)
	return []hostile{
		{"another format", "GGUF", []byte("GGML")},
		{"an old version", "version 2", n32([]byte("GGUF"), 2)},
		{"big-endian", "version", []byte("GGUF\x00\x00\x00\x03")},
		{"no counts", "tensor count", n32([]byte("GGUF"), 3)},
		{"many tensors", "tensors", head(1<<60, 0)},
		{"many entries", "metadata entries", head(0, 1<<60)},
		{"a long key", "metadata key", n64(head(0, 1), 1<<62)},
		{"a type of value that is none", "a.key", key("a.key", 77)},
		{"a long text", "a.key", n64(key("a.key", typeString), 1<<63)},
		{"a long list", "a.key", n64(n32(key("a.key", typeArray), uint32(typeUint64)), 1<<62)},
		{"a long list of texts", "a.key", n64(n32(key("a.key", typeArray), uint32(typeString)), 1<<62)},
		{"lists in lists in lists", "a.key", n32(n64(n32(n64(n32(key("a.key", typeArray), uint32(typeArray)), 1), uint32(typeArray)), 1), uint32(typeArray))},
		{"a list of nothing known", "a.key", n64(n32(key("a.key", typeArray), 99), 1)},
		{"alignment of three", "general.alignment", n32(key("general.alignment", typeUint32), 3)},
		{"alignment without end", "general.alignment", n64(key("general.alignment", typeUint64), 1<<62)},
		{"alignment of text", "general.alignment", text(key("general.alignment", typeString), "32")},
		{"a tensor's long name", "tensor name", n64(head(1, 0), 1<<62)},
		{"no dimensions", "some.weight", tensor(f32, 0)},
		{"five dimensions", "some.weight", tensor(f32, 0, 1, 1, 1, 1, 1)},
		{"a dimension of zero", "some.weight", tensor(f32, 0, 4, 0)},
		{"elements that overflow", "some.weight", tensor(f32, 0, 1<<33, 1<<33)},
		{"a type of tensor that is none", "some.weight", tensor(4, 0, 32)},
		{"part of a block", "some.weight", tensor(uint32(Q4_K), 0, 32, 8)},
		{"beyond the end", "some.weight", tensor(f32, 0, 1<<20)},
		{"an offset beyond the end", "some.weight", tensor(f32, 1<<20, 4)},
		{"an offset that overflows", "some.weight", tensor(f32, math.MaxUint64-31, 4)},
		{"an odd offset", "some.weight", tensor(f32, 1, 4)},
	}
}

// Errors name the field, and nothing large is allocated before it is refused.
func TestHostileFilesAreRefusedByField(t *testing.T) {
	for _, c := range hostileFiles() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(c.data)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v; it should name %s", c.name, err, c.field)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes were allocated", c.name, n)
		}
	}
}

// FuzzRead holds reading to its promise: any bytes give a file or an error.
func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
	for _, c := range hostileFiles() {
		f.Add(c.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrKind) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		for _, key := range file.keys {
			file.Text(key)
			file.Texts(key)
			file.Int32s(key)
			file.Float32s(key)
			file.Uint(key)
			file.Float(key)
			file.Bool(key)
		}
		for _, tensor := range file.Tensors() {
			if values, err := tensor.Floats(); err == nil && uint64(len(values)) != tensor.Elements() {
				t.Errorf("%s: %d values of %d", tensor.Name, len(values), tensor.Elements())
			}
		}
		var out bytes.Buffer
		if err := VocabularyOnly(&out, file); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(out.Bytes()); err != nil {
			t.Errorf("its vocabulary cannot be read: %v", err)
		}
	})
}
