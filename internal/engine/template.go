package engine

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// ErrTemplate is returned when a model's chat template cannot be used.
var ErrTemplate = errors.New("the model's chat template fails")

// Bounds on templates, which come with models and may be hostile: neither their
// text nor what they make of a conversation may be much larger than sound ones.
const (
	maxTemplate = 64 << 10
	maxRendered = 4 << 20
)

// template is a chat template in the Jinja that models ship.
type template struct{ parsed *exec.Template }

func parseTemplate(source string) (t *template, err error) {
	if len(source) > maxTemplate {
		return nil, fmt.Errorf("%w: %d bytes long, %d are allowed", ErrTemplate, len(source), maxTemplate)
	}
	// The library panics on some malformed templates.
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("%w: %v", ErrTemplate, r)
		}
	}()
	parsed, err := gonja.FromString(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return &template{parsed}, nil
}

func (t *template) render(messages []Message, bos, eos string) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, err = "", fmt.Errorf("%w: %v", ErrTemplate, r)
		}
	}()
	list := make([]map[string]any, len(messages))
	for i, m := range messages {
		list[i] = map[string]any{"role": m.Role, "content": m.Content}
	}
	var out limited
	err = t.parsed.Execute(&out, exec.NewContext(map[string]any{
		"messages": list, "bos_token": bos, "eos_token": eos, "add_generation_prompt": true,
		"range":           boundedRange,
		"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
	}))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return string(out), nil
}

// maxRange is the longest range that a template may count through.
const maxRange = 10_000

// boundedRange is Jinja's range for short ranges: the library's makes a list of
// any length before the first step.
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

// limited collects what a template writes, up to maxRendered.
type limited []byte

func (l *limited) Write(data []byte) (int, error) {
	if len(*l)+len(data) > maxRendered {
		return 0, fmt.Errorf("%w: it writes more than %d bytes", ErrTemplate, maxRendered)
	}
	*l = append(*l, data...)
	return len(data), nil
}
