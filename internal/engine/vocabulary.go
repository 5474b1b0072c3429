package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/koinon/koinon/internal/engine/conduct"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/engine/toolcall"
	rules "github.com/koinon/koinon/internal/mechanism/conduct"
)

// ErrModel is returned for a file that is sound but no model of ours.
var ErrModel = errors.New("unsupported model")

// Vocabulary is what turns messages and text into tokens and back: all that
// somebody needs who recounts an answer without running the model.
type Vocabulary struct {
	tokenizer.Tokenizer
	template *chatTemplate // nil if the model has none
	conduct  rules.Conduct
	trie     trie
}

// OpenVocabulary reads the vocabulary of a GGUF file, with weights or without.
func OpenVocabulary(path string) (*Vocabulary, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	v, err := ReadVocabulary(f)
	return v, errors.Join(err, f.Close())
}

// ReadVocabulary reads the vocabulary of a file that is open.
func ReadVocabulary(f *gguf.File) (*Vocabulary, error) {
	described, err := readTokens(f)
	if err != nil {
		return nil, err
	}
	encoder, err := tokenizer.New(described)
	if errors.Is(err, tokenizer.ErrPreTokenizer) {
		err = fmt.Errorf("%w: %w", ErrModel, err)
	}
	if err != nil {
		return nil, err
	}
	v := &Vocabulary{Tokenizer: encoder}
	if v.conduct, err = conduct.Read(f); err != nil {
		return nil, err
	}
	if !f.Has("tokenizer.chat_template") {
		return v, nil
	}
	source, err := f.Text("tokenizer.chat_template")
	if err != nil {
		return nil, err
	}
	if v.template, err = parseTemplate(source); err != nil {
		return nil, fmt.Errorf("tokenizer.chat_template: %w", err)
	}
	return v, nil
}

// ErrNoTemplate is returned when a model cannot hold a conversation.
var ErrNoTemplate = errors.New("the model has no chat template: use completions, not chat")

// Chat is the token ids of a conversation, ready for the assistant's turn. It
// begins with the model's conduct, if it has one.
func (v *Vocabulary) Chat(c Conversation) ([]int32, error) {
	if v.template == nil {
		return nil, ErrNoTemplate
	}
	text, err := v.template.render(c.led(v.conduct), v.Text(v.BOS()), v.Text(v.EOS()))
	if err != nil {
		return nil, err
	}
	// Many templates write the marks that Encode adds. Like llama.cpp
	// (common_chat_template_direct_apply) we want them once.
	if v.AddsBOS() {
		text = strings.TrimPrefix(text, v.Text(v.BOS()))
	}
	if v.AddsEOS() {
		text = strings.TrimSuffix(text, v.Text(v.EOS()))
	}
	return v.Encode(text, true), nil
}

// Tools is how the model writes calls of tools.
func (v *Vocabulary) Tools() toolcall.Format {
	if v.template == nil {
		return toolcall.None
	}
	return v.template.tools
}

// Prompt is the token ids of a plain text; names of control tokens in it are text.
func (v *Vocabulary) Prompt(text string) []int32 {
	var ids []int32
	if v.AddsBOS() {
		ids = append(ids, v.BOS())
	}
	ids = append(ids, v.Encode(text, false)...)
	if v.AddsEOS() {
		ids = append(ids, v.EOS())
	}
	return ids
}
