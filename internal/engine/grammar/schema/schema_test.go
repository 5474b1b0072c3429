package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
)

// words is a vocabulary for tests: every byte, some longer tokens, and the end.
type words []string

func (w words) Size() int               { return len(w) }
func (w words) Piece(id int32) []byte   { return []byte(w[id]) }
func (w words) IsControl(id int32) bool { return id == w.EOS() }
func (w words) EOS() int32              { return int32(len(w) - 1) }

var letters = func() words {
	var w words
	for b := range 256 {
		w = append(w, string([]byte{byte(b)}))
	}
	return append(w, `{"`, `":`, `",`, `"}`, "true", "null", "é日", "\n  ", "name", "12", "-1", "20", "<end>")
}()

var vocabulary = grammar.NewVocabulary(letters)

// validator is a schema as somebody else's code understands it.
func validator(t testing.TB, schema string) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	v, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	return v
}

func convert(t testing.TB, schema string) *grammar.Grammar {
	t.Helper()
	source, err := Convert([]byte(schema))
	if err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	g, err := grammar.Parse(source)
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	return g
}

// walk follows random allowed tokens to the end; after a while it prefers what
// closes. Few texts are long: one that does not end is "".
func walk(t testing.TB, g *grammar.Grammar, seed uint64) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	m := grammar.NewMatcher(g, vocabulary)
	mask := sampling.NewMask(len(letters))
	var text strings.Builder
	for step := 0; step < 20000; step++ {
		m.Mask(mask)
		var ids []int32
		for id := range int32(len(letters)) {
			if mask.Allows(id) {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			t.Fatalf("nothing is allowed after %q", text.String())
		}
		id := ids[rng.IntN(len(ids))]
		if step > 60 && rng.IntN(3) > 0 {
			for _, prefer := range []int32{'1', '0', '}', ']', '"', letters.EOS()} {
				if mask.Allows(prefer) {
					id = prefer
				}
			}
		}
		if id == letters.EOS() {
			return text.String()
		}
		if !m.Accept(id) {
			t.Fatalf("after %q: %q is allowed but not accepted", text.String(), letters[id])
		}
		text.WriteString(letters[id])
	}
	return ""
}

// valid says whether a text is JSON that a schema allows.
func valid(v *jsonschema.Schema, text string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return v.Validate(value)
}

