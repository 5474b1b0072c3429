package gguf

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

func TestDigestIsThatOfTheFile(t *testing.T) {
	w := new(Writer)
	w.Text("general.architecture", "llama")
	w.Tensor("t", F32, make([]float32, 3<<20), 3<<20) // more than is hashed at once
	path := filepath.Join(t.TempDir(), "model.gguf")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Digest() != sha256.Sum256(data) {
		t.Error("another digest than the file's")
	}
	if values, err := f.tensors["t"].Floats(); err != nil || len(values) != 3<<20 {
		t.Errorf("read after the digest: %d values, %v", len(values), err)
	}
}
