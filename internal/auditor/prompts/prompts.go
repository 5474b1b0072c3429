// Package prompts makes what a mystery shopper asks: prompts that cannot be
// told from other people's. They are drawn from a pool that anyone may extend
// with files, said in other words, and as long as the market's prompts and
// answers are now.
package prompts

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
)

//go:embed pool/*.txt
var included embed.FS

// maxPrompt bounds a line of a pool, in bytes.
const maxPrompt = 64 << 10

// ErrEmpty says that a pool has no prompt.
var ErrEmpty = errors.New("no prompts: give files with one prompt a line")

// Pool is what there is to ask.
type Pool struct{ lines []string }

// Load reads the pool that comes with the program and files or folders of more,
// one prompt a line; # begins a remark.
func Load(files ...string) (*Pool, error) {
	p := &Pool{}
	own, err := fs.Sub(included, "pool")
	if err != nil {
		return nil, err
	}
	if err := p.readAll(own); err != nil {
		return nil, err
	}
	for _, file := range files {
		info, err := os.Stat(file)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading prompts: %w", err)
		case info.IsDir():
			err = p.readAll(os.DirFS(file))
		default:
			err = p.read(os.DirFS(path.Dir(file)), path.Base(file))
		}
		if err != nil {
			return nil, err
		}
	}
	if len(p.lines) == 0 {
		return nil, ErrEmpty
	}
	return p, nil
}

// Len is how many prompts there are before they are said in other words.
func (p *Pool) Len() int { return len(p.lines) }

func (p *Pool) readAll(folder fs.FS) error {
	files, err := fs.Glob(folder, "*.txt")
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := p.read(folder, file); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pool) read(folder fs.FS, name string) error {
	file, err := folder.Open(name)
	if err != nil {
		return fmt.Errorf("reading prompts: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxPrompt)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			p.lines = append(p.lines, line)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading prompts of %s: %w", name, err)
	}
	return nil
}

// Prompt is one thing to ask.
type Prompt struct {
	System      string // empty for none
	Text        string
	MaxTokens   uint32
	Temperature float64
}

// Draw makes a prompt: as long, in tokens, as chance takes it of the lengths, and
// asking for as long an answer. A longer prompt than the pool has is made of a
// conversation's worth of several, as people's are.
func (p *Pool) Draw(chance *rand.Rand, l Lengths) Prompt {
	wanted := int(l.Prompt.draw(chance)) * bytesPerToken
	text := reword(chance, p.lines[chance.IntN(len(p.lines))])
	for n := 0; len(text) < wanted && n < maxParts; n++ {
		text += joins[chance.IntN(len(joins))] + reword(chance, p.lines[chance.IntN(len(p.lines))])
	}
	out := Prompt{Text: text, MaxTokens: uint32(max(1, l.Answer.draw(chance))), Temperature: temperatures[chance.IntN(len(temperatures))]}
	if chance.IntN(3) == 0 {
		out.System = systems[chance.IntN(len(systems))]
	}
	return out
}

const (
	// bytesPerToken is about what a token of English takes.
	bytesPerToken = 4
	maxParts      = 400
)

// What people put around a question.
var (
	openings     = []string{"", "", "", "Please ", "Hi! ", "Hello, ", "Can you help? ", "Quick question. ", "I need this for tomorrow: ", "Ok so. "}
	closings     = []string{"", "", "", " Thanks!", " Keep it short.", " Be specific.", " Answer in plain language.", " Thank you", " Give one example."}
	joins        = []string{"\n\n", "\n\nAnd another thing. ", "\n\nAlso: ", "\n\nAfter that, ", "\n\nContext, from earlier: "}
	systems      = []string{"You are a helpful assistant.", "Answer briefly.", "You are a careful writer. Answer in the user's language.", "Be concise and correct."}
	temperatures = []float64{0, 0.2, 0.7, 0.7, 0.7, 1, 1}
	otherWords   = [][2]string{
		{"Write", "Draft"}, {"Explain", "Describe"}, {"Give me", "I would like"}, {"short", "brief"}, {"What is", "Tell me what is"},
		{"How do I", "What is the best way to"}, {"small", "little"}, {"large", "big"}, {"list", "overview"}, {"Suggest", "Propose"},
		{"people", "folks"}, {"example", "instance"}, {"important", "essential"}, {"difference", "distinction"},
	}
)

// reword says a prompt in other words, and now and then carelessly.
func reword(chance *rand.Rand, text string) string {
	for _, pair := range otherWords {
		if chance.IntN(2) == 0 {
			text = strings.Replace(text, pair[0], pair[1], 1)
		}
	}
	opening := openings[chance.IntN(len(openings))]
	if strings.HasSuffix(opening, "Please ") && text != "" {
		text = strings.ToLower(text[:1]) + text[1:]
	}
	text = opening + text + closings[chance.IntN(len(closings))]
	if chance.IntN(8) == 0 {
		text = strings.ToLower(text)
	}
	return text
}