// schemas are what the property test starts from; each is also tried with texts.
var schemas = []struct {
	schema  string
	yes, no []string
}{
	{`{}`, []string{`1`, `{"a":[null]}`, `"x"`}, []string{``, `{`}},
	{`{"type":"object"}`, []string{`{}`, `{"a": 1}`}, []string{`[]`}},
	{`{"type":["string","null"],"maxLength":2}`, []string{`null`, `"ab"`, `"\u00e9日"`}, []string{`"abc"`, `1`}},
	{`{"type":"string","minLength":2}`, []string{`"ab"`, `"abcdef"`}, []string{`"a"`}},
	{`{"type":"boolean"}`, []string{`true`, `false`}, []string{`null`}},
	{`{"type":"number"}`, []string{`-1.5e3`, `0`}, []string{`01`, `.5`}},
	{`{"enum":["a\"b",1,null,{"x":[1.5]}]}`, []string{`"a\"b"`, `1`, `null`, `{"x":[1.5]}`}, []string{`"a"`, `2`}},
	{`{"type":"string","enum":["a",1]}`, []string{`"a"`}, []string{`1`}},
	{`{"const":"日本\n"}`, []string{`"日本\n"`}, []string{`"日本"`}},
	{`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{}},"required":["b"]}`,
		[]string{`{"a":1,"b":"x","c":null}`, `{"b":"x"}`, `{ "b": "x", "c": [1]}`, `{"a":1,"b":""}`}, []string{`{}`, `{"b":"x","a":1}`, `{"a":1}`, `{"b":"x",}`, `{"b":"x","d":1}`}},
	{`{"properties":{"a":{"type":"null"},"ab":{"type":"null"},"":true,"é\"":true},"additionalProperties":{"type":"boolean"}}`,
		[]string{`{"a":null,"ab":null,"abc":true,"b":false}`, `{"x":true}`, `{}`, `{"é\"":1}`}, []string{`{"a":true}`, `{"ab":true}`, `{"x":1}`, `{"x":true,"a":null}`}},
	{`{"type":"object","properties":{"a":true},"required":["a","z"],"additionalProperties":{"type":"integer"}}`, []string{`{"a":1,"z":2,"q":3}`}, []string{`{"a":1}`}},
	{`{"type":"object","required":["a"],"minProperties":1}`, []string{`{"a":1}`}, []string{`{}`}},
	{`{"type":"array","items":{"type":"integer"}}`, []string{`[]`, `[1]`, `[1, 2 ,3]`}, []string{`["a"]`, `[,1]`, `[1,]`}},
	{`{"type":"array","items":{"type":"null"},"minItems":2,"maxItems":3}`, []string{`[null,null]`, `[null,null,null]`}, []string{`[null]`, `[null,null,null,null]`}},
	{`{"type":"array","maxItems":0}`, []string{`[]`}, []string{`[1]`}},
	{`{"prefixItems":[{"type":"null"},{"type":"boolean"}]}`, []string{`[null,true]`}, []string{`[null]`, `[null,true,1]`}},
	{`{"prefixItems":[{"type":"null"},{"type":"boolean"}],"minItems":1,"items":{"type":"integer"}}`, []string{`[null]`, `[null,true,1,2]`}, []string{`[]`, `[null,1]`}},
	{`{"prefixItems":[{"type":"null"}],"minItems":3}`, []string{`[null,1,"a"]`}, []string{`[null,1]`}},
	{`{"prefixItems":[{"type":"null"},true],"items":false,"maxItems":1}`, []string{`[null]`}, []string{`[null,1]`}},
	{`{"anyOf":[{"type":"string"},{"type":"integer","minimum":3}]}`, []string{`"x"`, `3`}, []string{`2`, `null`}},
	{`{"type":"object","properties":{"k":{"type":"string"}},"anyOf":[{"required":["k"]},{"properties":{"n":{"type":"null"}},"required":["n"]}]}`, []string{`{"k":"x"}`, `{"k":"x","n":null}`, `{"n":null}`}, []string{`{}`}},
	{`{"oneOf":[{"type":"object","properties":{"t":{"const":"a"},"x":{"type":"integer"}},"required":["t","x"]},{"type":"object","properties":{"t":{"const":"b"}},"required":["t"]},{"type":"null"}]}`,
		[]string{`{"t":"a","x":1}`, `{"t":"b"}`, `null`}, []string{`{"t":"a"}`, `{"t":"c"}`}},
	{`{"allOf":[{"properties":{"a":{"type":"integer","minimum":2}},"required":["a"]},{"type":"object","properties":{"a":{"type":"number","maximum":4},"b":{"type":"null"}}}]}`, []string{`{"a":3}`, `{"a":2,"b":null}`}, []string{`{"a":5}`, `{"a":1}`, `{"b":null}`}},
	{`{"type":"integer","allOf":[{"minimum":2,"maximum":9},{"minimum":4,"maximum":7}]}`, []string{`4`, `7`}, []string{`3`, `8`}},
	{`{"$defs":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v"]}},"$ref":"#/$defs/tree"}`,
		[]string{`{"v":1}`, `{"v":1,"kids":[{"v":2,"kids":[]}]}`}, []string{`{"kids":[]}`, `{"v":1,"kids":[1]}`}},
	{`{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]},"a/b~":{"type":"null"},"same":{"$ref":"#/properties/a~1b~0"}},"required":["next"]}`, []string{`{"next":null}`, `{"next":{"next":null},"same":null}`}, []string{`{}`, `{"next":1}`}},
	{`{"$ref":"#/definitions/s","minLength":2,"definitions":{"s":{"type":"string","description":"x"}}}`, []string{`"ab"`}, []string{`"a"`}},
	{`{"type":"string","format":"date"}`, []string{`"2026-02-28"`, `"1999-12-31"`}, []string{`"2026-02-30"`, `"2026-13-01"`, `"26-01-01"`}},
	{`{"type":"string","format":"time"}`, []string{`"23:59:59Z"`, `"00:00:00.123+05:30"`}, []string{`"24:00:00Z"`, `"12:00:00"`}},
	{`{"type":"string","format":"date-time"}`, []string{`"2026-02-28T12:00:00Z"`}, []string{`"2026-02-28"`}},
	{`{"type":"string","format":"uuid"}`, []string{`"123e4567-e89b-12d3-a456-426614174000"`}, []string{`"123e4567e89b12d3a456426614174000"`}},
	{`{"type":"string","pattern":"^[A-Z]{2}-\\d+(\\.x|y?)$"}`, []string{`"AB-1"`, `"AB-12.x"`, `"AB-1y"`}, []string{`"A-1"`, `"AB-"`, `"AB-1z"`}},
	{`{"type":"string","pattern":"b+|^c$"}`, []string{`"abc"`, `"c"`}, []string{`"ac"`}},
	{`{"type":"string","pattern":"^[^a]\"\\\\[\\n\"-]$"}`, []string{`"b\"\\\n"`, `"\\\"\\\""`, `"é\"\\-"`}, []string{`"a\"\\-"`}},
	{`{"type":"integer","minimum":-12,"maximum":305}`, []string{`-12`, `-1`, `0`, `9`, `305`, `299`}, []string{`-13`, `306`, `-0`, `00`, `1000`}},
	{`{"type":"integer","exclusiveMinimum":9.5,"exclusiveMaximum":20}`, []string{`10`, `19`}, []string{`9`, `20`}},
	{`{"minimum":100}`, []string{`100`, `98765`}, []string{`99`, `-100`}},
	{`{"type":"integer","maximum":-7.2}`, []string{`-8`, `-1000`}, []string{`-7`, `0`}},
}

