package trainer

import (
	_ "embed"
	"io"
	"os"
	"runtime"
	"strings"
	"text/template"
	"time"

	"github.com/koinon/koinon/internal/tensor"
)

// Card is what a model card says of a finished run.
type Card struct {
	Config  Config // as given to Run
	Summary Summary
	Command string // that trained the model
}

//go:embed card.md.tmpl
var cardTemplate string

var card = template.Must(template.New("card").Funcs(template.FuncMap{
	"quote":   func(s string) string { return "> " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "  \n> ") },
	"bold":    bold,
	"round":   func(d time.Duration) time.Duration { return d.Round(time.Second) },
	"million": func(n int) float64 { return float64(n) / 1e6 },
}).Parse(cardTemplate))

// bold keeps the line's end out of the emphasis.
func bold(line string) string {
	text := strings.TrimRight(line, "\n")
	return "**" + text + "**" + line[len(text):]
}

// Write writes the card in Markdown.
func (c Card) Write(w io.Writer) error {
	c.Config.setDefaults()
	return card.Execute(w, c)
}

// Machine names the processor, and the kernels that run on it.
func (c Card) Machine() string {
	name := runtime.GOOS + "/" + runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return name + ", " + tensor.Kernel() + " kernels"
}
