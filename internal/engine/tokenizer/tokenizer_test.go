package tokenizer

import (
	"slices"
	"strings"
	"testing"
)

// small is a vocabulary of all bytes, three merges and two special tokens.
func small(t testing.TB) Tokenizer {
	t.Helper()
	v := Vocabulary{BOS: -1, EOS: -1, Unknown: -1}
	for b := range 256 {
		v.Tokens, v.Types = append(v.Tokens, ToAlphabet(string([]byte{byte(b)}))), append(v.Types, Normal)
	}
	for _, m := range [][2]string{{"t", "h"}, {"th", "e"}, {" ", "the"}} {
		l, r := ToAlphabet(m[0]), ToAlphabet(m[1])
		v.Tokens, v.Types, v.Merges = append(v.Tokens, l+r), append(v.Types, Normal), append(v.Merges, l+" "+r)
	}
	v.Tokens, v.Types = append(v.Tokens, "<|end|>", "<name>"), append(v.Types, Control, UserDefined)
	encoder, err := New(v)
	if err != nil {
		t.Fatal(err)
	}
	return encoder
}

func TestEncode(t *testing.T) {
	b := small(t)
	const th, the, spaceThe, end, name = 256, 257, 258, 259, 260
	for _, c := range []struct {
		text    string
		special bool
		want    []int32
	}{
		{"the the", false, []int32{the, spaceThe}},
		{"th", false, []int32{th}},
		{"<|end|>", true, []int32{end}},
		{"a<name>the", false, []int32{'a', name, the}},
		{"\xff\x00", false, []int32{0xff, 0}},
	} {
		if got := b.Encode(c.text, c.special); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
	if ids := b.Encode("<|end|>", false); slices.Contains(ids, end) {
		t.Errorf("a control token's name in plain text became the token: %v", ids)
	}
}

func TestEveryByteComesBack(t *testing.T) {
	b := small(t)
	for i := range 256 {
		for _, text := range []string{string([]byte{byte(i)}), "a" + string([]byte{byte(i)}) + " ", string([]byte{byte(i), 0x80, byte(i)})} {
			if got := string(b.Decode(b.Encode(text, false))); got != text {
				t.Errorf("%q came back as %q", text, got)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"I'll  go":   {"I", "'ll", " ", " go"},
		"a  \n":      {"a", "  \n"},
		" x1²,,  b ": {" x", "1²", ",,", " ", " b", " "},
		"\t\tx":      {"\t", "\t", "x"},
	} {
		if got := slices.Collect(Split(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestBadVocabulariesAreRefused(t *testing.T) {
	for name, v := range map[string]Vocabulary{
		"types": {Tokens: []string{"a"}, Types: []Type{1, 1}, BOS: -1, EOS: -1, Unknown: -1},
		"end":   {Tokens: []string{"a"}, BOS: -1, EOS: 1, Unknown: -1},
		"merge": {Tokens: []string{"a"}, Merges: []string{"a b"}, BOS: -1, EOS: -1, Unknown: -1},
	} {
		if _, err := New(v); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzEncode: any bytes come back from their tokens, and pieces join to the text.
func FuzzEncode(f *testing.F) {
	b := small(f)
	for _, text := range []string{"", "the the", "\xff\xfe", "  \n x's", "<name><|end|>", "\u00a0 \u2003٣"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := strings.Join(slices.Collect(Split(text)), ""); got != text {
			t.Errorf("the pieces of %q join to %q", text, got)
		}
		if got := string(b.Decode(b.Encode(text, false))); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}
