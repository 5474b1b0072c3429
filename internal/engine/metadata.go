package engine

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// readTokens reads what a file says about its tokens. Keys and defaults are
// llama.cpp's (llama_vocab::impl::load), but that a byte-level vocabulary that
// names no token for beginning and end has none.
func readTokens(f *gguf.File) (tokenizer.Vocabulary, error) {
	v := tokenizer.Vocabulary{BOS: -1, EOS: -1, Unknown: -1}
	model, err := f.Text("tokenizer.ggml.model")
	if err != nil {
		return v, err
	}
	if v.Tokens, err = f.Texts("tokenizer.ggml.tokens"); err != nil {
		return v, err
	}
	switch model {
	case "gpt2":
		v.Merges, err = f.Texts("tokenizer.ggml.merges")
	case "llama":
		v.Kind = tokenizer.SentencePiece
		err = readScores(f, &v)
	default:
		err = fmt.Errorf("%w: tokenizer.ggml.model is %q; gpt2 and llama are supported", ErrModel, model)
	}
	if err != nil {
		return v, err
	}
	return v, errors.Join(readTypes(f, &v), readMarks(f, &v), readSettings(f, &v))
}

// readScores reads what only a SentencePiece has.
func readScores(f *gguf.File, v *tokenizer.Vocabulary) error {
	if len(v.Tokens) > 2 {
		v.Unknown, v.BOS, v.EOS = 0, 1, 2
	}
	if !f.Has("tokenizer.ggml.scores") {
		return nil
	}
	var err error
	v.Scores, err = f.Float32s("tokenizer.ggml.scores")
	return err
}

func readTypes(f *gguf.File, v *tokenizer.Vocabulary) error {
	if !f.Has("tokenizer.ggml.token_type") {
		return nil
	}
	types, err := f.Int32s("tokenizer.ggml.token_type")
	v.Types = make([]tokenizer.Type, len(types))
	for i, t := range types {
		v.Types[i] = tokenizer.Type(t)
	}
	return err
}

// oldMarks are the keys of marks before they had their present names.
var oldMarks = map[tokenizer.Mark]string{
	tokenizer.FillPrefix: "prefix", tokenizer.FillSuffix: "suffix", tokenizer.FillMiddle: "middle",
}

// readMarks reads the ids of tokens with a part of their own.
func readMarks(f *gguf.File, v *tokenizer.Vocabulary) error {
	read := func(name string, id *int32) error {
		key := "tokenizer.ggml." + name + "_token_id"
		if name == "" || !f.Has(key) {
			return nil
		}
		n, err := f.Uint(key)
		if err != nil {
			return err
		}
		if n >= uint64(len(v.Tokens)) {
			return fmt.Errorf("%w: %s is %d of %d tokens", ErrModel, key, n, len(v.Tokens))
		}
		*id = int32(n)
		return nil
	}
	v.Marked = map[tokenizer.Mark]int32{}
	err := errors.Join(read("bos", &v.BOS), read("eos", &v.EOS), read("unknown", &v.Unknown))
	for _, mark := range tokenizer.Marks {
		id := int32(-1)
		err = errors.Join(err, read(string(mark), &id), read(oldMarks[mark], &id))
		if id >= 0 {
			v.Marked[mark] = id
		}
	}
	return err
}

func readSettings(f *gguf.File, v *tokenizer.Vocabulary) error {
	var err error
	if f.Has("general.name") {
		v.Name, _ = f.Text("general.name") // says little; no reason to refuse a model
	}
	if f.Has("tokenizer.ggml.pre") {
		v.Pre, err = f.Text("tokenizer.ggml.pre")
	}
	for key, setting := range map[string]**bool{
		"add_bos_token": &v.AddBOS, "add_eos_token": &v.AddEOS, "add_space_prefix": &v.SpacePrefix,
	} {
		if key = "tokenizer.ggml." + key; f.Has(key) {
			value, failed := f.Bool(key)
			err = errors.Join(err, failed)
			*setting = &value
		}
	}
	return err
}
