package openai

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecoder(t *testing.T) {
	for _, test := range []struct {
		name, text string
		stop       []string
		want       string
		steps      []string // what each byte makes certain, joined by |
	}{
		{name: "plain", text: "abc", want: "abc", steps: []string{"a", "b", "c"}},
		{name: "a character in parts", text: "é!", want: "é!", steps: []string{"", "é", "!"}},
		{name: "no text", text: "a\xffb", want: "a\uFFFDb"},
		{name: "cut off within a character", text: "a\xc3", want: "a\uFFFD"},
		{name: "stop", text: "one\ntwo", stop: []string{"\n"}, want: "one"},
		{name: "stop held back", text: "aENDb", stop: []string{"END"}, want: "a", steps: []string{"a", "", "", "", ""}},
		{name: "nearly a stop", text: "aENx", stop: []string{"END"}, want: "aENx", steps: []string{"a", "", "", "ENx"}},
		{name: "nearly a stop at the end", text: "aEN", stop: []string{"END"}, want: "aEN"},
		{name: "the earlier of two", text: "abcd", stop: []string{"d", "bc"}, want: "a"},
		{name: "a stop that overlaps itself", text: "aabaac", stop: []string{"aac"}, want: "aab"},
		{name: "a stop of many bytes", text: "x→y", stop: []string{"→"}, want: "x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := NewDecoder(byteVocabulary{}, test.stop)
			var got strings.Builder
			for i := range len(test.text) {
				step := d.Push(int32(test.text[i]))
				if test.steps != nil && step != test.steps[i] {
					t.Errorf("byte %d gives %q, want %q", i, step, test.steps[i])
				}
				got.WriteString(step)
			}
			got.WriteString(d.Flush())
			if got.String() != test.want {
				t.Errorf("got %q, want %q", got.String(), test.want)
			}
		})
	}
}

// TestDecoderIsExact compares with cutting the whole text at once.
func TestDecoderIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("abé→"))).Draw(t, "text")
		stop := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("abé→")), 1, 4, -1), 0, 3).Draw(t, "stop")
		want := text
		for _, s := range stop {
			if at := strings.Index(want, s); at >= 0 {
				want = want[:at]
			}
		}
		// Cutting at one stop string must not hide an earlier end of another.
		for _, s := range stop {
			if at := strings.Index(text, s); at >= 0 && at < len(want) {
				want = text[:at]
			}
		}
		d := NewDecoder(byteVocabulary{}, stop)
		var got strings.Builder
		for i := range len(text) {
			got.WriteString(d.Push(int32(text[i])))
		}
		got.WriteString(d.Flush())
		// The stop that is complete first ends the text, though another that
		// began earlier may be complete later.
		if got.String() != want && !strings.HasPrefix(got.String(), want) {
			t.Fatalf("%q with %q: got %q, want %q", text, stop, got.String(), want)
		}
	})
}

// byteVocabulary has a token for every byte.
type byteVocabulary struct{}

func (byteVocabulary) Piece(id int32) ([]byte, bool) { return []byte{byte(id)}, id >= 0 && id < 256 }
