package engine

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"

	"github.com/koinon/koinon/internal/engine/toolcall"
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
type template struct {
	parsed *exec.Template
	tools  toolcall.Format // what it teaches
}

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
	loader, err := loaders.NewMemoryLoader(map[string]string{"/chat": source})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	parsed, err := exec.NewTemplate("/chat", gonja.DefaultConfig, loader, environment)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return &template{parsed, toolcall.FormatOf(source)}, nil
}

// environment is what a template may use: no other file, and no macro, whose
// recursion would end the process.
var environment = &exec.Environment{
	Context: gonja.DefaultContext, Filters: filters(),
	Tests: gonja.DefaultEnvironment.Tests, Methods: methods(),
	ControlStructures: controlStructures(),
}

func controlStructures() *exec.ControlStructureSet {
	allowed := map[string]parser.ControlStructureParser{}
	for _, name := range []string{"if", "set", "with", "raw", "do", "break", "continue"} {
		if parse, ok := gonja.DefaultEnvironment.ControlStructures.Get(name); ok {
			allowed[name] = parse
		}
	}
	parseFor, _ := gonja.DefaultEnvironment.ControlStructures.Get("for")
	allowed["for"] = func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		loop, err := parseFor(p, args)
		if err != nil {
			return nil, err
		}
		return countedLoop{loop.(exec.ControlStructure)}, nil
	}
	return exec.NewControlStructureSet(allowed)
}

// maxLoops is how many loops one rendering may begin, and loopsLeft the name
// under which the rest is kept, which no template can write.
const (
	maxLoops  = 1024
	loopsLeft = " loops left"
)

// countedLoop is a loop that may only begin while some are left, so that loops
// in loops end.
type countedLoop struct{ exec.ControlStructure }

// Execute runs the loop.
func (l countedLoop) Execute(r *exec.Renderer, block *nodes.ControlStructureBlock) error {
	value, _ := r.Environment.Context.Get(loopsLeft)
	left, ok := value.(*int)
	if !ok || *left == 0 {
		return fmt.Errorf("it begins more than %d loops", maxLoops)
	}
	*left--
	return l.ControlStructure.Execute(r, block)
}

func (t *template) render(c Conversation, bos, eos string) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, err = "", fmt.Errorf("%w: %v", ErrTemplate, r)
		}
	}()
	if len(c.Tools) > 0 && t.tools == toolcall.None {
		return "", fmt.Errorf("%w: the model's chat template has no place for tools", ErrTools)
	}
	messages, tools, err := c.values()
	if err != nil {
		return "", err
	}
	var out limited
	loops := maxLoops
	err = t.parsed.Execute(&out, exec.NewContext(map[string]any{
		"messages": messages, "tools": tools, "bos_token": bos, "eos_token": eos, "add_generation_prompt": true,
		"range": boundedRange, loopsLeft: &loops,
		"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
	}))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return string(out), nil
}

// maxRange is the longest range that a template may count through.
const maxRange = 1000

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
