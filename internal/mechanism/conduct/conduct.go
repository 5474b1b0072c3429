// Package conduct is how a model version is told to behave: a system prompt that
// begins every conversation, and safety filters by name. It lies in the version's
// file, beside the chat template, and its digest in the manifest; so whoever
// renders a prompt renders the same, and who changes it serves another version.
package conduct

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/receipt"
)

// Bounds of a conduct.
const (
	MaxPrompt  = 16 << 10 // bytes
	MaxFilters = 32
)

var filterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// ErrConduct refuses a conduct; the message names the field.
var ErrConduct = errors.New("invalid conduct")

// Conduct is how a version behaves.
type Conduct struct {
	// SystemPrompt begins every conversation.
	SystemPrompt string
	// Filters are those that are on, by name, in alphabetical order.
	Filters []string
}

// IsZero says whether a version is told nothing.
func (c Conduct) IsZero() bool { return c.SystemPrompt == "" && len(c.Filters) == 0 }

// Validate checks bounds, names and their order. Refusal: [ErrConduct].
func (c Conduct) Validate() error {
	if len(c.SystemPrompt) > MaxPrompt || len(c.Filters) > MaxFilters {
		return fmt.Errorf("%w: a system prompt has at most %d bytes, and there are at most %d filters", ErrConduct, MaxPrompt, MaxFilters)
	}
	if !isText(c.SystemPrompt) {
		return fmt.Errorf("%w: system_prompt is no text", ErrConduct)
	}
	for i, f := range c.Filters {
		if !filterName.MatchString(f) || i > 0 && c.Filters[i-1] >= f {
			return fmt.Errorf("%w: filters[%d]: names of lower-case letters, digits and hyphens in alphabetical order, not %q", ErrConduct, i, f)
		}
	}
	return nil
}

func isText(s string) bool { return strings.ToValidUTF8(s, "") == s && !strings.Contains(s, "\x00") }

// Digest names a conduct; it is zero for none.
func (c Conduct) Digest() receipt.Digest {
	if c.IsZero() {
		return receipt.Digest{}
	}
	w := canonical.Writer("koinon/conduct/v1\x00")
	w.Bytes([]byte(c.SystemPrompt))
	w.Uint32(uint32(len(c.Filters)))
	for _, f := range c.Filters {
		w.Bytes([]byte(f))
	}
	return receipt.Sum(w)
}

// Text is what a conversation's first, system message says; what its own system
// message says, if it has one, follows after an empty line.
func (c Conduct) Text() string {
	if len(c.Filters) == 0 {
		return c.SystemPrompt
	}
	filters := "Safety filters: " + strings.Join(c.Filters, ", ") + "."
	if c.SystemPrompt == "" {
		return filters
	}
	return c.SystemPrompt + "\n\n" + filters
}
