package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// What Python does otherwise than the library: dictionaries keep their order, and
// JSON is as json.dumps writes it with ensure_ascii off. Models were trained on
// texts made so.

// dictMethods are those of dictionaries that leave them as they are, in the order
// of their keys.
func dictMethods(library *exec.MethodSet[map[string]any]) *exec.MethodSet[map[string]any] {
	ordered := map[string]exec.Method[map[string]any]{}
	for _, name := range []string{"get", "copy"} {
		if method, ok := library.Get(name); ok {
			ordered[name] = method
		}
	}
	for name, of := range map[string]func(*exec.Pair) any{
		"keys":   func(p *exec.Pair) any { return p.Key },
		"values": func(p *exec.Pair) any { return p.Value },
		"items":  func(p *exec.Pair) any { return []any{p.Key, p.Value} },
	} {
		ordered[name] = func(_ map[string]any, self *exec.Value, arguments *exec.VarArgs) (any, error) {
			if err := arguments.Take(); err != nil {
				return nil, exec.ErrInvalidCall(err)
			}
			return listed(self, of), nil
		}
	}
	return exec.NewMethodSet(ordered)
}

// items is the filter: a dictionary's keys and values. The library's has the
// order of Go's maps, which is none.
func items(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	switch err := params.Take(); {
	case in.IsError(), in.IsList():
		return in
	case err != nil:
		return exec.AsValue(exec.ErrInvalidCall(err))
	case in.IsNil():
		return exec.AsValue([]any{})
	case !in.IsDict():
		return exec.AsValue(errors.New("items takes a dictionary"))
	}
	return exec.AsValue(listed(in, func(p *exec.Pair) any { return []any{p.Key, p.Value} }))
}

// listed lists what of makes of a dictionary's pairs, in order.
func listed(v *exec.Value, of func(*exec.Pair) any) []any {
	list := []any{}
	for _, p := range pairsOf(v) {
		list = append(list, of(p))
	}
	return list
}

// pairsOf is a dictionary in the order of its JSON; one of Go's maps is sorted.
func pairsOf(v *exec.Value) []*exec.Pair {
	var pairs []*exec.Pair
	for _, key := range v.Keys() {
		value, _ := v.GetItem(key.String())
		pairs = append(pairs, &exec.Pair{Key: key, Value: value})
	}
	return pairs
}

func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	indent := params.GetKeywordArgument("indent", nil)
	if first := params.First(); first != nil && !first.IsNil() {
		indent = first
	}
	w := jsonWriter{indent: -1}
	if indent.IsInteger() {
		w.indent = min(max(0, indent.Integer()), maxIndent)
	}
	w.value(in, maxNesting)
	if w.err != nil {
		return exec.AsValue(w.err)
	}
	return exec.AsSafeValue(w.out.String())
}

// jsonWriter writes values as Python's json.dumps does.
type jsonWriter struct {
	out    strings.Builder
	indent int // negative for one line
	depth  int
	err    error
}

func (w *jsonWriter) value(v *exec.Value, left int) {
	switch {
	case left == 0:
		w.err = fmt.Errorf("tojson: it is nested deeper than %d", maxNesting)
	case v.IsNil():
		w.out.WriteString("null")
	case v.IsError():
		w.err = errors.New("tojson: " + v.Error())
	case v.IsBool():
		w.out.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsInteger():
		w.out.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		w.text(json.Marshal(v.Float()))
	case v.IsString():
		w.quote(v.String())
	case v.IsDict():
		items := pairsOf(v)
		w.group('{', '}', len(items), func(i int) {
			w.quote(items[i].Key.String())
			w.out.WriteString(": ")
			w.value(items[i].Value, left-1)
		})
	case v.IsList():
		w.group('[', ']', v.Len(), func(i int) { w.value(v.Index(i), left-1) })
	default:
		w.err = errors.New("tojson: a value that is no JSON")
	}
}

func (w *jsonWriter) text(b []byte, err error) {
	w.out.Write(b)
	w.err = errors.Join(w.err, err)
}

// quote writes a string; only what JSON demands is escaped.
func (w *jsonWriter) quote(s string) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	w.text([]byte(strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))), err)
}

func (w *jsonWriter) group(open, end byte, n int, element func(i int)) {
	w.out.WriteByte(open)
	w.depth++
	for i := range n {
		if w.err != nil || w.out.Len() > maxValue {
			w.err = errors.Join(w.err, fmt.Errorf("tojson: more than %d bytes", maxValue))
			return
		}
		if i > 0 {
			w.out.WriteByte(',')
		}
		if w.indent >= 0 {
			w.line()
		} else if i > 0 {
			w.out.WriteByte(' ')
		}
		element(i)
	}
	w.depth--
	if w.indent >= 0 && n > 0 {
		w.line()
	}
	w.out.WriteByte(end)
}

func (w *jsonWriter) line() {
	w.out.WriteByte('\n')
	w.out.WriteString(strings.Repeat(" ", w.indent*w.depth))
}
