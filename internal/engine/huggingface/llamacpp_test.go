package huggingface

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/koinon/koinon/internal/engine"
)

// asked is a model that llama.cpp is asked about, as score.mjs reads it.
type asked struct {
	Path          string    `json:"path"`
	Continuations [][]int32 `json:"continuations"`
	name          string
	byteLevel     bool
	model         *engine.Model
}

// llama.cpp reads imported files, cuts the same tokens with them and finds the
// same log-probabilities as the engine.
func TestLlamaCppReadsImportedFiles(t *testing.T) {
	var texts []string
	for _, text := range hardTexts {
		if utf8.ValidString(text) && !strings.Contains(text, "\x00") { // JSON cannot carry the others
			texts = append(texts, text)
		}
	}
	var models []asked
	for class := range families {
		s, byteLevelled := small(class), true
		v, described := byteLevel(t, "qwen2", true)
		switch class {
		case "LlamaForCausalLM":
			s.scaling, s.tied = llama3Scaling, true
		case "MistralForCausalLM":
			byteLevelled = false
			v, described, _ = sentencePiece(t, false)
		}
		path := importFolder(t, newFolder(s, v, described), Options{})
		m, err := engine.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		tokens := m.Prompt(strings.Repeat("Once more unto the breach, dear friends, once more; or close the wall up with our English dead! ", 5))
		models = append(models, asked{path, [][]int32{tokens[:min(len(tokens), 120)]}, class, byteLevelled, m})
	}
	var answers []struct {
		IDs      [][]int32   `json:"ids"`
		Logprobs [][]float64 `json:"logprobs"`
	}
	askNode(t, filepath.Join("..", "testdata", "llamacpp"), "score.mjs", object{"texts": texts, "models": models}, &answers)
	for i, a := range answers {
		m := models[i]
		for j, text := range texts {
			if !m.byteLevel {
				break // score.mjs has a SentencePiece's first space taken away
			}
			if own := m.model.Encode(text, false); !slices.Equal(own, a.IDs[j]) {
				t.Errorf("%s: %q is %v, llama.cpp has %v", m.name, text, own, a.IDs[j])
			}
		}
		own, err := m.model.Score(m.Continuations[0], 2)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for j, logprob := range own {
			sum += math.Abs(float64(logprob) - a.Logprobs[0][j])
		}
		if mean := sum / float64(len(own)); !(mean < 1e-3) {
			t.Errorf("%s: log-probabilities differ by %g on average", m.name, mean)
		} else {
			t.Logf("%s: log-probabilities of %d tokens differ by %.2g on average", m.name, len(own), mean)
		}
	}
}

// askNode runs a script of a folder with npm packages, installed in a folder of
// the test's own, as other tests may be installing them. It returns that folder.
func askNode(t *testing.T, folder, script string, question, answer any) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is absent, so what to compare with is not here")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", script} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.Command(npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	input, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command("node", script)
	run.Dir, run.Stdin = dir, bytes.NewReader(input)
	var talk bytes.Buffer
	run.Stderr = &talk
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, talk.String())
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("%s said %s: %v", script, out, err)
	}
	return dir
}
