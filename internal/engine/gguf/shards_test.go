package gguf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shard is one file of a split set, as a test wants it.
type shard struct {
	number, count, tensors uint32
	names                  []string
}

func (s shard) write(t *testing.T, path string) {
	t.Helper()
	w := new(Writer)
	if s.number == 0 {
		w.Text("general.architecture", "llama")
	}
	w.Uint32(keySplitNumber, s.number)
	w.Uint32(keySplitCount, s.count)
	w.Uint32(keySplitTensors, s.tensors)
	for i, name := range s.names {
		w.Tensor(name, F32, []float32{float32(s.number), float32(i)}, 2)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func shardName(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprintf("m-%05d-of-00003.gguf", i+1))
}

func TestSplitFilesOpenAsOne(t *testing.T) {
	dir := t.TempDir()
	for i, names := range [][]string{{"a", "b"}, {"c"}, {"d", "e"}} {
		shard{uint32(i), 3, 5, names}.write(t, shardName(dir, i))
	}
	f, err := Open(shardName(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tensor := range f.Tensors() {
		names = append(names, tensor.Name)
	}
	if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(names, want) || f.Shards() != 3 {
		t.Errorf("tensors %v in %d files, want %v in 3", names, f.Shards(), want)
	}
	tensor, err := f.Tensor("e", 2)
	if err != nil {
		t.Fatal(err)
	}
	if values, err := tensor.Floats(); err != nil || !slices.Equal(values, []float32{2, 1}) {
		t.Errorf("e is %v, %v", values, err)
	}
	if w := Rewrite(f); strings.Contains(string(w.head()), "split.") {
		t.Error("a copy says that it is split")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestSplitFilesThatDoNotFitAreRefused(t *testing.T) {
	good := []shard{{0, 3, 3, []string{"a"}}, {1, 3, 3, []string{"b"}}, {2, 3, 3, []string{"c"}}}
	for name, c := range map[string]struct {
		spoil func(dir string, s []shard)
		open  int
		want  []string // in the error
	}{
		"not the first":       {nil, 1, []string{"m-00002-of-00003.gguf", "split.no is 1"}},
		"another number":      {func(_ string, s []shard) { s[1].number = 2 }, 0, []string{"m-00002-of-00003.gguf", "split.no is 2, not 1"}},
		"swapped":             {func(_ string, s []shard) { s[1], s[2] = s[2], s[1] }, 0, []string{"m-00002-of-00003.gguf", "split.no is 2"}},
		"another count":       {func(_ string, s []shard) { s[2].count = 4 }, 0, []string{"m-00003-of-00003.gguf", "split.count is 4"}},
		"no files":            {func(_ string, s []shard) { s[0].count = 0 }, 0, []string{"m-00001-of-00003.gguf", "split.count is 0"}},
		"more than the name":  {func(_ string, s []shard) { s[0].count = 5 }, 0, []string{"m-00001-of-00003.gguf", "split.count is 5", "rename"}},
		"another total":       {func(_ string, s []shard) { s[0].tensors = 4 }, 0, []string{"m-00001-of-00003.gguf", "split.tensors.count is 4"}},
		"the same tensor":     {func(_ string, s []shard) { s[2].names = []string{"a"} }, 0, []string{"m-00003-of-00003.gguf", "tensor a"}},
		"a file is missing":   {func(_ string, s []shard) { s[1].names = nil }, 0, []string{"m-00002-of-00003.gguf", "split.count is 3"}},
		"a file is something": {func(dir string, s []shard) { s[2].names = nil }, 0, []string{"m-00003-of-00003.gguf", "GGUF"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, set := t.TempDir(), slices.Clone(good)
			if c.spoil != nil {
				c.spoil(dir, set)
			}
			for i, s := range set {
				switch {
				case s.names != nil:
					s.write(t, shardName(dir, i))
				case i == 2:
					if err := os.WriteFile(shardName(dir, i), []byte("something else"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, err := Open(shardName(dir, c.open))
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: does not say %q", err, want)
				}
			}
			if !errors.Is(err, ErrFormat) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%v: has no name", err)
			}
		})
	}
}
