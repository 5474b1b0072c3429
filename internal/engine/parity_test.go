package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
)

// hardTexts are what tokenizers stumble over.
var hardTexts = []string{
	"", " ", "  ", "   the   things  ", "the\n\n\nthing\t\tsinging \r\n x", "I'll don't they've it's 'S 'LL",
	"naïve café — “quotes” … № 5½", "北京大学 日本語のテキスト 한국어", "مرحبا بالعالم", "🙂👩‍👩‍👧‍👦🇬🇷 e\u0301",
	"x=1;if(x>=10){y[0]='\\n';}//comment", "0123456789 10,000.00 ²³ ٣٤", "\u00a0\u2003\u3000 odd spaces", "ROMEO:\nBut soft, what light",
	"a\u200bb\ufeffc", strings.Repeat("ing", 50) + strings.Repeat(" ", 40) + "x",
}

// peer is a model to compare with llama.cpp, and what that makes of it.
type peer struct {
	name      string
	tolerance float64 // of the mean absolute difference of log-probabilities
	model     *Model

	Path          string    `json:"path"`
	Continuations [][]int32 `json:"continuations"`
	ids           [][]int32 // of hardTexts
	logprobs      [][]float64
}

// newPeer chooses over two thousand tokens of hard and easy text.
func newPeer(t *testing.T, name, path string, tolerance float64) *peer {
	t.Helper()
	p := &peer{name: name, tolerance: tolerance, model: load(t, path), Path: path}
	tokens := p.model.Prompt(strings.Join(hardTexts, " "))
	for len(tokens) < 2100 {
		tokens = append(tokens, p.model.Prompt(" And the thing was singing in the evening of the day: who is there? A stranger, my lord.\n")...)
	}
	for part := range slices.Chunk(tokens, 200) {
		if len(part) > 1 {
			p.Continuations = append(p.Continuations, part)
		}
	}
	return p
}

// llamaCpp is installed once for all tests.
var llamaCpp sync.Once

// installLlamaCpp skips the test where npm is absent.
func installLlamaCpp(t *testing.T) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is absent, so llama.cpp is not here to compare with")
	}
	llamaCpp.Do(func() {
		install := exec.Command(npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
		install.Dir = filepath.Join("testdata", "llamacpp")
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	})
}

// runLlamaCpp gives a script of testdata/llamacpp its input and reads its n
// results, all JSON. It skips the test where the program that runs the script is
// absent.
func runLlamaCpp[R any](t *testing.T, program, script string, input any, n int) []R {
	t.Helper()
	installLlamaCpp(t)
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("SKIPPED: %s is absent, so llama.cpp cannot be asked by %s", program, script)
	}
	question, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for left := 2; ; left-- {
		var talk bytes.Buffer
		run := exec.Command(program, script)
		run.Dir, run.Stdin, run.Stderr = filepath.Join("testdata", "llamacpp"), bytes.NewReader(question), &talk
		if out, err = run.Output(); err == nil {
			break
		}
		// Node crashes in its collector now and then, with what node-llama-cpp
		// gives it; that says nothing of the answer.
		var exit *exec.ExitError
		if left == 0 || !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("llama.cpp: %v\n%s", err, talk.String())
		}
		t.Logf("%s %s: %v; once more", program, script, err)
	}
	var results []R
	if err := json.Unmarshal(out, &results); err != nil || len(results) != n {
		t.Fatalf("llama.cpp said %.300s: %d results, %d wanted: %v", out, len(results), n, err)
	}
	return results
}

// scores are what llama.cpp makes of a peer.
type scores struct {
	IDs      [][]int32   `json:"ids"`
	Logprobs [][]float64 `json:"logprobs"`
}

// askLlamaCpp runs score.mjs.
func askLlamaCpp(t *testing.T, peers []*peer) {
	t.Helper()
	results := runLlamaCpp[scores](t, "node", "score.mjs", map[string]any{"texts": hardTexts, "models": peers}, len(peers))
	for i, r := range results {
		peers[i].ids, peers[i].logprobs = r.IDs, r.Logprobs
	}
}

// compare checks that llama.cpp cuts the same tokens from hard texts and finds
// their log-probabilities within the tolerance.
func (p *peer) compare(t *testing.T) {
	for i, text := range hardTexts {
		if own := p.model.Encode(text, false); !slices.Equal(own, p.ids[i]) {
			t.Errorf("%q: our tokens %v, llama.cpp's %v", text, own, p.ids[i])
		}
	}
	var sum float64
	n := 0
	for i, part := range p.Continuations {
		own, err := p.model.Score(part, 2)
		if err != nil {
			t.Fatal(err)
		}
		for j, logprob := range own {
			sum += math.Abs(float64(logprob) - p.logprobs[i][j])
			n++
		}
	}
	mean := sum / float64(n)
	t.Logf("mean |Δ log-probability| over %d positions: %.2e", n, mean)
	if !(mean < p.tolerance) || n < 2000 {
		t.Errorf("mean |Δ log-probability| over %d positions is %g, at most %g is agreement", n, mean, p.tolerance)
	}
}

func TestLlamaCppAgrees(t *testing.T) {
	var peers []*peer
	for name, shape := range shapes() {
		tolerance := 2e-2
		if shape.kind == gguf.F32 {
			tolerance = 1e-3
		}
		peers = append(peers, newPeer(t, name, shape.write(t), tolerance))
	}
	shipped, err := filepath.Glob("../../models/*/*.gguf")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range shipped {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, newPeer(t, filepath.Base(path), absolute, 2e-2),
			newPeer(t, filepath.Base(path)+" in F32", converted(t, path, gguf.F32), 1e-3))
	}
	askLlamaCpp(t, peers)
	for _, p := range peers {
		t.Run(p.name, p.compare)
	}
}

// converted copies a model with its matrices stored as another format.
func converted(t *testing.T, path string, format gguf.Type) string {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var data bytes.Buffer
	if _, err := quantize.File(f, format).WriteTo(&data); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "model-"+format.String()+".gguf")
	if err := os.WriteFile(copied, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return copied
}