func TestSchemas(t *testing.T) {
	for _, c := range schemas {
		g, v := convert(t, c.schema), validator(t, c.schema)
		for _, text := range c.yes {
			m := grammar.NewMatcher(g, vocabulary)
			if !m.AcceptBytes([]byte(text)) || !m.Complete() {
				t.Errorf("%s: %s does not match", c.schema, text)
			}
			if err := valid(v, text); err != nil {
				t.Errorf("%s: %s is not valid: %v", c.schema, text, err)
			}
		}
		for _, text := range c.no {
			m := grammar.NewMatcher(g, vocabulary)
			if m.AcceptBytes([]byte(text)) && m.Complete() {
				t.Errorf("%s: %s matches", c.schema, text)
			}
		}
		for seed := range uint64(25) {
			if text := walk(t, g, seed); valid(v, text) != nil {
				t.Errorf("%s: allowed %s: %v", c.schema, text, valid(v, text))
			}
		}
	}
}

func TestNullable(t *testing.T) {
	g := convert(t, `{"type":"string","nullable":true}`)
	for _, text := range []string{`null`, `"x"`} {
		m := grammar.NewMatcher(g, vocabulary)
		if !m.AcceptBytes([]byte(text)) || !m.Complete() {
			t.Errorf("%s does not match", text)
		}
	}
}

