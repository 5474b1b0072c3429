// Package template renders the chat templates that models ship: Jinja, by a
// library that was made for templates that one trusts.
//
// These come with models and may be hostile, so they are confined. What a
// rendering may cost is bounded by numbers in this package that depend on the
// template and what it is given alone, never on time or memory: a template works
// everywhere or nowhere. There are no files, macros or recursion, nothing drawn
// at random, and no values that contain themselves.
package template

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// ErrTemplate is returned when a template cannot be used.
var ErrTemplate = errors.New("the model's chat template fails")

// maxSource is the longest template, in bytes.
const maxSource = 64 << 10

// Template is a template. It does not change and is safe for concurrent use.
type Template struct{ parsed *exec.Template }

// Parse reads a template.
func Parse(source string) (t *Template, err error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("%w: %d bytes long, %d are allowed", ErrTemplate, len(source), maxSource)
	}
	// The library panics on some malformed templates.
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("%w: %v", ErrTemplate, r)
		}
	}()
	loader, err := loaders.NewMemoryLoader(map[string]string{"/chat": source})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	parsed, err := exec.NewTemplate("/chat", gonja.DefaultConfig, loader, environment)
	if err == nil {
		err = confineNodes(parsed.Root().Nodes)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return &Template{parsed}, nil
}

// Render is what the template makes of variables, besides which it has range,
// namespace and raise_exception.
func (t *Template) Render(variables map[string]any) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, err = "", fmt.Errorf("%w: %v", ErrTemplate, r)
		}
	}()
	spent := &budget{steps: maxSteps}
	out := &limited{budget: spent}
	context := exec.NewContext(map[string]any{
		"range": boundedRange, budgetName: spent,
		"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
	}).Update(exec.NewContext(variables))
	if err := t.parsed.Execute(out, context); err != nil {
		return "", fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return string(out.text), nil
}

// maxRange is the longest range that a template may count through.
const maxRange = 1000

// boundedRange is Jinja's range for short ranges.
func boundedRange(bounds ...int) ([]int, error) {
	from, to, step := 0, 0, 1
	switch len(bounds) {
	case 1:
		to = bounds[0]
	case 2:
		from, to = bounds[0], bounds[1]
	case 3:
		from, to, step = bounds[0], bounds[1], bounds[2]
	}
	if step == 0 || len(bounds) == 0 || len(bounds) > 3 {
		return nil, errors.New("range takes one to three numbers, the last not zero")
	}
	var list []int
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if len(list) == maxRange {
			return nil, fmt.Errorf("range is longer than %d", maxRange)
		}
		list = append(list, i)
	}
	return list, nil
}
