package engine

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// ErrModel is returned for a file that is sound but no model of ours.
var ErrModel = errors.New("unsupported model")

// Vocabulary is what turns messages and text into tokens and back: all that
// somebody needs who recounts an answer without running the model.
type Vocabulary struct {
	*tokenizer.BPE
	template *template
	trie     trie
}

// Message is one turn of a conversation.
type Message struct {
	Role, Content string
}

// OpenVocabulary reads the vocabulary of a GGUF file, with weights or without.
func OpenVocabulary(path string) (*Vocabulary, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	v, err := readVocabulary(f)
	return v, errors.Join(err, f.Close())
}

func readVocabulary(f *gguf.File) (*Vocabulary, error) {
	if model, err := f.Text("tokenizer.ggml.model"); err != nil {
		return nil, err
	} else if model != "gpt2" {
		return nil, fmt.Errorf("%w: tokenizer %q; byte-level BPE (gpt2) is supported", ErrModel, model)
	}
	if pre, err := f.Text("tokenizer.ggml.pre"); err == nil && pre != "gpt-2" && pre != "default" {
		return nil, fmt.Errorf("%w: pre-tokenizer %q; gpt-2 is supported", ErrModel, pre)
	}
	bpe := tokenizer.Vocabulary{BOS: -1, EOS: -1}
	var err error
	if bpe.Tokens, err = f.Texts("tokenizer.ggml.tokens"); err != nil {
		return nil, err
	}
	if bpe.Merges, err = f.Texts("tokenizer.ggml.merges"); err != nil {
		return nil, err
	}
	if f.Has("tokenizer.ggml.token_type") {
		types, err := f.Int32s("tokenizer.ggml.token_type")
		if err != nil {
			return nil, err
		}
		for _, t := range types {
			bpe.Types = append(bpe.Types, tokenizer.Type(t))
		}
	}
	for key, id := range map[string]*int32{"tokenizer.ggml.bos_token_id": &bpe.BOS, "tokenizer.ggml.eos_token_id": &bpe.EOS} {
		if !f.Has(key) {
			continue
		}
		n, err := f.Uint(key)
		if err != nil || n >= uint64(len(bpe.Tokens)) {
			return nil, errors.Join(err, fmt.Errorf("%w: %s is %d of %d tokens", ErrModel, key, n, len(bpe.Tokens)))
		}
		*id = int32(n)
	}
	if f.Has("tokenizer.ggml.add_bos_token") {
		if bpe.AddBOS, err = f.Bool("tokenizer.ggml.add_bos_token"); err != nil {
			return nil, err
		}
	}
	encoder, err := tokenizer.New(bpe)
	if err != nil {
		return nil, err
	}
	v := &Vocabulary{BPE: encoder}
	if !f.Has("tokenizer.chat_template") {
		return v, nil
	}
	source, err := f.Text("tokenizer.chat_template")
	if err != nil {
		return nil, err
	}
	v.template, err = parseTemplate(source)
	return v, err
}

// ErrNoTemplate is returned when a model cannot hold a conversation.
var ErrNoTemplate = errors.New("the model has no chat template: use completions, not chat")

// Chat is the token ids of a conversation, ready for the assistant's turn.
func (v *Vocabulary) Chat(messages []Message) ([]int32, error) {
	if v.template == nil {
		return nil, ErrNoTemplate
	}
	text, err := v.template.render(messages, v.BPE.Text(v.BOS()), v.BPE.Text(v.EOS()))
	if err != nil {
		return nil, err
	}
	return v.Encode(text, true), nil
}

// Prompt is the token ids of a plain text; names of control tokens in it are text.
func (v *Vocabulary) Prompt(text string) []int32 {
	var ids []int32
	if v.AddsBOS() {
		ids = append(ids, v.BOS())
	}
	return append(ids, v.Encode(text, false)...)
}
