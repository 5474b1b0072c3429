package tokenizer

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// list cuts what a fuzzer writes into a list.
func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x1f")
}

// hostile makes a vocabulary of what a fuzzer writes.
func hostile(kind byte, pre, name, tokens, merges string, types, scores, marks []byte) Vocabulary {
	setting := func(bits byte) *bool {
		on := bits&1 != 0
		return map[bool]*bool{true: &on}[bits&2 != 0]
	}
	v := Vocabulary{Kind: Kind(kind & 3), Pre: pre, Name: name, Tokens: list(tokens), Merges: list(merges), BOS: -1, EOS: -1, Unknown: -1,
		AddBOS: setting(kind >> 2), AddEOS: setting(kind >> 4), SpacePrefix: setting(kind >> 6), Marked: map[Mark]int32{}}
	for _, b := range types {
		v.Types = append(v.Types, Type(int8(b)))
	}
	for _, b := range scores {
		v.Scores = append(v.Scores, float32(int8(b))/4)
	}
	for i, b := range marks {
		switch id := int32(int8(b)); {
		case i == 0:
			v.BOS = id
		case i == 1:
			v.EOS = id
		case i == 2:
			v.Unknown = id
		case i-3 < len(Marks) && id >= 0:
			v.Marked[Marks[i-3]] = id
		}
	}
	return v
}

// FuzzVocabulary: any tokens, types, merges and scores make a tokenizer or an
// error; of any text that makes ids of the vocabulary, none of them a control
// token in plain text, and decodes them.
func FuzzVocabulary(f *testing.F) {
	join := func(parts ...string) string { return strings.Join(parts, "\x1f") }
	letters := join("a", "b", "c", "Ġ", "ab", "abc", "Ġa", "<|end|>", "<x>", "Ã", "©", "Ã©")
	merges := join("a b", "ab c", "Ġ a", "Ã ©")
	types := []byte{1, 1, 1, 1, 1, 1, 1, 3, 4, 1, 1, 1}
	f.Add(byte(0), "gpt-2", "", letters, merges, types, []byte{}, []byte{7, 7, 0xff}, "abc ab a<|end|><x>é\xff")
	f.Add(byte(0), "llama-bpe", "Phi-3", letters, merges, types, []byte{}, []byte{7, 7, 0xff, 7, 8}, "abc <x>  abc")
	f.Add(byte(0), "jina-v2-de", "", join("a", "<mask>", "b", "b a"), join("b a"), []byte{4, 4, 1, 3}, []byte{}, []byte{}, "a <mask> b a")
	f.Add(byte(0), "deepseek-v3", "", join("<|call|>", "<|flush|>", "<|end|>", "a"), "", []byte{1, 1, 1, 1}, []byte{}, []byte{}, "<|call|>a<|end|>")
	f.Add(byte(0), "tekken", "", letters, join("a  b", " ", "", "a", "a b c"), types, []byte{}, []byte{}, "abc")
	pieces := join("<unk>", "<s>", "</s>", "▁", "a", "▁a", "aa", "<0x41>", "<0xFF>", "<x>", "é", "b\x00")
	kinds := []byte{2, 3, 3, 1, 1, 1, 1, 6, 6, 4, 1, 1}
	scores := []byte{0, 0, 0, 1, 2, 9, 9, 0, 0, 0, 0xff, 4}
	f.Add(byte(1), "", "", pieces, "", kinds, scores, []byte{1, 2, 0}, "a aa  aaa\xffA<x>é<unk> ▁b\x00")
	f.Add(byte(1|3<<6|3<<4|3<<2), "", "", pieces, "", kinds, []byte{}, []byte{1, 2, 0xff}, "</s> aaa")
	f.Add(byte(1), "", "", join("<0x41>", "<0xZZ>"), "", []byte{3, 6}, []byte{}, []byte{}, "A")
	f.Add(byte(1), "", "", join("a", "a"), "", []byte{}, []byte{}, []byte{0x7f}, "a")
	f.Fuzz(func(t *testing.T, kind byte, pre, name, tokens, merges string, types, scores, marks []byte, text string) {
		v := hostile(kind, pre, name, tokens, merges, types, scores, marks)
		encoder, err := New(v)
		if err != nil {
			if !errors.Is(err, ErrVocabulary) && !errors.Is(err, ErrPreTokenizer) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		for _, special := range []bool{false, true} {
			ids := encoder.Encode(text, special)
			if len(ids) > 4*len(text)+6 {
				t.Errorf("%d bytes became %d tokens", len(text), len(ids))
			}
			for _, id := range ids {
				if id < 0 || int(id) >= encoder.Size() {
					t.Fatalf("%q has token %d of %d", text, id, encoder.Size())
				}
				if !special && encoder.IsControl(id) && (v.Kind != SentencePiece || !unknown(&v, id)) {
					t.Errorf("the control token %d, %q, comes of the plain text %q", id, encoder.Text(id), text)
				}
			}
			encoder.Decode(ids)
		}
		for id := int32(-1); int(id) <= encoder.Size(); id++ {
			encoder.Piece(id)
			encoder.EndsText(id)
			if text := encoder.Text(id); utf8.ValidString(text) && len(encoder.Piece(id)) > 3*len(text) {
				t.Errorf("token %d is %q and stands for %q", id, text, encoder.Piece(id))
			}
		}
	})
}

// unknown says whether a token stands for what nothing else does.
func unknown(v *Vocabulary, id int32) bool {
	return id == v.Unknown || v.Types != nil && v.Types[id] == Unknown
}
