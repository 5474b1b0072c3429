package huggingface

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// tokenIDs is one id, a list of them, or null.
type tokenIDs []int64

// UnmarshalJSONFrom reads any of these.
func (ids *tokenIDs) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '[':
		return json.UnmarshalDecode(d, (*[]int64)(ids))
	case 'n':
		*ids = nil
		return d.SkipValue()
	}
	var id int64
	err := json.UnmarshalDecode(d, &id)
	*ids = tokenIDs{id}
	return err
}

// tokenText is a token's text, the object of an added token, or null.
type tokenText string

// UnmarshalJSONFrom reads any of these.
func (t *tokenText) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '{' {
		var a added
		err := json.UnmarshalDecode(d, &a)
		*t = tokenText(a.Content)
		return err
	}
	return json.UnmarshalDecode(d, (*string)(t))
}

// marks are the tokens with a part of their own, of tokenizer_config.json or
// special_tokens_map.json.
type marks struct {
	BOS     tokenText `json:"bos_token"`
	EOS     tokenText `json:"eos_token"`
	Unknown tokenText `json:"unk_token"`
	Padding tokenText `json:"pad_token"`
}

// settings is what is read of tokenizer_config.json.
type settings struct {
	Marks          marks          `json:",embed"`
	AddBOS         *bool          `json:"add_bos_token"`
	AddEOS         *bool          `json:"add_eos_token"`
	AddPrefixSpace *bool          `json:"add_prefix_space"`
	Template       jsontext.Value `json:"chat_template"`
}

// tokens is a vocabulary and what else is said about talking to the model.
type tokens struct {
	tokenizer.Vocabulary
	padding  int32  // the token that fills batches up, or −1
	template string // of chats; empty if there is none
	notes    []string
}

// readTokens reads all files that say something about tokens. Where they differ,
// tokenizer_config.json is right, then special_tokens_map.json, then config.json.
func readTokens(dir string, c *config, pre string) (*tokens, error) {
	file, err := readTokenizerFile(dir)
	if err != nil {
		return nil, err
	}
	var said settings
	var special marks
	if _, err := readJSON(dir, "tokenizer_config.json", maxTokenizer, &said); err != nil {
		return nil, err
	}
	if _, err := readJSON(dir, "special_tokens_map.json", maxConfig, &special); err != nil {
		return nil, err
	}
	t := &tokens{padding: -1}
	v, notes, err := file.vocabulary(c.VocabSize, pre)
	if err != nil {
		return nil, err
	}
	t.Vocabulary, t.notes = *v, notes
	for _, m := range []struct {
		field        string
		said, mapped tokenText
		ids          tokenIDs
		id           *int32
	}{
		{"bos_token", said.Marks.BOS, special.BOS, c.BOS, &t.BOS}, {"eos_token", said.Marks.EOS, special.EOS, c.EOS, &t.EOS},
		{"pad_token", said.Marks.Padding, special.Padding, c.Padding, &t.padding}, {"unk_token", said.Marks.Unknown, special.Unknown, nil, &t.Unknown},
	} {
		if err := t.mark(m.field, m.said, m.mapped, m.ids, m.id); err != nil {
			return nil, err
		}
	}
	if t.Kind == tokenizer.SentencePiece && t.Unknown >= 0 {
		t.Types[t.Unknown] = tokenizer.Unknown
	}
	t.frame(file, said)
	if t.template, err = readTemplate(dir, said.Template); err != nil {
		return nil, err
	}
	if _, err := tokenizer.New(t.Vocabulary); err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrConfig, err)
	}
	return t, nil
}

