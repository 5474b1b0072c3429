package toolcall

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/engine/grammar"
)

var weather = []Tool{
	{Name: "weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"},"days":{"$ref":"#/$defs/count"}},"required":["city"],"$defs":{"count":{"type":"integer","minimum":1,"maximum":9}}}`)},
	{Name: "time"},
}

// letters has a token for every byte.
type letters struct{}

func (letters) Size() int             { return 256 }
func (letters) Piece(id int32) []byte { return []byte{byte(id)} }
func (letters) IsControl(int32) bool  { return false }
func (letters) EOS() int32            { return -1 }

// parse gives a text to a parser in parts, cut at the given places.
func parse(p *Parser, text string, size int) (content string, calls []Call) {
	for len(text) > 0 {
		n := min(size, len(text))
		t, c := p.Push(text[:n])
		content, calls, text = content+t, append(calls, c...), text[n:]
	}
	t, c := p.Flush()
	return content + t, append(calls, c...)
}

func TestParser(t *testing.T) {
	paris := Call{"weather", `{"city": "Paris"}`}
	now := Call{"time", `{}`}
	for _, c := range []struct {
		name    string
		format  Format
		obliged bool
		text    string
		content string
		calls   []Call
	}{
		{"none", None, false, "<tool_call>", "<tool_call>", nil},
		{"tagged", Tagged, false, "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>", "Let me see.\n", []Call{paris}},
		{"two tagged", Tagged, true, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>\n<tool_call>\n{\"name\":\"time\",\"arguments\":{}}\n</tool_call>", "", []Call{paris, now}},
		{"tagged, without arguments", Tagged, false, `<tool_call>{"name":"time"}</tool_call>`, "", []Call{now}},
		{"tagged, its end left out", Tagged, false, `<tool_call>{"name":"time"}`, "", []Call{now}},
		{"tagged, cut off", Tagged, false, `<tool_call>{"name":"ti`, `<tool_call>{"name":"ti`, nil},
		{"tagged, no such tool", Tagged, false, `a<tool_call>{"name":"rm"}</tool_call>b`, `a<tool_call>{"name":"rm"}</tool_call>b`, nil},
		{"tagged, no object", Tagged, false, `<tool_call>{"name":"time","arguments":[1]}</tool_call>`, `<tool_call>{"name":"time","arguments":[1]}</tool_call>`, nil},
		{"tagged, text alone", Tagged, false, "1 < 2 <tool", "1 < 2 <tool", nil},
		{"listed", Listed, false, `Well.[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}}, {"name": "time", "arguments": {}}]`, "Well.", []Call{paris, now}},
		{"listed under the grammar", Listed, true, `[{"name": "weather", "arguments": {"city": "Paris"}}]`, "", []Call{paris}},
		{"listed, broken", Listed, false, `[TOOL_CALLS][{]`, `[TOOL_CALLS][{]`, nil},
		{"bare", Bare, false, `{"name": "weather", "parameters": {"city": "Paris"}}`, "", []Call{paris}},
		{"bare with its tag", Bare, false, `<|python_tag|>{"name": "weather", "parameters": {"city": "Paris"}}`, "", []Call{paris}},
		{"bare, other JSON", Bare, false, `{"answer": 42}`, `{"answer": 42}`, nil},
		{"bare, text", Bare, false, " <|pyt said {", " <|pyt said {", nil},
	} {
		for size := range len(c.text) {
			content, calls := parse(NewParser(c.format, weather, c.obliged), c.text, size+1)
			if content != c.content || !slices.Equal(calls, c.calls) {
				t.Errorf("%s, %d bytes at once: %q %q, want %q %q", c.name, size+1, content, calls, c.content, c.calls)
				break
			}
		}
	}
}

// Without calls nothing of a text is lost, however it comes in.
func TestTextComesThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := []string{"<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<", "{", "}", " ", "\n", "x", `{"name":"rm"}`}
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 9).Draw(t, "text"), "")
		size := rapid.IntRange(1, 9).Draw(t, "size")
		f := rapid.SampledFrom([]Format{None, Tagged, Listed, Bare}).Draw(t, "format")
		content, calls := parse(NewParser(f, weather, false), text, size)
		if strings.Join(strings.Fields(content), "") != strings.Join(strings.Fields(text), "") || calls != nil {
			t.Fatalf("%q gave %q and %v", text, content, calls)
		}
	})
}

// What a grammar obliges to is what the parser reads.
func TestGrammar(t *testing.T) {
	for _, c := range []struct {
		format  Format
		several bool
		text    string
		want    bool
	}{
		{Tagged, false, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 3}}\n</tool_call>", true},
		{Tagged, false, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 12}}\n</tool_call>", false},
		{Tagged, false, "<tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>", false},
		{Tagged, false, "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>", false},
		{Tagged, true, "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>", true},
		{Listed, true, `[{"name": "time", "arguments": {}}, {"name": "weather", "arguments": {"city": ""}}]`, true},
		{Listed, false, `{"name": "time", "arguments": {}}`, false},
		{Bare, false, `{"name": "weather", "parameters": {"city": "Paris"}}`, true},
		{Bare, false, `{"name": "weather", "parameters": {}}`, false},
	} {
		source, err := c.format.Grammar(weather, c.several)
		if err != nil {
			t.Fatal(err)
		}
		g, err := grammar.Parse(source)
		if err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
		m := grammar.NewMatcher(g, grammar.NewVocabulary(letters{}))
		if got := m.AcceptBytes([]byte(c.text)) && m.Complete(); got != c.want {
			t.Errorf("%d: %s: %t", c.format, c.text, got)
		}
		if _, calls := parse(NewParser(c.format, weather, true), c.text, 7); c.want && len(calls) == 0 {
			t.Errorf("%s is allowed, and no call", c.text)
		}
	}
	for _, tools := range [][]Tool{nil, {{Name: "x", Parameters: json.RawMessage(`{`)}}, {{Name: "x", Parameters: json.RawMessage(`{"type":"nothing"}`)}}} {
		if _, err := Tagged.Grammar(tools, true); err == nil {
			t.Errorf("%v: accepted", tools)
		}
	}
}
