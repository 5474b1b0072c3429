package trainer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// ErrStart is returned for a file that a run cannot begin with.
var ErrStart = errors.New("cannot train this file further")

// start is a model to train further; nil for none.
type start struct {
	path         string
	architecture Architecture
	vocabulary   tokenizer.Vocabulary
	tensors      map[string][]float32
}

// openStart reads a file that export wrote in F32; nil without a path.
func openStart(path string) (*start, error) {
	if path == "" {
		return nil, nil
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	defer f.Close()
	s := &start{path: path, tensors: map[string][]float32{}}
	if err := errors.Join(s.readArchitecture(f), s.readVocabulary(f)); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrStart, path, err)
	}
	for _, t := range f.Tensors() {
		if t.Type != gguf.F32 {
			return nil, fmt.Errorf("%w: %s: tensor %s is %s; F32 is needed", ErrStart, path, t.Name, t.Type)
		}
		values, err := t.Floats()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrStart, path, err)
		}
		s.tensors[t.Name] = slices.Clone(values)
	}
	return s, nil
}

func (s *start) readArchitecture(f *gguf.File) error {
	a := &s.architecture
	var failed error
	for key, field := range map[string]*int{
		"vocab_size": &a.Vocab, "context_length": &a.Context, "embedding_length": &a.Dim, "block_count": &a.Layers,
		"attention.head_count": &a.Heads, "attention.head_count_kv": &a.KVHeads, "feed_forward_length": &a.Hidden,
	} {
		n, err := f.Uint("llama." + key)
		if n > 1<<24 {
			err = fmt.Errorf("llama.%s is %d", key, n)
		}
		*field, failed = int(n), errors.Join(failed, err)
	}
	return errors.Join(failed, a.validate())
}

func (s *start) readVocabulary(f *gguf.File) (err error) {
	v := &s.vocabulary
	pre, err := f.Text("tokenizer.ggml.pre")
	if err == nil && pre != preTokenizer {
		err = fmt.Errorf("tokenizer.ggml.pre is %q; %q is supported", pre, preTokenizer)
	}
	tokens, err2 := f.Texts("tokenizer.ggml.tokens")
	merges, err3 := f.Texts("tokenizer.ggml.merges")
	types, err4 := f.Int32s("tokenizer.ggml.token_type")
	end, err5 := f.Uint("tokenizer.ggml.eos_token_id")
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		return err
	}
	if len(tokens) != s.architecture.Vocab || end >= uint64(len(tokens)) {
		return fmt.Errorf("%d tokens, llama.vocab_size is %d", len(tokens), s.architecture.Vocab)
	}
	*v = tokenizer.Vocabulary{Pre: pre, Tokens: tokens, Merges: merges, BOS: int32(end), EOS: int32(end), Unknown: -1}
	for _, t := range types {
		v.Types = append(v.Types, tokenizer.Type(t))
	}
	return nil
}

// shape overrules an architecture with the file's, but for a context that is set.
func (s *start) shape(a *Architecture) {
	if s == nil {
		return
	}
	context := a.Context
	*a = s.architecture
	if context != 0 {
		a.Context = context
	}
}

// digest is that of the weights, in the order of their names.
func (s *start) digest() string {
	if s == nil {
		return ""
	}
	var all []float32
	for _, name := range s.names() {
		all = append(all, s.tensors[name]...)
	}
	return digest(all)
}

func (s *start) names() []string {
	var names []string
	for name := range s.tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// read replaces weights by the file's.
func (s *start) read(w *weights, a Architecture) error {
	if s == nil {
		return nil
	}
	var failed error
	w.named(a, func(name string, values []float32, _, _ int) {
		if from := s.tensors[name]; len(from) != len(values) {
			failed = errors.Join(failed, fmt.Errorf("%w: %s: tensor %s has %d elements, %d are needed", ErrStart, s.path, name, len(from), len(values)))
		} else {
			copy(values, from)
		}
	})
	return failed
}