// mark finds the token of a part. Texts go before ids, as they are about the
// tokenizer; padding may be said without being there.
func (t *tokens) mark(field string, said, mapped tokenText, ids tokenIDs, id *int32) error {
	for _, text := range []tokenText{said, mapped} {
		if text == "" {
			continue
		}
		if i := slices.Index(t.Tokens, string(text)); i >= 0 {
			*id = int32(i)
			return nil
		}
		if field != "pad_token" && field != "unk_token" {
			return fmt.Errorf("%w: %s is %q, which tokenizer.json does not have", ErrConfig, field, text)
		}
	}
	if len(ids) == 0 || field == "pad_token" && ids[0] == -1 {
		return nil
	}
	if ids[0] < 0 || ids[0] >= int64(len(t.Tokens)) {
		return fmt.Errorf("%w: %s_id is %d of %d tokens", ErrConfig, field, ids[0], len(t.Tokens))
	}
	*id = int32(ids[0])
	return nil
}

// frame sets what is put around every text: as tokenizer_config.json says, else
// as the post-processor does it, else as vocabularies of the kind do.
func (t *tokens) frame(file *tokenizerFile, said settings) {
	before, after := file.PostProcessor.around()
	is := func(id int32, texts []string) bool { return id >= 0 && slices.Contains(texts, t.Tokens[id]) }
	bos, eos := is(t.BOS, before), is(t.EOS, after)
	if t.Kind == tokenizer.SentencePiece && file.PostProcessor == nil {
		bos = t.BOS >= 0
	}
	if said.AddBOS != nil {
		bos = *said.AddBOS
	}
	if said.AddEOS != nil {
		eos = *said.AddEOS
	}
	t.AddBOS, t.AddEOS = &bos, &eos
	if t.Kind == tokenizer.SentencePiece && said.AddPrefixSpace != nil {
		t.SpacePrefix = said.AddPrefixSpace
	}
}

// readTemplate reads the chat template: chat_template.jinja, or what
// tokenizer_config.json has: a text, or a list of them of which one is "default".
func readTemplate(dir string, said jsontext.Value) (string, error) {
	data, err := readFile(dir, "chat_template.jinja", maxText)
	if err == nil && !plain(string(data)) {
		err = fmt.Errorf("%w: chat_template.jinja is not UTF-8", ErrConfig)
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return string(data), err
	}
	var text string
	var list []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	switch said.Kind() {
	case '"':
		err = json.Unmarshal(said, &text)
	case '[':
		err = json.Unmarshal(said, &list)
	case 'n', 0:
		return "", nil
	default:
		err = errors.New("it is no text and no list")
	}
	if err != nil {
		return "", fmt.Errorf("%w: tokenizer_config.json: chat_template: %w", ErrConfig, err)
	}
	for _, l := range list {
		if l.Name == "default" {
			text = l.Template
		}
	}
	return text, nil
}

// write writes the metadata of the tokens.
func (t *tokens) write(w *gguf.Writer) {
	model := "gpt2"
	if t.Kind == tokenizer.SentencePiece {
		model, t.Pre = "llama", "default"
	}
	w.Text("tokenizer.ggml.model", model)
	w.Text("tokenizer.ggml.pre", t.Pre)
	w.Texts("tokenizer.ggml.tokens", t.Tokens)
	if t.Kind == tokenizer.SentencePiece {
		w.Float32s("tokenizer.ggml.scores", t.Scores)
	}
	types := make([]int32, len(t.Types))
	for i, kind := range t.Types {
		types[i] = int32(kind)
	}
	w.Int32s("tokenizer.ggml.token_type", types)
	if t.Kind == tokenizer.ByteLevel {
		w.Texts("tokenizer.ggml.merges", t.Merges)
	}
	for _, m := range []struct {
		name string
		id   int32
	}{{"bos", t.BOS}, {"eos", t.EOS}, {"unknown", t.Unknown}, {"padding", t.padding}} {
		if m.id >= 0 {
			w.Uint32("tokenizer.ggml."+m.name+"_token_id", uint32(m.id))
		}
	}
	for _, s := range []struct {
		name  string
		value *bool
	}{{"add_bos_token", t.AddBOS}, {"add_eos_token", t.AddEOS}, {"add_space_prefix", t.SpacePrefix}} {
		if s.value != nil {
			w.Bool("tokenizer.ggml."+s.name, *s.value)
		}
	}
	if t.template != "" {
		w.Text("tokenizer.chat_template", t.template)
	}
}
