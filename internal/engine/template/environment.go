package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// filterLoop spends a step for each element that a loop goes through. No template
// can write its name.
const filterLoop = " loop"

// environment is what a template may use.
var environment = &exec.Environment{
	Context: variables(), Filters: filters(), Tests: gonja.DefaultEnvironment.Tests, Methods: methods(), ControlStructures: controlStructures(),
}

// variables has the one of the library's functions that is bounded, and gives the
// same each time.
func variables() *exec.Context {
	namespace, _ := gonja.DefaultContext.Get("namespace")
	return exec.NewContext(map[string]any{"namespace": namespace})
}

// allowedFilters give little more than they are given, in time that is about
// proportional, and the same each time.
var allowedFilters = []string{
	"abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "indent", "int", "join", "last",
	"length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
	"selectattr", "sort", "string", "title", "trim", "upper", "wordcount",
}

// beforehand are checks of what filters would make, where that may be much more
// than they are given.
var beforehand = map[string]func(in *exec.Value, arguments *exec.VarArgs) error{
	"join": func(in *exec.Value, arguments *exec.VarArgs) error {
		return refuseProduct(elements(in), len(argument(arguments, 0, "d")))
	},
	"replace": func(in *exec.Value, arguments *exec.VarArgs) error {
		return refuseProduct(strings.Count(in.String(), argument(arguments, 0, "old")), len(argument(arguments, 1, "new")))
	},
	"indent": func(_ *exec.Value, arguments *exec.VarArgs) error { return refuseWide(arguments, "width") },
}

func filters() *exec.FilterSet {
	all := map[string]exec.FilterFunction{
		filterHandle: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return unless(budgetOf(e.Environment.Context).handle(in), in)
		},
		filterTake: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return unless(budgetOf(e.Environment.Context).take(in), in)
		},
		filterLoop: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return unless(budgetOf(e.Environment.Context).spend(stepBytes*elements(in)), in)
		},
		filterTimes: times,
		filterEnd:   fromEnd,
	}
	for _, name := range allowedFilters {
		if filter, ok := gonja.DefaultEnvironment.Filters.Get(name); ok {
			all[name] = bounded(name, filter)
		}
	}
	all["tojson"], all["items"] = bounded("tojson", toJSON), bounded("items", items)
	return exec.NewFilterSet(all)
}

// fromEnd is an element of a list, or a character of a text, counted from the end;
// none if there are fewer.
func fromEnd(_ *exec.Evaluator, in *exec.Value, arguments *exec.VarArgs) *exec.Value {
	back := -arguments.First().Integer()
	switch {
	case in.IsError():
		return in
	case in.IsString():
		if runes := []rune(in.String()); back <= len(runes) {
			return exec.AsValue(string(runes[len(runes)-back]))
		}
	case in.IsList():
		if n := in.Len(); back <= n {
			return in.Index(n - back)
		}
	}
	return exec.AsValue(nil)
}

// outside are filters that do not look into the elements of a list, each those
// that handle every one of them.
var (
	outside = []string{"length", "count", "first", "last", "list", "reverse", "default", "d", "items", "safe"}
	each    = []string{"map", "select", "selectattr", "reject", "rejectattr"}
)

// bounded is a filter that spends what it takes to go over what it is given and
// to write what it makes.
func bounded(name string, filter exec.FilterFunction) exec.FilterFunction {
	enter := (*budget).take
	switch {
	case slices.Contains(outside, name):
		enter = (*budget).handle
	case slices.Contains(each, name):
		enter = func(b *budget, v *exec.Value) error { return b.spend(stepBytes * elements(v)) }
	}
	check := beforehand[name]
	return func(e *exec.Evaluator, in *exec.Value, arguments *exec.VarArgs) *exec.Value {
		if in.IsError() {
			return in
		}
		spent := budgetOf(e.Environment.Context)
		err := enter(spent, in)
		if err == nil && check != nil {
			err = check(in, arguments)
		}
		if err != nil {
			return exec.AsValue(err)
		}
		out := filter(e, in, arguments)
		return unless(spent.take(out), out)
	}
}

// unless is a value, or an error if there is one.
func unless(err error, v *exec.Value) *exec.Value {
	if err != nil && !v.IsError() {
		return exec.AsValue(err)
	}
	return v
}

