package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/engine/sampling"
)

// walk follows random allowed tokens to the end; after a while it prefers what
// closes. It returns false if no token is allowed before.
func walk(t testing.TB, g *Grammar, v *Vocabulary, seed uint64, patience int) (string, bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	m := NewMatcher(g, v)
	mask := sampling.NewMask(v.tokens.Size())
	var text strings.Builder
	for step := 0; ; step++ {
		m.Mask(mask)
		var ids []int32
		for id := range int32(v.tokens.Size()) {
			if mask.Allows(id) {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return text.String(), false
		}
		id := ids[rng.IntN(len(ids))]
		if step > patience {
			id = closing(v.tokens, mask, ids, id)
		}
		if id == v.tokens.EOS() {
			return text.String(), true
		}
		if !m.Accept(id) {
			t.Fatalf("after %q: %q is allowed but not accepted", text.String(), v.tokens.Piece(id))
		}
		text.Write(v.tokens.Piece(id))
		if step > patience+20000 {
			t.Fatalf("the text does not end: %.300q", text.String())
		}
	}
}

// closing prefers the end, and what ends JSON's values.
func closing(t Tokens, mask sampling.Mask, ids []int32, other int32) int32 {
	if mask.Allows(t.EOS()) {
		return t.EOS()
	}
	for _, c := range `"]}0` {
		for _, id := range ids {
			if string(t.Piece(id)) == string(c) {
				return id
			}
		}
	}
	return other
}

func TestMasksAreWhatIsAccepted(t *testing.T) {
	w := letters()
	v := NewVocabulary(w)
	for _, source := range []string{
		JSON, `root ::= "日本語" | "é" "é"* | [^a-z]{3}`, `root ::= ("a" | "aa" | "aaa")* "b"`, `root ::= ["\\u0é]+`, `root ::= .{1,3}`, `root ::= [^"]{2} "\"" .*`, `root ::= .* "x"`, `root ::= "nul" "l"? | "true"*`,
	} {
		g := parse(t, source)
		rng := rand.New(rand.NewPCG(9, 9))
		m := NewMatcher(g, v)
		for range 40 {
			mask := checkMask(t, m, w)
			var ids []int32
			for id := range int32(len(w) - 2) {
				if mask.Allows(id) {
					ids = append(ids, id)
				}
			}
			if mask.Allows(w.EOS()) != m.Complete() || mask.Allows(w.EOS()-1) {
				t.Fatalf("%s: the end is allowed: %t, complete: %t", source, mask.Allows(w.EOS()), m.Complete())
			}
			if len(ids) == 0 {
				break
			}
			m.Accept(ids[rng.IntN(len(ids))])
		}
	}
}

func TestWalksThroughJSONAreJSON(t *testing.T) {
	v := NewVocabulary(letters())
	g := parse(t, JSON)
	rapid.Check(t, func(rt *rapid.T) {
		text, ok := walk(t, g, v, rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 150).Draw(rt, "patience"))
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); !ok || err != nil {
			rt.Fatalf("%q: %v", text, err)
		}
	})
}

func TestJSON(t *testing.T) {
	v := NewVocabulary(letters())
	g := parse(t, JSON)
	for text, want := range map[string]bool{
		`{}`: true, `{"a": [1, -0.5e+10, "\u00e9\"", null], "b": {"c": true}}`: true, "{\n  \"a\": \"日本\"\n}": true, `{ "a" :1}`: false,
		`[]`: false, `{"a"}`: false, `{"a":01}`: false, `{"a":"` + "\n" + `"}`: false, `{"a":"\ud800"}`: false, `{"a":1,}`: false, `{"a":1e999}`: false,
	} {
		if matches(g, v, text) != want {
			t.Errorf("%s: matches: %t", text, !want)
		}
	}
}

// What a matcher forgets makes no difference.
func TestForgettingChangesNothing(t *testing.T) {
	w := letters()
	v := NewVocabulary(w)
	a, b := NewMatcher(parse(t, JSON), v), NewMatcher(parse(t, JSON), v)
	maskA, maskB := sampling.NewMask(len(w)), sampling.NewMask(len(w))
	for _, c := range []byte(`{"a": [1, {"b": [[]], "é": "x\u00e9"}, tru`) {
		b.at.state = b.renew(b.at.state)
		if !a.AcceptBytes([]byte{c}) || !b.AcceptBytes([]byte{c}) {
			t.Fatalf("%q is not accepted", c)
		}
		b.at.state = b.renew(b.at.state)
		a.Mask(maskA)
		b.Mask(maskB)
		for i := range maskA {
			if maskA[i] != maskB[i] {
				t.Fatalf("after %q the masks differ", c)
			}
		}
	}
}