// anySchema draws a schema of what is supported.
func anySchema(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 {
		kind %= 6
	}
	small := rapid.IntRange(0, 4)
	switch kind {
	case 0:
		low := rapid.IntRange(-3000, 3000).Draw(t, "low")
		return map[string]any{"type": "integer", "minimum": low, "maximum": low + rapid.IntRange(0, 5000).Draw(t, "width")}
	case 1:
		low := small.Draw(t, "low")
		return map[string]any{"type": []string{"string", "boolean"}, "minLength": low, "maxLength": low + small.Draw(t, "width")}
	case 2:
		return map[string]any{"enum": []any{"x", 1.5, nil, []any{"y"}}}
	case 3:
		return map[string]any{"type": "string", "format": rapid.SampledFrom([]string{"date", "time", "date-time", "uuid"}).Draw(t, "format")}
	case 4:
		return map[string]any{"type": "string", "pattern": rapid.SampledFrom([]string{"^a*[^b]$", "x", `^(\d|é){1,3}`, `[\\"]\w+$`}).Draw(t, "pattern")}
	case 5:
		return map[string]any{}
	case 6, 7:
		properties, required := map[string]any{}, []string{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "ab", "é", "q\"", "", "abc"}), 0, 4, rapid.ID[string]).Draw(t, "names") {
			properties[name] = anySchema(t, depth-1)
			if rapid.Bool().Draw(t, "required") {
				required = append(required, name)
			}
		}
		o := map[string]any{"type": "object", "properties": properties, "required": required}
		if rapid.Bool().Draw(t, "others") {
			o["additionalProperties"] = anySchema(t, depth-1)
		}
		return o
	case 8:
		low := small.Draw(t, "least")
		a := map[string]any{"type": "array", "items": anySchema(t, depth-1), "minItems": low, "maxItems": low + small.Draw(t, "width")}
		if rapid.Bool().Draw(t, "tuple") {
			a["prefixItems"] = []any{anySchema(t, depth-1), anySchema(t, 0)}
		}
		return a
	}
	return map[string]any{rapid.SampledFrom([]string{"anyOf", "allOf"}).Draw(t, "of"): []any{anySchema(t, depth-1), anySchema(t, 0)}}
}

// TestWalksAreValid: whatever schema is converted, what its grammar allows is
// JSON that another implementation finds valid.
func TestWalksAreValid(t *testing.T) {
	converted, ended := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		data, err := json.Marshal(anySchema(rt, 2))
		if err != nil {
			rt.Fatal(err)
		}
		source, err := Convert(data)
		if errors.Is(err, ErrSchema) {
			return // a combination that is not supported
		}
		g, err := grammar.Parse(source)
		if err != nil {
			rt.Fatalf("%s: %v", data, err)
		}
		converted++
		v := validator(t, string(data))
		for range 3 {
			text := walk(t, g, rapid.Uint64().Draw(rt, "seed"))
			if text == "" {
				continue // a pattern without an end kept it going
			}
			ended++
			if err := valid(v, text); err != nil || !json.Valid([]byte(text)) {
				rt.Fatalf("%s: allowed %s: %v", data, text, err)
			}
		}
	})
	if converted < 50 || ended < 2*converted {
		t.Errorf("%d schemas were converted, %d walks ended", converted, ended)
	}
}

