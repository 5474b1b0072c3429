// Package conduct keeps in a model's file how the model is told to behave: beside
// the chat template, where whoever renders a prompt finds it. What it is, is
// package mechanism/conduct's.
package conduct

import (
	"fmt"

	"github.com/koinon/koinon/internal/engine/gguf"
	rules "github.com/koinon/koinon/internal/mechanism/conduct"
)

// Keys of the file's metadata.
const (
	promptKey  = "koinon.system_prompt"
	filtersKey = "koinon.filters"
)

// Read is the conduct in a file; a file without one has the zero conduct.
func Read(f *gguf.File) (c rules.Conduct, err error) {
	if f.Has(promptKey) {
		if c.SystemPrompt, err = f.Text(promptKey); err != nil {
			return c, err
		}
	}
	if f.Has(filtersKey) {
		if c.Filters, err = f.Texts(filtersKey); err != nil {
			return c, err
		}
	}
	return c, c.Validate()
}

// File is a copy of f that has a conduct, in the place of any that it had. Its
// tensors stay as they are. f must stay open.
func File(f *gguf.File, c rules.Conduct) (*gguf.Writer, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("writing a conduct: %w", err)
	}
	w := gguf.Rewrite(f, promptKey, filtersKey)
	if c.SystemPrompt != "" {
		w.Text(promptKey, c.SystemPrompt)
	}
	if len(c.Filters) > 0 {
		w.Texts(filtersKey, c.Filters)
	}
	for _, t := range f.Tensors() {
		w.Copy(t)
	}
	return w, nil
}
