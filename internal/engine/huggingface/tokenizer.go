package huggingface

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// maxTokens bounds the ids of a vocabulary.
const maxTokens = 1 << 20

// tokenizerFile is what is read of tokenizer.json.
type tokenizerFile struct {
	Added         []added   `json:"added_tokens"`
	Normalizer    *step     `json:"normalizer"`
	PreTokenizer  *step     `json:"pre_tokenizer"`
	PostProcessor *template `json:"post_processor"`
	Model         struct {
		Type         string           `json:"type"`
		Vocabulary   map[string]int64 `json:"vocab"`
		Merges       []merge          `json:"merges"`
		Unknown      string           `json:"unk_token"`
		ByteFallback bool             `json:"byte_fallback"`
		IgnoreMerges bool             `json:"ignore_merges"`
		Dropout      *float64         `json:"dropout"`
		Prefix       string           `json:"continuing_subword_prefix"`
		Suffix       string           `json:"end_of_word_suffix"`
	} `json:"model"`
}

// added is a token that text is searched for before it is cut.
type added struct {
	ID      int64  `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
}

// template is a post-processor, as far as it puts tokens around a text.
type template struct {
	Type       string      `json:"type"`
	Single     []placement `json:"single"`
	Processors []template  `json:"processors"`
}

type placement struct {
	Special *struct {
		ID string `json:"id"` // the token's text
	} `json:"SpecialToken"`
	Sequence *struct{} `json:"Sequence"`
}

// around are the tokens before and after a text.
func (t *template) around() (before, after []string) {
	if t == nil {
		return nil, nil
	}
	for _, inner := range t.Processors {
		if before, after = inner.around(); len(before)+len(after) > 0 {
			return before, after
		}
	}
	seen := false
	for _, p := range t.Single {
		switch {
		case p.Special == nil:
			seen = true
		case seen:
			after = append(after, p.Special.ID)
		default:
			before = append(before, p.Special.ID)
		}
	}
	return before, after
}

// merge is a pair of tokens, written "left right" or ["left", "right"].
type merge [2]string

// UnmarshalJSONFrom reads either form.
func (m *merge) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '[' {
		return json.UnmarshalDecode(d, (*[2]string)(m))
	}
	var text string
	if err := json.UnmarshalDecode(d, &text); err != nil {
		return err
	}
	left, right, ok := strings.Cut(text, " ")
	if !ok || left == "" || right == "" || strings.Contains(right, " ") {
		return fmt.Errorf("merge %q is no pair of tokens", text)
	}
	*m = merge{left, right}
	return nil
}

// readTokenizerFile reads tokenizer.json and refuses what changes text in a way
// that GGUF cannot say.
func readTokenizerFile(dir string) (*tokenizerFile, error) {
	t := new(tokenizerFile)
	found, err := readJSON(dir, "tokenizer.json", maxTokenizer, t)
	if err == nil && !found {
		err = missing(dir, "tokenizer.json", "save it with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…)")
	}
	if err != nil {
		return nil, err
	}
	return t, t.check()
}

func (t *tokenizerFile) check() error {
	m := &t.Model
	switch {
	case m.Type != "BPE" && !(m.Type == "" && len(m.Merges) > 0):
		return fmt.Errorf("%w: tokenizer.json: model.type is %q; BPE is supported", ErrUnsupported, m.Type)
	case len(m.Vocabulary) == 0:
		return fmt.Errorf("%w: tokenizer.json: model.vocab is empty", ErrConfig)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("%w: tokenizer.json: model.dropout is %g", ErrUnsupported, *m.Dropout)
	case m.Prefix != "" || m.Suffix != "":
		return fmt.Errorf("%w: tokenizer.json: model.continuing_subword_prefix is %q, end_of_word_suffix %q", ErrUnsupported, m.Prefix, m.Suffix)
	}
	return nil
}

// list puts the tokens in the order of their ids, up to size; ids that nothing
// has are padding.
func (t *tokenizerFile) list(size uint64) (*tokenizer.Vocabulary, error) {
	v := &tokenizer.Vocabulary{Tokens: make([]string, size), Types: make([]tokenizer.Type, size), BOS: -1, EOS: -1, Unknown: -1}
	place := func(field, text string, id int64) error {
		if id < 0 || uint64(id) >= size {
			return fmt.Errorf("%w: tokenizer.json: id of %s %q is %d, config.json's vocab_size %d", ErrConfig, field, text, id, size)
		}
		if other := v.Tokens[id]; v.Types[id] != 0 && other != text {
			return fmt.Errorf("%w: tokenizer.json: id %d of %s is both %q and %q", ErrConfig, id, field, other, text)
		}
		v.Tokens[id], v.Types[id] = text, tokenizer.Normal
		return nil
	}
	for _, text := range slices.Sorted(maps.Keys(t.Model.Vocabulary)) {
		if err := place("model.vocab", text, t.Model.Vocabulary[text]); err != nil {
			return nil, err
		}
	}
	for _, a := range t.Added {
		if id, ok := t.Model.Vocabulary[a.Content]; ok && id != a.ID {
			return nil, fmt.Errorf("%w: tokenizer.json: id of added_tokens %q is %d, in model.vocab %d", ErrConfig, a.Content, a.ID, id)
		}
		if err := place("added_tokens", a.Content, a.ID); err != nil {
			return nil, err
		}
		v.Types[a.ID] = a.kind()
		if v.Types[a.ID] == tokenizer.UserDefined {
			v.Tokens[a.ID] = strings.ReplaceAll(a.Content, "▁", " ") // as text has it when it is searched for
		}
	}
	for id := range v.Tokens {
		if v.Types[id] == 0 {
			v.Tokens[id], v.Types[id] = fmt.Sprintf("[PAD%d]", id), tokenizer.Unused
		}
	}
	return v, nil
}

// kind is what llama.cpp's converter makes of an added token: it takes some that
// are not marked as special for marks, by their texts.
func (a added) kind() tokenizer.Type {
	between := func(left, right string) bool {
		return strings.HasPrefix(a.Content, left) && strings.HasSuffix(a.Content, right)
	}
	if a.Special || slices.Contains([]string{"<pad>", "<mask>", "<2mass>", "[@BOS@]"}, a.Content) ||
		between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">") {
		return tokenizer.Control
	}
	return tokenizer.UserDefined
}

// vocabulary is what tokenizer.json says, in GGUF's terms, with size tokens. Pre
// names the pre-tokenizer; empty recognises it. Notes are for people.
func (t *tokenizerFile) vocabulary(size uint64, pre string) (v *tokenizer.Vocabulary, notes []string, err error) {
	if size > maxTokens {
		return nil, nil, fmt.Errorf("%w: config.json: vocab_size is %d, at most %d are supported", ErrUnsupported, size, maxTokens)
	}
	if v, err = t.list(size); err != nil {
		return nil, nil, err
	}
	if id, ok := t.Model.Vocabulary[t.Model.Unknown]; ok && t.Model.Unknown != "" {
		v.Unknown = int32(id) // list has checked it
	}
	if t.Model.ByteFallback {
		v.Kind = tokenizer.SentencePiece
		err = t.asSentencePiece(v)
		return v, nil, err
	}
	notes, err = t.asByteLevel(v, pre)
	return v, notes, err
}

// asByteLevel adds merges and the pre-tokenizer.
func (t *tokenizerFile) asByteLevel(v *tokenizer.Vocabulary, pre string) (notes []string, err error) {
	for _, s := range t.Normalizer.flat(nil) {
		if s.Type != "NFC" {
			return nil, fmt.Errorf("%w: tokenizer.json: normalizer is %s; NFC or none is supported for byte-level vocabularies", ErrUnsupported, s.Type)
		}
		notes = append(notes, "texts are not brought to Unicode's form NFC, as the tokenizer wants it and GGUF cannot say: write them in it")
	}
	if v.Pre, err = t.preTokenizerName(pre); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	for _, m := range t.Model.Merges {
		v.Merges = append(v.Merges, strings.ReplaceAll(m[0], " ", "Ġ")+" "+strings.ReplaceAll(m[1], " ", "Ġ"))
	}
	return notes, nil
}

// asSentencePiece turns the order of merges into scores: what is merged first has
// the highest. Tokens that no merge makes come after all that some merge does.
func (t *tokenizerFile) asSentencePiece(v *tokenizer.Vocabulary) error {
	if err := t.checkSpaces(v); err != nil {
		return fmt.Errorf("tokenizer.json: %w", err)
	}
	v.Scores = make([]float32, len(v.Tokens))
	ranked := make(map[int64]bool, len(t.Model.Merges))
	for i, m := range t.Model.Merges {
		id, ok := t.Model.Vocabulary[m[0]+m[1]]
		if !ok {
			return fmt.Errorf("%w: tokenizer.json: merge %d of model.merges makes %q, which is no token", ErrConfig, i, m[0]+m[1])
		}
		if !ranked[id] {
			v.Scores[id] = -float32(len(ranked))
			ranked[id] = true
		}
	}
	for id, text := range v.Tokens {
		switch {
		case int32(id) == v.Unknown:
			v.Types[id] = tokenizer.Unknown
		case v.Types[id] == tokenizer.Normal && isByte(text):
			v.Types[id] = tokenizer.Byte
		case v.Types[id] == tokenizer.Normal && !ranked[int64(id)]:
			v.Scores[id] = -float32(len(ranked))
		}
	}
	return nil
}

// isByte says whether a token stands for a single byte, as <0x41> does.
func isByte(text string) bool {
	if len(text) != 6 || !strings.HasPrefix(text, "<0x") || text[5] != '>' {
		return false
	}
	_, err := strconv.ParseUint(text[3:5], 16, 8)
	return err == nil
}

// checkSpaces finds out whether a space goes before a text, and refuses
// normalisers and pre-tokenizers that do anything else but write ▁ for spaces.
func (t *tokenizerFile) checkSpaces(v *tokenizer.Vocabulary) error {
	prefix := false
	for _, s := range t.Normalizer.flat(nil) {
		switch {
		case s.Type == "Prepend" && s.Prepend == "▁":
			prefix = true
		case s.Type == "Replace" && s.Pattern.String == " " && s.Content == "▁":
		default:
			return fmt.Errorf("%w: normalizer is %s; Prepend ▁ and Replace of spaces by ▁ are supported for this vocabulary", ErrUnsupported, s.Type)
		}
	}
	for _, s := range t.PreTokenizer.flat(nil) {
		if s.Type != "Metaspace" || s.Replacement != "▁" && s.Replacement != "" {
			return fmt.Errorf("%w: pre_tokenizer is %s; Metaspace of ▁ or none is supported for this vocabulary", ErrUnsupported, s.Type)
		}
		switch {
		case s.PrependScheme != "":
			prefix = prefix || s.PrependScheme != "never"
		default:
			prefix = prefix || s.AddPrefixSpace == nil || *s.AddPrefixSpace
		}
	}
	v.SpacePrefix = &prefix
	return nil
}
