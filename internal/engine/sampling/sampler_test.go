package sampling

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/koinon/koinon/internal/tensor"
)

func sampler(t testing.TB, p Params, vocabulary int) *Sampler {
	t.Helper()
	s, err := New(p, vocabulary, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// However small the temperature, the most likely token is drawn, not nonsense.
func TestTinyTemperatures(t *testing.T) {
	for _, temperature := range []float32{1e-3, 1e-30, 1e-45} {
		s := sampler(t, Params{Temperature: temperature, TopP: 1}, 4)
		if id := s.Draw([]float32{1, 7, -3, 6}, 0, nil); id != 1 {
			t.Errorf("temperature %g drew token %d", temperature, id)
		}
	}
}

// Logits that are no numbers, or infinite, are drawn from all the same.
func TestLogitsThatAreNoNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		logits []float32
		want   int32
	}{
		"NaN first":          {[]float32{nan, 1, 0.5}, 1},
		"infinite":           {[]float32{3, inf, nan}, 1},
		"nothing but NaN":    {[]float32{nan, nan, nan}, 0},
		"nothing but −∞":     {[]float32{-inf, -inf, -inf}, 0},
		"the largest and −∞": {[]float32{-inf, math.MaxFloat32, nan}, 1},
	} {
		for _, temperature := range []float32{0, 1e-9} {
			p := Params{Temperature: temperature, TopP: 0.5, TopK: 2, RepetitionPenalty: 10, TypicalP: 0.5, MinP: 0.1}
			s := sampler(t, p, 3)
			s.Accept(0)
			id := s.Draw(c.logits, 0, nil)
			if temperature == 0 && id != c.want || id < 0 || id > 2 {
				t.Errorf("%s at %g: drew %d", name, temperature, id)
			}
		}
	}
}

// TestDistribution draws often from a small vocabulary: by the chi-squared test
// the tokens come as often as their probabilities say.
func TestDistribution(t *testing.T) {
	logits := []float32{0.3, -1, 2, 1.5, 0, -0.2, 1.1, -3}
	const draws, temperature = 20000, 0.9
	for name, p := range map[string]Params{
		"all":                {TopP: 1},
		"top_k":              {TopP: 1, TopK: 4},
		"Gumbel":             {TopP: 1, Kind: Gumbel},
		"Gumbel among top_k": {TopP: 1, TopK: 4, Kind: Gumbel},
	} {
		p.Temperature = temperature
		kept := sorted(logits)
		if p.TopK > 0 {
			kept = kept[:p.TopK]
		}
		want := make([]float64, len(logits))
		var sum float64
		for _, id := range kept {
			want[id] = math.Exp(float64(logits[id]) / temperature)
			sum += want[id]
		}
		var got [8]float64
		for seed := range uint64(4) {
			p.Seed = seed
			s := sampler(t, p, len(logits))
			for step := range uint64(draws / 4) {
				got[s.Draw(logits, step, nil)]++
			}
		}
		var chi float64
		for id, w := range want {
			if w == 0 {
				if got[id] != 0 {
					t.Errorf("%s: token %d was drawn", name, id)
				}
				continue
			}
			expected := w / sum * draws
			chi += (got[id] - expected) * (got[id] - expected) / expected
		}
		// 24.3 is exceeded once in a thousand at 7 degrees of freedom; the seeds are fixed.
		if chi > 24.3 {
			t.Errorf("%s: chi-squared is %.1f", name, chi)
		}
	}
}

func TestPenaltiesAndBias(t *testing.T) {
	for name, c := range map[string]struct {
		p              Params
		prompt, answer []int32
		want           int32
	}{
		"nothing":                           {Params{}, nil, nil, 0},
		"bias":                              {Params{Bias: []Bias{{3, 4}}}, nil, nil, 3},
		"ban":                               {Params{Bias: []Bias{{0, -100}}}, nil, nil, 1},
		"presence ignores the prompt":       {Params{PresencePenalty: 2}, []int32{0}, nil, 0},
		"presence counts once":              {Params{PresencePenalty: 0.4}, nil, []int32{0, 0, 0, 0}, 0},
		"presence":                          {Params{PresencePenalty: 0.6}, nil, []int32{0}, 1},
		"frequency counts each":             {Params{FrequencyPenalty: 0.2}, nil, []int32{0, 0, 0}, 1},
		"frequency below":                   {Params{FrequencyPenalty: 0.2}, nil, []int32{0, 0}, 0},
		"repetition knows the prompt":       {Params{RepetitionPenalty: 1.5}, []int32{0}, nil, 1},
		"repetition counts once":            {Params{RepetitionPenalty: 1.1}, []int32{0, 0, 0, 0, 0}, nil, 0},
		"the window forgets":                {Params{RepetitionPenalty: 1.5, PenaltyWindow: 1}, []int32{0, 3}, nil, 0},
		"the window reaches into the text":  {Params{RepetitionPenalty: 1.5, PenaltyWindow: 2}, []int32{0, 3}, nil, 1},
		"the window moves with the answer":  {Params{PresencePenalty: 2, PenaltyWindow: 2}, nil, []int32{0, 3, 3}, 0},
		"negative presence asks for repeat": {Params{PresencePenalty: -1}, nil, []int32{1}, 1},
	} {
		c.p.TopP = 1
		s, err := New(c.p, 4, c.prompt)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range c.answer {
			s.Accept(id)
		}
		if got := s.Draw([]float32{2, 1.5, 1, -1}, 0, nil); got != c.want {
			t.Errorf("%s: token %d, want %d", name, got, c.want)
		}
	}
}

