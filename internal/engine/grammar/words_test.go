package grammar

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/koinon/koinon/internal/engine/sampling"
)

// words is a vocabulary for tests; the last token is the end, the one before a
// control token.
type words []string

func (w words) Size() int { return len(w) }
func (w words) Piece(id int32) []byte {
	return []byte(w[id])
}
func (w words) IsControl(id int32) bool { return int(id) >= len(w)-2 }
func (w words) EOS() int32              { return int32(len(w) - 1) }

// letters has every byte, some words across what grammars keep apart, two tokens
// with the same bytes, and one without.
func letters() words {
	var w words
	for b := range 256 {
		w = append(w, string([]byte{byte(b)}))
	}
	w = append(w, "", "true", "nul", `{"`, `":`, `",`, `": "`, "}}", "]}", "é", "\xc3", "日本", "語\xe6", "\xa5x", "true", "true", "12", "0.", "\\u00", " \n", "  ", "aaa", "name", `{"name":`)
	return append(w, "<control>", "<end>")
}

// large is a vocabulary of so many tokens, of the lengths and scripts of a large
// model's.
func large(n int) words {
	rng := rand.New(rand.NewPCG(1, 1))
	w, seen := letters()[:256], map[string]bool{}
	for len(w) < n-2 {
		var piece []rune
		switch k := rng.IntN(20); {
		case k < 14:
			if rng.IntN(2) == 0 {
				piece = append(piece, ' ')
			}
			for range 1 + rng.IntN(8) {
				piece = append(piece, rune("etaoinshrdlucmfwyvbgkpqjxz"[min(rng.IntN(26), rng.IntN(26))]))
			}
		case k < 16:
			for range 1 + rng.IntN(3) {
				piece = append(piece, rune('0'+rng.IntN(10)))
			}
		case k < 17:
			for range 1 + rng.IntN(4) {
				piece = append(piece, rune(" \n\t{}[]\",:.;()<>=/\\_-"[rng.IntN(21)]))
			}
		case k < 19:
			for range 1 + rng.IntN(3) {
				piece = append(piece, rune(0x4e00+min(rng.IntN(0x5200), rng.IntN(0x5200))))
			}
		default:
			for range 2 + rng.IntN(6) {
				piece = append(piece, rune(0x430+rng.IntN(32)))
			}
		}
		if text := string(piece); !seen[text] {
			seen[text] = true
			w = append(w, text)
		}
	}
	return append(w, "<control>", "<end>")
}

func parse(t testing.TB, source string) *Grammar {
	t.Helper()
	g, err := Parse(source)
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	return g
}

// matches reads a whole text, byte by byte.
func matches(g *Grammar, v *Vocabulary, text string) bool {
	m := NewMatcher(g, v)
	return m.AcceptBytes([]byte(text)) && m.Complete()
}

// checkMask compares a mask with trying each token on its own.
func checkMask(t testing.TB, m *Matcher, w words) sampling.Mask {
	mask := sampling.NewMask(len(w))
	m.Mask(mask)
	for id := range int32(len(w)) {
		before := m.at
		fits := m.Accept(id) && (len(w[id]) > 0)
		m.at = before
		if fits != mask.Allows(id) {
			t.Errorf("token %d, %q: the mask says %t, trying it %t", id, w[id], mask.Allows(id), fits)
		}
	}
	return mask
}

func Example() {
	v := NewVocabulary(letters())
	g, err := Parse(`root ::= "a"+ [0-9]{2,3}`)
	if err != nil {
		panic(err)
	}
	fmt.Println(matches(g, v, "aaa12"), matches(g, v, "a1"))
	// Output: true false
}