// hostile grammars are refused, or cost no more than the bounds.
func TestHostileGrammars(t *testing.T) {
	chain := func(n int, rule string) string {
		var b strings.Builder
		b.WriteString("root ::= a0\n")
		for i := range n {
			b.WriteString(strings.NewReplacer("$n", "a"+itoa(i+1), "$", "a"+itoa(i)).Replace(rule) + "\n")
		}
		return b.String() + "a" + itoa(n) + " ::= \"x\"\n"
	}
	w := large(32000)
	v := NewVocabulary(w)
	for name, source := range map[string]string{
		"deep groups":            "root ::= " + strings.Repeat("(", 10000) + "\"a\"" + strings.Repeat(")", 10000),
		"huge repetition":        `root ::= ((("a"{10000}){10000}){10000}){10000}`,
		"many repetitions":       "root ::= " + strings.Repeat(`"a"{16384} `, 100),
		"ambiguous":              `root ::= ("a" | "a" | [a-z] | .)* ("a" | .)* (.? .?)*`,
		"stacks without end":     `root ::= . root . | [a-z] root [a-z] | . root [b-z] | ""`,
		"exponential closure":    chain(60, `$ ::= $n "a" | $n "b" | $n [ac]`),
		"long chain":             chain(9000, `$ ::= $n | "y"`),
		"deep before a letter":   chain(9000, `$ ::= $n "z"`),
		"nullable chain":         `root ::= ` + strings.Repeat(`("a"? `, 190) + strings.Repeat(`)*`, 190),
		"counting":               `root ::= (.{0,5000} [a-m]){0,5000}`,
		"many sets":              "root ::= " + manySets(),
		"a class of many ranges": "root ::= [" + strings.Repeat("a-zA-Z0-9é", 20000) + "]*",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			g, err := Parse(source)
			parsed := time.Since(began)
			if err != nil {
				t.Logf("refused after %s: %.120s", parsed, err)
				return
			}
			m, mask := NewMatcher(g, v), sampling.NewMask(len(w))
			worst := time.Duration(0)
			rng := rand.New(rand.NewPCG(2, 2))
			for range 12 {
				began := time.Now()
				m.Mask(mask)
				worst = max(worst, time.Since(began))
				for range 1000 {
					if id := rng.Int32N(int32(len(w) - 2)); mask.Allows(id) {
						m.Accept(id)
						break
					}
				}
			}
			t.Logf("parsed in %s; a mask took at most %s, %d nodes, %d states", parsed, worst, len(m.nodes), len(m.states))
			if worst > 2*time.Second || parsed > 2*time.Second {
				t.Error("too long")
			}
		})
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func manySets() string {
	var b strings.Builder
	for i := range 20000 {
		b.WriteString(`"` + string(rune(0x4e00+i)) + `" `)
	}
	return b.String()
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{32_000, 150_000} {
		w := large(n)
		v := NewVocabulary(w)
		free, counted := parse(b, JSON), parse(b, `root ::= "\"" char{0,200} "\""`+"\n"+JSONTerminals)
		for _, c := range []struct {
			name, text string
			g          *Grammar
		}{
			{"start", "", free}, {"string", `{"name": "some te`, free}, {"value", `{"name": `, free}, {"number", `{"name": 12`, free}, {"counted", `"some te`, counted},
		} {
			g := c.g
			for _, fresh := range []bool{false, true} {
				name := filepath.Join(itoa(n), c.name)
				if fresh {
					name += ",first"
				}
				b.Run(name, func(b *testing.B) {
					mask := sampling.NewMask(n)
					m := NewMatcher(g, v)
					m.AcceptBytes([]byte(c.text))
					for b.Loop() {
						if fresh {
							b.StopTimer()
							m.at.state = m.renew(m.at.state)
							b.StartTimer()
						}
						m.Mask(mask)
					}
				})
			}
		}
	}
}

func BenchmarkVocabulary(b *testing.B) {
	w := large(150_000)
	for b.Loop() {
		NewVocabulary(w)
	}
}