func TestRefusalsNameKeywordAndPlace(t *testing.T) {
	for _, c := range []struct{ schema, path, keyword string }{
		{`{"type":"object","properties":{"a":{"not":{}}}}`, "#/properties/a", "not"},
		{`{"if":{}}`, "#", "if"}, {`{"patternProperties":{}}`, "#", "patternProperties"}, {`{"type":"array","contains":{}}`, "#", "contains"},
		{`{"type":"array","items":{"uniqueItems":true}}`, "#/items", "uniqueItems"}, {`{"type":"integer","multipleOf":3}`, "#", "multipleOf"},
		{`{"type":"number","minimum":1}`, "#", "minimum"}, {`{"type":"string","format":"email"}`, "#", "format"},
		{`{"type":"string","pattern":"a\\b"}`, "#", "pattern"}, {`{"type":"string","pattern":"(?i)a"}`, "#", "pattern"}, {`{"type":"string","pattern":"a(?=b)"}`, "#", "pattern"}, {`{"type":"string","pattern":"a^b"}`, "#", "pattern"},
		{`{"type":"string","pattern":"a","minLength":1}`, "#", "pattern"}, {`{"type":"string","minLength":3,"maxLength":2}`, "#", "minLength"}, {`{"type":"string","maxLength":100000}`, "#", "maxLength"},
		{`{"$ref":"other.json"}`, "#", "$ref"}, {`{"$ref":"#/$defs/x"}`, "#", "$ref"}, {`{"$ref":"#","minLength":1}`, "#", "$ref"},
		{`{"oneOf":[{"type":"integer"},{"type":"number"}]}`, "#", "oneOf"}, {`{"oneOf":[{"type":"object"},{"type":"object"}]}`, "#", "oneOf"}, {`{"anyOf":[]}`, "#", "anyOf"},
		{`{"allOf":[{"type":"string"},{"type":"null"}]}`, "#", "type"}, {`{"allOf":[{"properties":{"a":true},"additionalProperties":false},{"properties":{"b":true}}]}`, "#", "additionalProperties"},
		{`{"type":"object","required":["a"],"additionalProperties":false}`, "#", "required"}, {`{"type":"object","minProperties":1}`, "#", "minProperties"},
		{`{"type":"array","minItems":3,"maxItems":2}`, "#", "minItems"}, {`{"type":"array","prefixItems":[true],"items":false,"minItems":2}`, "#", "minItems"},
		{`{"type":"thing"}`, "#", "type"}, {`{"type":[[]]}`, "#", "type"}, {`{"enum":[]}`, "#", "enum"}, {`{"enum":["a"],"minLength":1}`, "#", "minLength"},
		{`{"type":"integer","minimum":5,"maximum":4}`, "#", "minimum"}, {`{"type":"integer","minimum":1e99}`, "#", "minimum"}, {`{"type":"null","type":"null"}`, "#", "type"},
		{`{"nullable":true}`, "#", "nullable"}, {`{"properties":{"a":false}}`, "#/properties/a", ""}, {`[]`, "#", ""}, {`{"a`, "#", ""}, {`{} {}`, "#", ""},
		{`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "#", ""}, {`{"$ref":"#"}`, "#", ""}, {strings.Repeat(`{"items":`, 100), "", ""},
	} {
		_, err := Convert([]byte(c.schema))
		var said *Error
		if !errors.As(err, &said) || !errors.Is(err, ErrSchema) || said.Keyword != c.keyword || c.path != "" && said.Path != c.path {
			t.Errorf("%.100s: %v", c.schema, err)
		}
	}
}

// Schemas that refer to themselves in many ways do not explode.
func TestHostileSchemas(t *testing.T) {
	var chain strings.Builder
	for i := range 40 {
		fmt.Fprintf(&chain, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	for _, schema := range []string{
		`{"$defs":{` + chain.String() + `"d40":{"type":"null"}},"$ref":"#/$defs/d0"}`,
		`{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}`, `{"allOf":[{"$ref":"#"}]}`, `{"oneOf":[{"$ref":"#"},{"$ref":"#"}]}`,
		`{"properties":{"a":{"allOf":[{"$ref":"#"},{"properties":{"b":{"$ref":"#"}}}]}}}`,
	} {
		if _, err := Convert([]byte(schema)); err != nil && !errors.Is(err, ErrSchema) {
			t.Errorf("%.80s: %v", schema, err)
		}
	}
}

// FuzzSchema: whatever is converted makes a grammar that can be walked, and what
// it allows is JSON.
func FuzzSchema(f *testing.F) {
	for _, c := range schemas {
		f.Add(c.schema)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		source, err := Convert([]byte(schema))
		if err != nil {
			if !errors.Is(err, ErrSchema) {
				t.Fatalf("unnamed refusal: %v", err)
			}
			return
		}
		g, err := grammar.Parse(source)
		if err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
		if text := walk(t, g, 1); text != "" && !json.Valid([]byte(text)) {
			t.Fatalf("%s allows %s", schema, text)
		}
	})
}
