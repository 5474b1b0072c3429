// Package huggingface turns a model folder as Hugging Face's transformers save
// it (config.json, tokenizer.json, safetensors) into a GGUF file with the names
// and metadata of llama.cpp's converter.
//
// What is not understood is refused with the name of its field: a model that
// leaves out part of its description would answer, and answer wrongly.
package huggingface

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/safetensors"
)

// Errors of importing.
var (
	// ErrConfig is returned for files that contradict themselves or each other.
	ErrConfig = errors.New("not a usable model folder")
	// ErrUnsupported is returned for a sound model that the engine cannot run.
	ErrUnsupported = errors.New("unsupported model")
)

// Limits of files, in bytes.
const (
	maxConfig    = 1 << 20
	maxTokenizer = 128 << 20
	maxText      = 4 << 20 // of a chat template or a model card
)

// Options are what a folder does not say, or should be read otherwise.
type Options struct {
	Name    string // empty takes the folder's name
	License string // SPDX identifier; empty takes the model card's
	Pre     string // pre-tokenizer as GGUF names it; empty recognises it
	// Type is that of the matrices, as `koinon model quantize` has it; nil keeps
	// each as it is stored.
	Type *gguf.Type
}

// Folder is an open model folder.
type Folder struct {
	config  *config
	tokens  *tokens
	weights *safetensors.Set
	options Options

	// Name and License are the model's; License is empty if nothing says it.
	Name, License string
	// Notes say what was left out or changed on purpose.
	Notes []string
}

// Open reads a folder's descriptions and maps its weights. Close it after use.
// Errors: [ErrConfig], [ErrUnsupported], those of safetensors.Open.
func Open(dir string, o Options) (*Folder, error) {
	f := &Folder{options: o, Name: o.Name, License: o.License}
	if f.Name == "" {
		whole, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		f.Name = filepath.Base(whole)
	}
	if f.License == "" {
		f.License = cardLicense(dir)
	}
	var err error
	if f.config, err = readConfig(dir); err != nil {
		return nil, err
	}
	if f.tokens, err = readTokens(dir, f.config, o.Pre); err != nil {
		return nil, err
	}
	f.Notes = append(f.config.notes, f.tokens.notes...)
	if f.weights, err = safetensors.Open(dir); err != nil {
		return nil, err
	}
	_, err = f.weights.Tensor(outputTensor)
	f.config.tied = err != nil
	if tie := f.config.TieEmbeddings; tie != nil {
		f.config.tied = *tie
	}
	return f, nil
}

// Close unmaps the weights.
func (f *Folder) Close() error { return f.weights.Close() }

// Writer is the model as a GGUF file, written by WriteTo, which takes the memory
// of some rows. The folder must stay open. Errors name the tensor.
func (f *Folder) Writer() (*gguf.Writer, error) {
	tensors, err := f.tensors()
	if err != nil {
		return nil, err
	}
	w := new(gguf.Writer)
	f.describe(w, mostCommon(tensors))
	f.tokens.write(w)
	for _, t := range tensors {
		w.Stream(t.name, t.kind, t.rows, t.shape...)
	}
	return w, nil
}

// readJSON reads a file of a folder. Where it is optional, false says that it is
// not there. Members that into does not have are passed over.
func readJSON(dir, name string, limit int64, into any) (bool, error) {
	data, err := readFile(dir, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return true, fmt.Errorf("%w: %s: %w", ErrConfig, name, err)
	}
	return true, nil
}

func readFile(dir, name string, limit int64) ([]byte, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: %s has more than %d bytes", ErrConfig, name, limit)
	}
	return data, err
}

// missing is the error for a file that must be there.
func missing(dir, name, hint string) error {
	return fmt.Errorf("%w: %s has no %s: %s", ErrConfig, dir, name, hint)
}

// plain says whether a text can be written into metadata for others to read.
func plain(s string) bool { return strings.ToValidUTF8(s, "") == s }
