package engine

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

var update = flag.Bool("update", false, "write the published vectors anew")

const (
	vectorsFile = "../../spec/vectors/engine/v1.json"
	shipped     = "models/trivium/trivium.gguf"
)

// vectors are what others can check their engine against: of models that anyone
// can make, prompts and what follows from them.
type vectors struct {
	Comment string   `json:"comment"`
	Models  []vector `json:"models"`
}

type vector struct {
	source
	Prompts []promptVector `json:"prompts"`
}

// source is a model that anyone can make.
type source struct {
	// File is the model that ships, Format what package quantize stores it in
	// from float32 first; Weights the SHA-256 of the whole file that this gives.
	File    string         `json:"file"`
	Format  string         `json:"format,omitempty"`
	Weights receipt.Digest `json:"weights"`
}

type promptVector struct {
	Text   string         `json:"text"`
	Tokens []int32        `json:"tokens"`
	Logits receipt.Digest `json:"logits"` // after the last token: float32, little-endian
	// An answer: its parameters, its tokens, and the Merkle root over its steps
	// that a receipt commits to.
	Temperature float32        `json:"temperature"`
	TopP        float32        `json:"top_p"`
	Seed        uint64         `json:"seed"`
	Answer      []int32        `json:"answer"`
	Commitment  receipt.Digest `json:"commitment"`
}

// compute fills in what follows from a prompt.
func (v *promptVector) compute(t *testing.T, m *Model) {
	t.Helper()
	v.Tokens = m.Prompt(v.Text)
	v.Logits = digest(m.newSequence(2).extend(v.Tokens))
	var leaves []receipt.Digest
	v.Answer = nil
	tokens, _ := generated(t, New(m, Options{Threads: 2}), Request{
		Prompt: v.Tokens, MaxTokens: 16, Sampling: sampling.Params{Temperature: v.Temperature, TopP: v.TopP, Seed: v.Seed},
	})
	for _, token := range tokens {
		v.Answer, leaves = append(v.Answer, token.ID), append(leaves, token.Leaf)
	}
	v.Commitment = receipt.MerkleRoot(leaves)
}

// The published vectors hold, on every platform that this test runs on.
func TestVectors(t *testing.T) {
	var published vectors
	if *update {
		published = newVectors()
	} else {
		readVectors(t, vectorsFile, &published)
	}
	for i := range published.Models {
		v := &published.Models[i]
		t.Run(v.File+" "+v.Format, func(t *testing.T) { v.check(t) })
	}
	writeVectors(t, vectorsFile, published)
}

// readVectors reads what is published.
func readVectors(t *testing.T, path string, published any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, published)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeVectors publishes, if vectors are to be written anew.
func writeVectors(t *testing.T, path string, published any) {
	t.Helper()
	if !*update {
		return
	}
	data, err := json.MarshalIndent(published, "", "\t")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (v *vector) check(t *testing.T) {
	m := v.model(t)
	for i := range v.Prompts {
		p := &v.Prompts[i]
		want := *p
		p.compute(t, m)
		if !*update && (!slices.Equal(p.Tokens, want.Tokens) || p.Logits != want.Logits || !slices.Equal(p.Answer, want.Answer) || p.Commitment != want.Commitment) {
			t.Errorf("%q: computed %+v, published %+v", p.Text, *p, want)
		}
	}
}

// model makes the model, which must be the published one.
func (v *source) model(t *testing.T) *Model {
	t.Helper()
	path := filepath.Join("../..", v.File)
	if v.Format != "" {
		format, err := block.Parse(v.Format)
		if err != nil {
			t.Fatal(err)
		}
		path = converted(t, path, format)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if digest := receipt.Sum(file); *update {
		v.Weights = digest
	} else if digest != v.Weights {
		t.Fatalf("the file is %s, published is %s", digest, v.Weights)
	}
	return load(t, path)
}

// newVectors chooses what is published.
func newVectors() vectors {
	published := vectors{Comment: "What the reference engine computes, to the bit: see spec/engine.md. Made and checked by TestVectors."}
	for _, format := range []string{"", "F32", "BF16", "F16", "Q4_0"} {
		v := vector{source: source{File: shipped, Format: format}}
		for i, text := range []string{"ROMEO:", "In the beginning", "\"Well, Prince,\" said Anna Pávlovna, and the whole of the company turned to the door, where"} {
			v.Prompts = append(v.Prompts, promptVector{Text: text, Temperature: float32(i) * 0.5, TopP: 0.95, Seed: uint64(i)})
		}
		published.Models = append(published.Models, v)
	}
	return published
}
