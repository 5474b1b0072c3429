package engine

import (
	"fmt"

	"github.com/koinon/koinon/internal/engine/template"
	"github.com/koinon/koinon/internal/engine/toolcall"
)

// ErrTemplate is returned when a model's chat template cannot be used.
var ErrTemplate = template.ErrTemplate

// chatTemplate is a model's template for conversations.
type chatTemplate struct {
	parsed *template.Template
	tools  toolcall.Format // what it teaches
}

func parseTemplate(source string) (*chatTemplate, error) {
	parsed, err := template.Parse(source)
	if err != nil {
		return nil, err
	}
	return &chatTemplate{parsed, toolcall.FormatOf(source)}, nil
}

// render is the text of a conversation, ready for the assistant's turn.
func (t *chatTemplate) render(c Conversation, bos, eos string) (string, error) {
	if len(c.Tools) > 0 && t.tools == toolcall.None {
		return "", fmt.Errorf("%w: the model's chat template has no place for tools", ErrTools)
	}
	messages, tools, err := c.values()
	if err != nil {
		return "", err
	}
	return t.parsed.Render(map[string]any{
		"messages": messages, "tools": tools, "bos_token": bos, "eos_token": eos, "add_generation_prompt": true,
	})
}
