package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/koinon/koinon/internal/engine/mapping"
)

// The files of a model, whole or in parts.
const (
	wholeFile = "model.safetensors"
	indexFile = "model.safetensors.index.json"
	maxIndex  = 100_000_000 // bytes
)

// Set is the weights of a model, in one file or more, mapped into memory.
type Set struct {
	maps    []*mapping.File
	tensors map[string]Tensor
	names   []string
}

// Open opens a folder's model.safetensors, or, where there is none, the files
// that its model.safetensors.index.json names. Close it after use.
func Open(dir string) (*Set, error) {
	s := &Set{tensors: map[string]Tensor{}}
	err := s.add(filepath.Join(dir, wholeFile), nil)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.openParts(dir)
	}
	if err != nil {
		_ = s.Close() // the first error says more
		return nil, err
	}
	return s, nil
}

// Close unmaps the files; tensors may not be read afterwards.
func (s *Set) Close() error {
	var err error
	for _, m := range s.maps {
		err = errors.Join(err, m.Close())
	}
	s.maps = nil
	return err
}

// Tensor finds a tensor. Error: [ErrNoTensor].
func (s *Set) Tensor(name string) (Tensor, error) {
	t, ok := s.tensors[name]
	if !ok {
		return t, fmt.Errorf("%w: %s", ErrNoTensor, name)
	}
	return t, nil
}

// Names lists the tensors in the order of the files.
func (s *Set) Names() []string { return s.names }

// add opens a file, whose tensors must be those wanted; nil wants any.
func (s *Set) add(path string, wanted map[string]bool) error {
	m, err := mapping.Open(path)
	if errors.Is(err, mapping.ErrFile) {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return err
	}
	s.maps = append(s.maps, m)
	tensors, err := Read(m.Data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, t := range tensors {
		if wanted != nil && !wanted[t.Name] {
			return fmt.Errorf("%w: %s: tensor %s is not in its place in the weight_map of %s", ErrFormat, path, t.Name, indexFile)
		}
		delete(wanted, t.Name)
		t.mapped = true
		s.tensors[t.Name], s.names = t, append(s.names, t.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		return fmt.Errorf("%w: %s: it has no tensor %s, which the weight_map of %s finds there", ErrFormat, path, name, indexFile)
	}
	return nil
}

func (s *Set) openParts(dir string) error {
	path := filepath.Join(dir, indexFile)
	stat, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has neither %s nor %s; weights in other formats are not read", fs.ErrNotExist, dir, wholeFile, indexFile)
	}
	if err != nil {
		return err
	}
	if stat.Size() > maxIndex {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrFormat, path, stat.Size(), maxIndex)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files, err := readIndex(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := s.add(filepath.Join(dir, file), files[file]); err != nil {
			return err
		}
	}
	return nil
}

// readIndex reads which tensors each file has.
func readIndex(data []byte) (map[string]map[string]bool, error) {
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(index.Map) == 0 {
		return nil, fmt.Errorf("%w: weight_map is empty", ErrFormat)
	}
	files := map[string]map[string]bool{}
	for name, file := range index.Map {
		// Else an index could have any file of the machine read.
		if filepath.Base(file) != file || !filepath.IsLocal(file) || !strings.HasSuffix(file, ".safetensors") {
			return nil, fmt.Errorf("%w: weight_map has %s in %q, which is no name of a .safetensors file in the folder", ErrFormat, name, file)
		}
		if files[file] == nil {
			files[file] = map[string]bool{}
		}
		files[file][name] = true
	}
	return files, nil
}
