package gguf

import (
	"bytes"
	"errors"
	"math"
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

// FuzzRead holds reading to its promise: any bytes give a file or an error.
func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
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