func TestMask(t *testing.T) {
	logits := []float32{2, 1.5, 1, -1}
	for _, temperature := range []float32{0, 1} {
		s := sampler(t, Params{Temperature: temperature, TopP: 1}, 4)
		m := NewMask(4)
		if got := s.Draw(logits, 0, m); got != -1 {
			t.Errorf("drew %d of nothing", got)
		}
		m.Allow(3)
		if got := s.Draw(logits, 0, m); got != 3 || m.Count() != 1 {
			t.Errorf("drew %d where only 3 is allowed", got)
		}
	}
}

func TestParametersOutOfRange(t *testing.T) {
	nan := float32(math.NaN())
	for name, cases := range map[string][]func(*Params){
		"temperature":        {func(p *Params) { p.Temperature = -0.1 }, func(p *Params) { p.Temperature = 2.1 }, func(p *Params) { p.Temperature = nan }},
		"top_k":              {func(p *Params) { p.TopK = -1 }},
		"top_p":              {func(p *Params) { p.TopP = 0 }, func(p *Params) { p.TopP = 1.1 }, func(p *Params) { p.TopP = nan }},
		"min_p":              {func(p *Params) { p.MinP = -0.1 }, func(p *Params) { p.MinP = 1.1 }, func(p *Params) { p.MinP = nan }},
		"typical_p":          {func(p *Params) { p.TypicalP = -0.1 }, func(p *Params) { p.TypicalP = 1.1 }, func(p *Params) { p.TypicalP = nan }},
		"repetition_penalty": {func(p *Params) { p.RepetitionPenalty = -1 }, func(p *Params) { p.RepetitionPenalty = 11 }, func(p *Params) { p.RepetitionPenalty = nan }},
		"presence_penalty":   {func(p *Params) { p.PresencePenalty = 2.1 }, func(p *Params) { p.PresencePenalty = nan }},
		"frequency_penalty":  {func(p *Params) { p.FrequencyPenalty = -2.1 }, func(p *Params) { p.FrequencyPenalty = nan }},
		"penalty_window":     {func(p *Params) { p.PenaltyWindow = -1 }, func(p *Params) { p.PenaltyWindow = MaxWindow + 1 }},
		"logit_bias": {
			func(p *Params) { p.Bias = []Bias{{0, 101}} }, func(p *Params) { p.Bias = []Bias{{0, nan}} },
			func(p *Params) { p.Bias = []Bias{{4, 1}} }, func(p *Params) { p.Bias = []Bias{{-1, 1}} },
			func(p *Params) { p.Bias = []Bias{{1, 1}, {2, 1}, {1, 2}} }, func(p *Params) { p.Bias = make([]Bias, MaxBiases+1) },
		},
	} {
		for i, spoil := range cases {
			p := Params{Temperature: 1, TopP: 1}
			spoil(&p)
			var said *ParameterError
			if _, err := New(p, 4, nil); !errors.As(err, &said) || !errors.Is(err, ErrParameter) || said.Parameter != name {
				t.Errorf("%s, case %d: %v", name, i, err)
			}
		}
	}
	if _, err := New(Params{TopP: 1, PresencePenalty: 1}, 4, []int32{4}); err == nil {
		t.Error("a prompt outside the vocabulary was taken")
	}
}

// peaked are logits as a large model has them.
func peaked(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64()*3 - 4*tensor.Log(1+float64(i)/100))
	}
	return logits
}

func TestNothingIsAllocatedPerStep(t *testing.T) {
	logits := peaked(5000)
	p := Params{Temperature: 1, TopP: 0.9, MinP: 0.01, TypicalP: 0.9, RepetitionPenalty: 1.1, FrequencyPenalty: 0.1, PenaltyWindow: 64, Bias: []Bias{{1, 1}}}
	s, step := sampler(t, p, len(logits)), uint64(0)
	draw := func() { s.Accept(s.Draw(logits, step, nil)); step++ }
	if n := testing.AllocsPerRun(20, draw); n != 0 {
		t.Errorf("%g allocations a step", n)
	}
}

func BenchmarkDraw(b *testing.B) {
	logits := peaked(150_000)
	for name, p := range map[string]Params{
		"top_k=40": {Temperature: 0.8, TopP: 0.95, TopK: 40}, "top_p=0.95": {Temperature: 0.8, TopP: 0.95}, "hot": {Temperature: 2, TopP: 1},
		"everything": {Temperature: 0.8, TopP: 0.95, TopK: 40, MinP: 0.05, TypicalP: 0.95, RepetitionPenalty: 1.1, PresencePenalty: 0.1},
	} {
		b.Run(name, func(b *testing.B) {
			s := sampler(b, p, len(logits))
			for step := uint64(0); b.Loop(); step++ {
				s.Draw(logits, step, nil)
			}
		})
	}
	b.Run("by sorting everything", func(b *testing.B) {
		for step := uint64(0); b.Loop(); step++ {
			plain(logits, Params{Temperature: 0.8, TopP: 0.95}, step)
		}
	})
}
