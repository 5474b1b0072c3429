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
		"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
	}))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return string(out), nil
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
