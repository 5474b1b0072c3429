package engine

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// hardTexts are what tokenizers stumble over.
var hardTexts = []string{
	"", " ", "  ", "   the   things  ", "the\n\n\nthing\t\tsinging \r\n x", "I'll don't they've it's 'S 'LL",
	"naïve café — “quotes” … № 5½", "北京大学 日本語のテキスト 한국어", "مرحبا بالعالم", "🙂👩‍👩‍👧‍👦🇬🇷 e\u0301",
	"x=1;if(x>=10){y[0]='\\n';}//comment", "0123456789 10,000.00 ²³ ٣٤", "\u00a0\u2003\u3000 odd spaces", "ROMEO:\nBut soft, what light",
	"a\u200bb\ufeffc", strings.Repeat("ing", 50) + strings.Repeat(" ", 40) + "x",
}

// installed is done once, whatever number of models is compared.
var installed sync.Once

// llamacpp runs score.mjs; the test is skipped where npm is absent.
func llamacpp(t *testing.T, model string, continuations [][]int32) (ids [][]int32, logprobs [][]float64) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is absent, so llama.cpp is not here to compare with")
	}
	folder := filepath.Join("testdata", "llamacpp")
	installed.Do(func() {
		install := exec.Command(npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
		install.Dir = folder
		if out, err := install.CombinedOutput(); err != nil {
			t.Errorf("npm ci: %v\n%s", err, out)
		}
	})
	path, err := filepath.Abs(model)
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]any{"model": path, "texts": hardTexts, "continuations": continuations})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command("node", "score.mjs")
	run.Dir, run.Stdin = folder, bytes.NewReader(input)
	var talk bytes.Buffer
	run.Stderr = &talk
	out, err := run.Output()
	if err != nil {
		t.Fatalf("llama.cpp: %v\n%s", err, talk.String())
	}
	var output struct {
		IDs      [][]int32   `json:"ids"`
		Logprobs [][]float64 `json:"logprobs"`
	}
	if err := json.Unmarshal(out, &output); err != nil {
		t.Fatalf("llama.cpp said %s: %v", out, err)
	}
	return output.IDs, output.Logprobs
}

// compare checks that llama.cpp cuts the same tokens from a file's hard texts
// and finds their log-probabilities within a mean absolute difference.
func compare(t *testing.T, path string, tolerance float64) {
	m := load(t, path)
	text := strings.Join(hardTexts, " ") + strings.Repeat(" And the thing was singing in the evening of the day.", 40)
	tokens := m.Prompt(text)
	var continuations [][]int32
	for part := range slices.Chunk(tokens, 200) {
		if len(part) > 1 {
			continuations = append(continuations, part)
		}
	}
	ids, logprobs := llamacpp(t, path, continuations)
	for i, text := range hardTexts {
		if own := m.Encode(text, false); !slices.Equal(own, ids[i]) {
			t.Errorf("%q: our tokens %v, llama.cpp's %v", text, own, ids[i])
		}
	}
	var sum float64
	n := 0
	for i, part := range continuations {
		own, err := m.Score(part, 2)
		if err != nil {
			t.Fatal(err)
		}
		for j, p := range own {
			sum += math.Abs(float64(p) - logprobs[i][j])
			n++
		}
	}
	mean := sum / float64(n)
	t.Logf("mean |Δ log-probability| over %d positions: %.2e", n, mean)
	if !(mean < tolerance) {
		t.Errorf("mean |Δ log-probability| is %g, at most %g is agreement", mean, tolerance)
	}
}

func TestLlamaCppAgrees(t *testing.T) {
	for name, shape := range shapes() {
		// The weights are random, which makes rounding count for more than it
		// does in a trained model.
		tolerance := 2e-2
		if shape.kind == gguf.F32 {
			tolerance = 1e-3
		}
		t.Run(name, func(t *testing.T) { compare(t, shape.write(t), tolerance) })
	}
	shipped, err := filepath.Glob("../../models/*/*.gguf")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range shipped {
		// As it ships llama.cpp rounds its activations to 8 bits, which we do
		// not; the same weights in float32 leave nothing to round.
		t.Run(filepath.Base(path), func(t *testing.T) { compare(t, path, 3e-2) })
		t.Run(filepath.Base(path)+" in F32", func(t *testing.T) { compare(t, converted(t, path, gguf.F32), 1e-3) })
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
	if err := gguf.Convert(&data, f, format); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "model-"+format.String()+".gguf")
	if err := os.WriteFile(copied, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return copied
}
