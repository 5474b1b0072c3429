package prompts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAnyoneMayExtendThePool(t *testing.T) {
	own, err := Load()
	if err != nil || own.Len() < 50 {
		t.Fatalf("%d prompts, %v", own.Len(), err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mine.txt"), []byte("# a remark\n\nWho was Hypatia?\nWhy?\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{folder, filepath.Join(folder, "mine.txt")} {
		more, err := Load(from)
		if err != nil || more.Len() != own.Len()+2 {
			t.Errorf("%s: %d prompts, %v", from, more.Len(), err)
		}
	}
	if _, err := Load(filepath.Join(folder, "none.txt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// No two are alike, and their lengths are those of the market.
func TestPromptsFollowTheMarket(t *testing.T) {
	p, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for range 300 {
		seen[p.Draw(chance, Usual()).Text] = true
	}
	if len(seen) < 280 {
		t.Errorf("%d different prompts of 300", len(seen))
	}
	mean := func(l Lengths) (bytes, tokens int) {
		for range 400 {
			d := p.Draw(chance, l)
			bytes, tokens = bytes+len(d.Text), tokens+int(d.MaxTokens)
		}
		return bytes / 400, tokens / 400
	}
	long := Lengths{Prompt: Histogram{[]uint64{500, 1000}, []uint64{0, 1}}, Answer: Histogram{[]uint64{1000, 2000}, []uint64{0, 1}}}
	bytes, tokens := mean(Usual())
	longBytes, longTokens := mean(long)
	if longBytes < 2000 || longBytes > 4500 || longTokens < 1400 || longTokens > 1600 || bytes > longBytes/4 || tokens > longTokens/4 {
		t.Errorf("%d bytes and %d tokens, in a market of long ones %d and %d", bytes, tokens, longBytes, longTokens)
	}
}

func TestReadLengths(t *testing.T) {
	metrics := func(name string) string {
		return fmt.Sprintf("# TYPE %[1]s histogram\n%[1]s_bucket{le=\"64\"} 40\n%[1]s_bucket{le=\"128\"} 150\n%[1]s_bucket{le=\"+Inf\"} 151\n%[1]s_sum 9\n%[1]s_count 151\n", name)
	}
	l, err := ReadLengths(strings.NewReader(metrics(PromptTokens) + metrics(AnswerTokens)))
	if err != nil || len(l.Answer.Most) != 2 || l.Answer.Count[1] != 110 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := ReadLengths(strings.NewReader("nothing 1\n")); !errors.Is(err, ErrLengths) {
		t.Errorf("without lengths: %v", err)
	}
}

// Whatever a gateway says, a prompt stays within bounds.
func TestDrawIsBounded(t *testing.T) {
	p, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Uint64Range(1, maxLength))
		h := Histogram{Most: list.Draw(t, "most")}
		for range h.Most {
			h.Count = append(h.Count, rapid.Uint64Range(0, 1<<40).Draw(t, "count"))
		}
		d := p.Draw(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), Lengths{h, h})
		if d.Text == "" || d.MaxTokens < 1 || d.MaxTokens > maxLength || len(d.Text) > maxLength*bytesPerToken+1000 {
			t.Fatalf("%d bytes, %d tokens", len(d.Text), d.MaxTokens)
		}
	})
}

func FuzzReadLengths(f *testing.F) {
	f.Add("koinon_gateway_prompt_tokens_bucket{le=\"64\"} 40\n")
	p, err := Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := ReadLengths(strings.NewReader(text)); err == nil {
			p.Draw(rand.New(rand.NewPCG(1, 1)), l)
		}
	})
}
