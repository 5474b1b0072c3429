package sampling

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the published vectors")

const vectorsFile = "../../../spec/vectors/sampling/v1.json"

// vector is one published draw. Absent parameters leave their step out.
type vector struct {
	Name              string        `json:"name"`
	Logits            []string      `json:"logits"` // bits of float32, in hexadecimal
	Temperature       float32       `json:"temperature"`
	TopP              float32       `json:"top_p"`
	TopK              int           `json:"top_k,omitempty"`
	MinP              float32       `json:"min_p,omitempty"`
	TypicalP          float32       `json:"typical_p,omitempty"`
	RepetitionPenalty float32       `json:"repetition_penalty,omitempty"`
	PresencePenalty   float32       `json:"presence_penalty,omitempty"`
	FrequencyPenalty  float32       `json:"frequency_penalty,omitempty"`
	PenaltyWindow     int           `json:"penalty_window,omitempty"`
	LogitBias         []vectorBias  `json:"logit_bias,omitempty"`
	Sampler           string        `json:"sampler,omitempty"` // absent: categorical
	Seed              uint64        `json:"seed"`
	Prompt            []int32       `json:"prompt,omitempty"`
	Answer            []int32       `json:"answer,omitempty"`
	Allowed           []int32       `json:"allowed,omitzero"` // absent: every token
	Draws             []vectorDraws `json:"draws"`
}

type vectorBias struct {
	Token int32   `json:"token"`
	Value float32 `json:"value"`
}

// vectorDraws are the tokens of successive steps, each with the answer as given.
type vectorDraws struct {
	Step  uint64 `json:"step"`
	Token int32  `json:"token"`
}

func (v *vector) draw(t *testing.T, step uint64) int32 {
	t.Helper()
	p := Params{
		Temperature: v.Temperature, TopK: v.TopK, TopP: v.TopP, MinP: v.MinP, TypicalP: v.TypicalP,
		RepetitionPenalty: v.RepetitionPenalty, PresencePenalty: v.PresencePenalty, FrequencyPenalty: v.FrequencyPenalty,
		PenaltyWindow: v.PenaltyWindow, Seed: v.Seed,
	}
	if v.Sampler == "gumbel" {
		p.Kind = Gumbel
	}
	for _, b := range v.LogitBias {
		p.Bias = append(p.Bias, Bias(b))
	}
	logits := make([]float32, len(v.Logits))
	for i, text := range v.Logits {
		b, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		logits[i] = math.Float32frombits(uint32(b))
	}
	s, err := New(p, len(logits), v.Prompt)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	for _, id := range v.Answer {
		s.Accept(id)
	}
	var allowed Mask
	if v.Allowed != nil {
		allowed = NewMask(len(logits))
		for _, id := range v.Allowed {
			allowed.Allow(id)
		}
	}
	return s.Draw(logits, step, allowed)
}

// makeVectors draws once with each parameter, and with all of them.
func makeVectors(t *testing.T) []vector {
	rng := rand.New(rand.NewPCG(3, 4))
	list := []vector{
		{Name: "greedy"}, {Name: "temperature", Temperature: 0.8}, {Name: "hot", Temperature: 2}, {Name: "cold", Temperature: 1e-30},
		{Name: "top_k", Temperature: 1, TopK: 5}, {Name: "top_p", Temperature: 1, TopP: 0.7}, {Name: "top_k and top_p", Temperature: 1, TopK: 20, TopP: 0.9},
		{Name: "min_p", Temperature: 1.5, MinP: 0.2}, {Name: "typical_p", Temperature: 1, TypicalP: 0.4}, {Name: "typical_p and top_p", Temperature: 1.3, TypicalP: 0.8, TopP: 0.6},
		{Name: "repetition_penalty", Temperature: 1, RepetitionPenalty: 1.4}, {Name: "presence_penalty", Temperature: 1, PresencePenalty: 1.5},
		{Name: "frequency_penalty", Temperature: 1, FrequencyPenalty: 0.7}, {Name: "penalty_window", Temperature: 1, FrequencyPenalty: 2, RepetitionPenalty: 2, PenaltyWindow: 3},
		{Name: "logit_bias", Temperature: 1, LogitBias: []vectorBias{{1, 3.5}, {7, -100}}}, {Name: "allowed", Temperature: 1, Allowed: []int32{3, 11, 12, 30}},
		{Name: "greedy among allowed", Allowed: []int32{9, 17}}, {Name: "none allowed", Temperature: 1, Allowed: []int32{}},
		{Name: "everything", Temperature: 0.9, TopK: 25, TopP: 0.95, MinP: 0.02, TypicalP: 0.9, RepetitionPenalty: 1.1, PresencePenalty: 0.5, FrequencyPenalty: 0.25, PenaltyWindow: 6, LogitBias: []vectorBias{{2, 1}, {0, -1}}},
		{Name: "gumbel", Temperature: 1, Sampler: "gumbel"}, {Name: "gumbel, cool", Temperature: 0.6, Sampler: "gumbel"},
		{Name: "gumbel at 0", Sampler: "gumbel"}, {Name: "gumbel among allowed", Temperature: 1, Sampler: "gumbel", Allowed: []int32{3, 11, 12, 30}},
		{Name: "gumbel and cuts", Temperature: 1.2, Sampler: "gumbel", TopK: 12, TopP: 0.95, MinP: 0.02, TypicalP: 0.9, LogitBias: []vectorBias{{5, 2}}},
	}
	for i := range list {
		v := &list[i]
		v.Seed = rng.Uint64()
		if v.TopP == 0 {
			v.TopP = 1
		}
		for range 32 {
			l := float32(rng.NormFloat64() * 2.5)
			v.Logits = append(v.Logits, fmt.Sprintf("%08x", math.Float32bits(l)))
		}
		if v.RepetitionPenalty != 0 || v.PresencePenalty != 0 || v.FrequencyPenalty != 0 {
			for range 5 {
				v.Prompt, v.Answer = append(v.Prompt, rng.Int32N(32)), append(v.Answer, rng.Int32N(8))
			}
		}
		for range 4 {
			step := rng.Uint64N(1000)
			v.Draws = append(v.Draws, vectorDraws{step, v.draw(t, step)})
		}
	}
	odd := vector{Name: "no numbers, infinite, and two zeros", Logits: []string{"7fc00000", "80000000", "00000000", "ff800000", "bf800000"}, Temperature: 1, TopP: 0.1}
	odd.Draws = []vectorDraws{{0, odd.draw(t, 0)}}
	return append(list, odd)
}

// writeVectors writes one vector a line, so that a change shows where it is;
// begins is what each begins with.
func writeVectors(t *testing.T, path, begins string, file any) {
	t.Helper()
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	data = append(bytes.ReplaceAll(data, []byte(begins), []byte("\n"+begins)), '\n')
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVectors checks the published draws, from which others build the same
// sampler; -update writes them.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t, vectorsFile, `{"name"`, map[string]any{"vectors": makeVectors(t)})
	}
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Vectors) < 20 {
		t.Fatalf("%d vectors, %v", len(file.Vectors), err)
	}
	for _, v := range file.Vectors {
		for _, d := range v.Draws {
			if got := v.draw(t, d.Step); got != d.Token {
				t.Errorf("%s, step %d: token %d, published %d", v.Name, d.Step, got, d.Token)
			}
		}
	}
}
