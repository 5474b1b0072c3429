package template

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// Bounds of a rendering. A conversation that fills the longest context is
// well within them.
const (
	maxSteps   = 1 << 19 // steps, each of which handles stepBytes at most
	stepBytes  = 64
	maxText    = 4 << 20 // bytes written
	maxValue   = 4 << 20 // bytes of one value
	maxNesting = 128     // lists in lists
	perElement = 16      // bytes that an element counts besides what is in it
)

// budgetName is the variable with a rendering's budget. No template can write it.
const budgetName = " budget"

// budget is what is left to a rendering.
type budget struct{ steps int }

// spend takes one step, and those that handling bytes takes.
func (b *budget) spend(bytes int) error {
	if b.steps -= 1 + bytes/stepBytes; b.steps < 0 {
		return fmt.Errorf("it takes more than %d steps", maxSteps)
	}
	return nil
}

func budgetOf(c *exec.Context) *budget {
	value, _ := c.Get(budgetName)
	if b, ok := value.(*budget); ok {
		return b
	}
	return new(budget) // which is spent
}

// handle spends what it takes to go over a value once, without looking into its
// elements.
func (b *budget) handle(v *exec.Value) error { return b.spend(width(v)) }

// width is the bytes that are handled when a value is, but what is in it is not.
func width(v *exec.Value) int {
	switch inner := indirect(v.Val); inner.Kind() {
	case reflect.String:
		return inner.Len()
	case reflect.Slice, reflect.Array:
		return inner.Len() // of which most need but a look
	}
	return perElement * elements(v) // the library sorts keys
}

// elements is how many a loop goes through.
func elements(v *exec.Value) int {
	switch inner := indirect(v.Val); inner.Kind() {
	case reflect.String:
		return utf8.RuneCountInString(inner.String())
	case reflect.Slice, reflect.Array, reflect.Map:
		return inner.Len()
	case reflect.Struct:
		if dict, ok := inner.Interface().(exec.Dict); ok {
			return len(dict.Pairs)
		}
	}
	return 0
}

// take spends what it takes to write a value out, and refuses those that are too large
// or contain themselves.
func (b *budget) take(v *exec.Value) error {
	m := measure{left: maxValue}
	if v != nil {
		m.add(v.Val, 0)
	}
	if m.left < 0 {
		return fmt.Errorf("it makes a value of more than %d bytes, or of lists more than %d deep", maxValue, maxNesting)
	}
	return b.spend(maxValue - m.left)
}

// measure goes through a value; left is negative once it is too large.
type measure struct{ left int }

func (m *measure) add(v reflect.Value, depth int) {
	if m.left -= perElement; m.left < 0 {
		return
	}
	if depth > maxNesting {
		m.left = -1
		return
	}
	switch v = indirect(v); v.Kind() {
	case reflect.String:
		m.left -= v.Len()
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			m.left -= v.Len()
			return
		}
		for i := 0; i < v.Len() && m.left >= 0; i++ {
			m.add(v.Index(i), depth+1)
		}
	case reflect.Map:
		for entries := v.MapRange(); m.left >= 0 && entries.Next(); {
			m.add(entries.Key(), depth+1)
			m.add(entries.Value(), depth+1)
		}
	case reflect.Struct:
		if v.CanInterface() {
			m.library(v.Interface(), depth)
		}
	}
}

// library goes through the library's own kinds of values.
func (m *measure) library(value any, depth int) {
	switch v := value.(type) {
	case exec.Dict:
		for i := 0; i < len(v.Pairs) && m.left >= 0; i++ {
			m.library(*v.Pairs[i], depth)
		}
	case exec.Pair:
		for _, side := range []*exec.Value{v.Key, v.Value} {
			if side != nil {
				m.add(side.Val, depth+1)
			}
		}
	}
}

// indirect is what interfaces, pointers and the library's values refer to.
func indirect(v reflect.Value) reflect.Value {
	for range maxNesting {
		switch {
		case v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer:
			v = v.Elem()
		case v.Kind() == reflect.Struct && v.CanInterface() && v.Type() == reflect.TypeFor[exec.Value]():
			v = v.Interface().(exec.Value).Val
		default:
			return v
		}
	}
	return v
}

// limited collects what a template writes, up to maxText.
type limited struct {
	budget *budget
	text   []byte
}

func (l *limited) Write(data []byte) (int, error) {
	if len(l.text)+len(data) > maxText {
		return 0, fmt.Errorf("it writes more than %d bytes", maxText)
	}
	if err := l.budget.spend(len(data)); err != nil {
		return 0, err
	}
	l.text = append(l.text, data...)
	return len(data), nil
}
