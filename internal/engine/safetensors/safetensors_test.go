package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/tensor/block"
)

// file is a header and what follows it.
func file(header string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

func floats(values ...float32) []byte { return block.F32.Append(nil, values) }

func sample() []byte {
	data := slices.Concat(floats(1, 2, 3, 4, 5, 6), block.F16.Append(nil, []float32{-1, 0.5}), block.BF16.Append(nil, []float32{8, 9}), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return file(`{"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2],"data_offsets":[28,32]},
		"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"h":{"dtype":"F16","shape":[1,2],"data_offsets":[24,28]},"i":{"dtype":"I64","shape":[],"data_offsets":[32,40]}}  `, data)
}

func TestReadingTensors(t *testing.T) {
	tensors, err := Read(sample())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]float32{"a": {1, 2, 3, 4, 5, 6}, "h": {-1, 0.5}, "b": {8, 9}}
	var names []string
	for _, tensor := range tensors {
		names = append(names, tensor.Name)
		values := make([]float32, len(want[tensor.Name]))
		err := tensor.Read(values, 0)
		if tensor.Name == "i" {
			if !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "dtype of i is I64") {
				t.Errorf("i: %v", err)
			}
			continue
		}
		if err != nil || !slices.Equal(values, want[tensor.Name]) {
			t.Errorf("%s is %v, %v", tensor.Name, values, err)
		}
	}
	if !slices.Equal(names, []string{"a", "h", "b", "i"}) {
		t.Errorf("order %v", names)
	}
	part := make([]float32, 2)
	if err := tensors[0].Read(part, 3); err != nil || part[0] != 4 || part[1] != 5 {
		t.Errorf("two from the third: %v, %v", part, err)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "header's length"},
		"long header":      {binary.LittleEndian.AppendUint64(nil, 1<<60), "header length is 1152921504606846976"},
		"no JSON":          {file(`{"a"`, nil), "header"},
		"twice":            {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 8)), `duplicate object member name "a"`},
		"type":             {file(`{"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 4)), `dtype of a is "F7"`},
		"negative":         {file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, make([]byte, 4)), "shape"},
		"overflow":         {file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, make([]byte, 4)), "shape of a"},
		"dimensions":       {file(`{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, make([]byte, 4)), "shape of a has 9 dimensions"},
		"other size":       {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, make([]byte, 4)), "data_offsets of a are [0 4]"},
		"backwards":        {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, make([]byte, 4)), "data_offsets of a"},
		"beyond":           {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 4)), "data_offsets of a"},
		"three offsets":    {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, make([]byte, 8)), "data_offsets"},
		"overlap":          {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 8)), "data_offsets of b begin at 4"},
		"hole":             {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 8)), "data_offsets of a begin at 4"},
		"more than needed": {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 8)), "end at 4"},
	} {
		_, err := Read(c.data)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	whole := sample()
	for n := range whole {
		if _, err := Read(whole[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// one is a file with a tensor of one element.
func one(name string, value float32) []byte {
	return file(fmt.Sprintf(`{%q:{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, name), floats(value))
}

// folder writes files.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSets(t *testing.T) {
	index := func(weightMap string) []byte {
		return []byte(`{"metadata":{"total_size":8},"weight_map":` + weightMap + `}`)
	}
	parts := map[string][]byte{indexFile: index(`{"a":"1.safetensors","b":"2.safetensors"}`), "1.safetensors": one("a", 1), "2.safetensors": one("b", 2)}
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string // in the error; empty for none
	}{
		"whole":            {map[string][]byte{wholeFile: one("b", 2)}, ""},
		"parts":            {parts, ""},
		"nothing":          {nil, "neither model.safetensors nor"},
		"broken":           {map[string][]byte{wholeFile: []byte("x")}, "model.safetensors"},
		"empty map":        {map[string][]byte{indexFile: index(`{}`)}, "weight_map is empty"},
		"outside":          {map[string][]byte{indexFile: index(`{"a":"../1.safetensors"}`)}, `"../1.safetensors"`},
		"another file":     {map[string][]byte{indexFile: index(`{"a":"passwd"}`)}, `"passwd"`},
		"part is missing":  {map[string][]byte{indexFile: parts[indexFile], "1.safetensors": parts["1.safetensors"]}, "2.safetensors"},
		"swapped":          {map[string][]byte{indexFile: parts[indexFile], "1.safetensors": one("b", 1), "2.safetensors": one("a", 1)}, "1.safetensors: tensor b"},
		"tensor is absent": {map[string][]byte{indexFile: index(`{"a":"1.safetensors","b":"1.safetensors"}`), "1.safetensors": one("a", 1)}, "no tensor b"},
		"named twice":      {map[string][]byte{indexFile: index(`{"a":"1.safetensors","a":"2.safetensors"}`)}, "duplicate"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(folder(t, c.files))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrFormat) && !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Tensor("b")
			if err != nil {
				t.Fatal(err)
			}
			value := make([]float32, 1)
			if err := b.Read(value, 0); err != nil || value[0] != 2 || !slices.Contains(s.Names(), "b") {
				t.Errorf("b is %v, %v", value, err)
			}
			if _, err := s.Tensor("c"); !errors.Is(err, ErrNoTensor) {
				t.Errorf("c: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// FuzzRead holds reading to its promise: any bytes give tensors or an error.
func FuzzRead(f *testing.F) {
	f.Add(sample())
	f.Add(one("a", 1))
	f.Add(file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, nil))
	f.Add(file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 8)))
	f.Fuzz(func(t *testing.T, data []byte) {
		tensors, err := Read(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		for _, tensor := range tensors {
			n := uint64(1)
			for _, d := range tensor.Shape {
				n *= d
			}
			if n*sizes[tensor.DType] != uint64(len(tensor.data)) {
				t.Errorf("%s: %v of %s in %d bytes", tensor.Name, tensor.Shape, tensor.DType, len(tensor.data))
			}
			if err := tensor.Read(make([]float32, n), 0); err != nil && !errors.Is(err, ErrType) {
				t.Error(err)
			}
		}
	})
}

// FuzzIndex does the same for the index of a model in parts.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map":{"a":"1.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../1.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := readIndex(data)
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("an error without a name: %v", err)
		}
		for file := range files {
			if strings.ContainsAny(file, `/`) || file == ".." {
				t.Errorf("it reads %q", file)
			}
		}
	})
}
