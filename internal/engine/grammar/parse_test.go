package grammar

import (
	"errors"
	"strings"
	"testing"
)

func TestGrammarsMatch(t *testing.T) {
	v := NewVocabulary(letters())
	for _, c := range []struct {
		source  string
		yes, no []string
	}{
		{`root ::= "abc"`, []string{"abc"}, []string{"", "ab", "abcd", "xbc"}},
		{`root ::= "a" | "bc" | ""`, []string{"a", "bc", ""}, []string{"b", "abc"}},
		{"root ::= x y # comment\n\n# another\nx ::= \"x\" |\n  \"z\"\ny::=[a-c0-9_-]", []string{"xa", "z9", "x_", "z-"}, []string{"xd", "x"}},
		{`root ::= ("a" | "b"
			"c")* "d"`, []string{"d", "abcad"}, []string{"bd", "a"}},
		{`root ::= "ab"*`, []string{"", "ab", "abab"}, []string{"aba", "abb"}},
		{`root ::= "ab"+`, []string{"ab", "abab"}, []string{"", "abb"}},
		{`root ::= [ab]? "c"`, []string{"c", "ac"}, []string{"aac"}},
		{`root ::= "a"{3}`, []string{"aaa"}, []string{"aa", "aaaa"}},
		{`root ::= "a"{2,}`, []string{"aa", "aaaaa"}, []string{"a"}},
		{`root ::= "a"{ 1 , 3 }`, []string{"a", "aaa"}, []string{"", "aaaa"}},
		{`root ::= "a"{0,2} "a"{0} "b"{0,0}`, []string{"", "aa"}, []string{"aaa", "b"}},
		{`root ::= ("a"{2}){2}?`, []string{"", "aaaa"}, []string{"aa"}},
		{`root ::= ("a"? "b"?)* "c"`, []string{"c", "bac", "aabbc"}, []string{"ab"}},
		{`root ::= (("a"*)*)*`, []string{"", "aaa"}, []string{"b"}},
		{`root ::= "(" root ")" | ""`, []string{"", "((()))"}, []string{"(", "())"}},
		{`root ::= "a" root "a" | "b" root "b" | "c"`, []string{"abcba"}, []string{"abcab"}},
		{`root ::= e "=" e  e ::= "x"`, nil, nil},
		{`root ::= [^a-z\n] .`, []string{"A\n", "日本", "0é"}, []string{"aa", "\nx", "A"}},
		{`root ::= "\x41\u00e9\U0001F642\t\\\"\[\]"`, []string{"Aé🙂\t\\\"[]"}, []string{"A"}},
		{`root ::= [\]\[\\^"-] [\x30-\u0039] [a-]`, []string{"]0a", "[9-", "\\5a", "^5a", "\"5a", "-5a"}, []string{"a0a", "]0b"}},
		{`root ::= [α-ωé]+`, []string{"αéω"}, []string{"a", "\xce", "\xce\xce"}},
		{`root ::= .*`, []string{"", "\U0010ffff\ud7ff\ue000", "any\x00thing\n"}, []string{"\xff", "\xed\xa0\x80", "\xc0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf"}},
		{`root ::= "ab" | never "x"
		  never ::= "y" never`, []string{"ab"}, []string{"yx"}},
	} {
		g, err := Parse(c.source)
		if c.yes == nil {
			if err == nil {
				t.Errorf("%s: accepted", c.source)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		for _, text := range c.yes {
			if !matches(g, v, text) {
				t.Errorf("%s: %q does not match", c.source, text)
			}
		}
		for _, text := range c.no {
			if matches(g, v, text) {
				t.Errorf("%s: %q matches", c.source, text)
			}
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, c := range []struct {
		source       string
		line, column int
		reason       string
	}{
		{"", 1, 1, "no rule named root"},
		{"start ::= \"a\"", 1, 1, "no rule named root"},
		{"root ::= other", 1, 10, `"other" is used but not defined`},
		{"root ::= \"é\" z y\ny ::= x", 1, 14, `"z" is used`},
		{"root ::= \"a\"\nroot ::= \"b\"", 2, 1, "defined twice"},
		{"root = \"a\"", 1, 6, "::= is expected"},
		{"root ::= \"a", 1, 10, "not closed"},
		{"root ::= \"a\\", 1, 12, "unknown escape"},
		{"root ::= [a-", 1, 10, "not closed"},
		{"root ::= [z-a]", 1, 11, "ends before it begins"},
		{"root ::= []", 1, 10, "no characters"},
		{`root ::= [^\x00-\U0010ffff]`, 1, 10, "no characters"},
		{`root ::= [^\x00-` + "\ud7ff\ue000" + `-\U0010ffff]`, 1, 1, "no text matches"},
		{"root ::= (\"a\"", 1, 10, "not closed"},
		{"root ::= \"a\")", 1, 13, "the end of the rule"},
		{"root ::= (\"a\" = )", 1, 15, "not expected in a group"},
		{"root ::= *", 1, 10, "nothing before it"},
		{"root ::= \"a\" | +", 1, 16, "nothing before it"},
		{"root ::= \"a\"{", 1, 14, "a number"},
		{"root ::= \"a\"{,2}", 1, 14, "a number"},
		{"root ::= \"a\"{2", 1, 15, "} is expected"},
		{"root ::= \"a\"{3,2}", 1, 13, "fewer"},
		{"root ::= \"a\"{99999}", 1, 14, "more than 16384"},
		{`root ::= "\q"`, 1, 11, "unknown escape"},
		{`root ::= "\xg0"`, 1, 11, "2 hexadecimal"},
		{`root ::= "\ud800"`, 1, 11, "no character"},
		{`root ::= "\U00110000"`, 1, 11, "no character"},
		{"root ::= \"\xff\"", 1, 11, "UTF-8"},
		{"# nothing\n  root ::= root \"a\" | \"b\"", 2, 3, "left recursion"},
		{"root ::= a\na ::= \"\" b \"x\" | \"y\"\nb ::= \"z\"? a", 2, 1, "left recursion"},
		{"root ::= (root)*", 1, 1, "left recursion"},
		{"root ::= root", 1, 1, "no text matches"},
		{"root ::= \"a\" root", 1, 1, "no text matches"},
		{"root ::= <[1]>", 1, 10, "the end of the rule"},
		{strings.Repeat("#", MaxSource+1), 1, 1, "bytes"},
	} {
		_, err := Parse(c.source)
		var said *SyntaxError
		if !errors.As(err, &said) || !errors.Is(err, ErrSyntax) {
			t.Errorf("%.60q: %v", c.source, err)
			continue
		}
		if said.Line != c.line || said.Column != c.column || !strings.Contains(said.Reason, c.reason) {
			t.Errorf("%.60q: %v; want %q at %d:%d", c.source, err, c.reason, c.line, c.column)
		}
	}
}

// FuzzGBNF: whatever is parsed can be matched within its bounds, and what it
// allows next it accepts.
func FuzzGBNF(f *testing.F) {
	for _, source := range []string{
		JSON, `root ::= "a" | [^b-d\n]{2,5} ("x" y)* .`, "root ::= \"(\" root \")\" | \"\"\n", `root ::= ("a"?)* ("b" | "c" root)?`,
		"root ::= a a a\na ::= \"x\" | \"xx\" | \"\"", `root ::= [\u00e9日-本]+ # é`, `root ::= "a" root "b" | "a" root "c" | ""`,
	} {
		f.Add(source)
	}
	w := letters()
	v := NewVocabulary(w)
	f.Fuzz(func(t *testing.T, source string) {
		g, err := Parse(source)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatalf("unnamed refusal: %v", err)
			}
			return
		}
		m := NewMatcher(g, v)
		for range 4 {
			mask := checkMask(t, m, w)
			next := int32(-1)
			for id := range int32(len(w) - 2) {
				if mask.Allows(id) {
					next = id
					break
				}
			}
			if next < 0 {
				return
			}
			if !m.Accept(next) {
				t.Fatal("a token that is allowed was not accepted")
			}
		}
	})
}