// times is multiplication. Of text it repeats it.
func times(e *exec.Evaluator, in *exec.Value, arguments *exec.VarArgs) *exec.Value {
	if in.IsError() || len(arguments.Args) != 1 {
		return in
	}
	by := arguments.Args[0]
	switch {
	case in.IsFloat() || by.IsFloat():
		return exec.AsValue(in.Float() * by.Float())
	case !in.IsString():
		return exec.AsValue(in.Integer() * by.Integer())
	}
	n := max(0, by.Integer())
	if err := refuseProduct(n, in.Val.Len()); err != nil {
		return exec.AsValue(err)
	}
	out := exec.AsValue(strings.Repeat(in.String(), n))
	return unless(budgetOf(e.Environment.Context).take(out), out)
}

// argument is a filter's argument as text, by place or name.
func argument(arguments *exec.VarArgs, place int, name string) string {
	if v, ok := arguments.KwArgs[name]; ok {
		return v.String()
	}
	if place < len(arguments.Args) {
		return arguments.Args[place].String()
	}
	return ""
}

func refuseProduct(times, bytes int) error {
	if bytes > 0 && times > maxValue/bytes {
		return fmt.Errorf("it makes a value of more than %d bytes", maxValue)
	}
	return nil
}

// maxIndent is how far a template may indent lines.
const maxIndent = 64

// refuseWide checks the first argument, a number of spaces or text.
func refuseWide(arguments *exec.VarArgs, name string) error {
	wide := func(v *exec.Value) bool {
		return v.IsInteger() && v.Integer() > maxIndent || v.IsString() && len(v.String()) > maxIndent
	}
	v, ok := arguments.KwArgs[name]
	if !ok && len(arguments.Args) > 0 {
		v, ok = arguments.Args[0], true
	}
	if ok && wide(v) {
		return fmt.Errorf("it indents by more than %d", maxIndent)
	}
	return nil
}

// allowedTextMethods are as allowedFilters.
var allowedTextMethods = []string{
	"capitalize", "count", "endswith", "find", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper", "lower", "lstrip",
	"removeprefix", "removesuffix", "rfind", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
}

func methods() exec.Methods {
	library := gonja.DefaultEnvironment.Methods
	return exec.Methods{
		Bool: exec.NewMethodSet(map[string]exec.Method[bool]{}), Int: exec.NewMethodSet(map[string]exec.Method[int]{}),
		Float: exec.NewMethodSet(map[string]exec.Method[float64]{}),
		Str:   textMethods(library.Str),
		Dict:  dictMethods(library.Dict),
		List:  listMethods(library.List),
	}
}

func textMethods(library *exec.MethodSet[string]) *exec.MethodSet[string] {
	all := map[string]exec.Method[string]{"replace": replace}
	for _, name := range allowedTextMethods {
		if method, ok := library.Get(name); ok {
			all[name] = method
		}
	}
	return exec.NewMethodSet(all)
}

// replace is Python's. The library's demands the third argument.
func replace(text string, _ *exec.Value, arguments *exec.VarArgs) (any, error) {
	if n := len(arguments.Args); n < 2 || n > 3 || !arguments.Args[0].IsString() || !arguments.Args[1].IsString() {
		return nil, exec.ErrInvalidCall(errors.New("replace takes two texts, and how many to replace"))
	}
	old, by, most := arguments.Args[0].String(), arguments.Args[1].String(), -1
	if len(arguments.Args) == 3 {
		most = arguments.Args[2].Integer()
	}
	if err := refuseProduct(strings.Count(text, old), len(by)); err != nil {
		return nil, err
	}
	return strings.Replace(text, old, by, most), nil
}

func listMethods(library *exec.MethodSet[[]any]) *exec.MethodSet[[]any] {
	none := exec.NewMethodSet(map[string]exec.Method[[]any]{})
	appendTo, ok := library.Get("append")
	if !ok {
		return none
	}
	return exec.NewMethodSet(map[string]exec.Method[[]any]{
		"copy": func(list []any, _ *exec.Value, _ *exec.VarArgs) (any, error) { return list, nil },
		"append": func(list []any, self *exec.Value, arguments *exec.VarArgs) (any, error) {
			out, err := appendTo(list, self, arguments)
			m := measure{left: maxValue}
			if m.add(self.Val, 0); err == nil && m.left < 0 { // it may now contain itself
				err = fmt.Errorf("it makes a list of more than %d bytes, or more than %d deep", maxValue, maxNesting)
			}
			return out, err
		},
	})
}
