package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/models/trivium"
)

// experiment is one registered model with one way of drawing.
type experiment struct {
	Model       string              `json:"model"`
	Parameters  uint64              `json:"parameters"`
	Method      statistical.Method  `json:"method"`
	Temperature float32             `json:"temperature"`
	Profile     statistical.Profile `json:"profile"`
	Honest      []honestResult      `json:"honest"`
	Cheats      []cheatResult       `json:"cheats"`

	base   string
	format gguf.Type
}

type honestResult struct {
	Name string `json:"name"`
	risk
}

type cheatResult struct {
	Name string `json:"name"`
	power
}

// plans are what is measured: what was trained here, in several formats, and the
// model that ships; with the agreed draw, and as stock engines are judged, at
// temperature 0 and by likelihood.
func plans(quick bool) []experiment {
	list := []experiment{
		{base: "large", format: gguf.F16, Method: statistical.Margin, Temperature: 0.8},
		{base: "large", format: gguf.F16, Method: statistical.Margin},
		{base: "large", format: gguf.F16, Method: statistical.Distance, Temperature: 0.8},
		{base: "large", format: gguf.F16, Method: statistical.Likelihood, Temperature: 0.8},
		{base: "large", format: gguf.Q8_0, Method: statistical.Margin, Temperature: 0.8},
		{base: trivium.Name, format: gguf.Q8_0, Method: statistical.Margin, Temperature: 0.8},
		{base: "small", format: gguf.F16, Method: statistical.Margin, Temperature: 0.8},
		{base: "large", format: gguf.Q4_K, Method: statistical.Margin, Temperature: 0.8},
		{base: "large", format: gguf.Q8_0, Method: statistical.Margin},
		{base: trivium.Name, format: gguf.Q8_0, Method: statistical.Margin},
	}
	if quick {
		return list[:1]
	}
	return list
}

// title names what is measured.
func (x *experiment) title() string {
	return fmt.Sprintf("%s %s, %s at temperature %g", x.base, x.format, x.Method, x.Temperature)
}

// Series of orders: what calibrates, what tunes the bet, and what is judged never
// share a prompt's place or a seed.
const (
	calibrating = 100 + iota
	tuning
	judging
)

// fewAnswers is how many a server is asked for that is only looked at.
const fewAnswers = 8

// run measures one plan.
func (x *experiment) run(ctx context.Context, f folder, o options, progress func(string, ...any)) error {
	m, err := f.load(x.base, x.format)
	if err != nil {
		return err
	}
	works, err := heldOut(m, o.texts)
	if err != nil {
		return err
	}
	x.Model, x.Parameters = x.base+" "+x.format.String(), m.Parameters
	s := setup{registered: m, answerTokens: o.answerTokens, threads: o.threads, sampling: sampling.Params{Temperature: x.Temperature, TopP: 1, Kind: sampling.Gumbel}}
	if x.Method != statistical.Margin { // as engines draw that know nothing of ours
		s.sampling.Kind = sampling.Categorical
	}
	if o.llamaCpp != "" {
		if s.libraries, err = libraries(o.llamaCpp); err != nil {
			return err
		}
	}
	series := func(n int, number uint64) []order { return orders(works, n, o.promptTokens, number) }
	look := func(c scenario, list []order) ([][]float32, error) {
		progress("%s: %s", x.title(), c.name)
		values, err := valuesOf(ctx, s, x.Method, c.serve, list)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		return values, nil
	}
	honest, err := f.honest(m, x.base, x.format, x.Temperature, o)
	if err != nil {
		return err
	}
	cheats, err := x.cheats(f, m, o)
	if err != nil {
		return err
	}
	four := slices.IndexFunc(cheats, func(c scenario) bool { return strings.HasPrefix(c.name, "Q4") })
	tune, err := look(cheats[max(0, four)], series(o.answers, tuning))
	if err != nil {
		return err
	}
	if err := x.calibrate(honest, tune, func(c scenario) ([][]float32, error) { return look(c, series(o.honest, calibrating)) }); err != nil {
		return err
	}
	var worst [][]float32 // held-out honest answers with the highest mean
	for _, c := range honest {
		n := o.honest
		if c.few {
			n = fewAnswers
		}
		values, err := look(c, series(n, judging))
		if err != nil {
			return err
		}
		r := riskOf(x.Profile, values, o.lifetimes, auditsPerYear)
		if len(x.Honest) == 0 || r.Mean >= slices.MaxFunc(x.Honest, byMean).Mean {
			worst = values
		}
		x.Honest = append(x.Honest, honestResult{c.name, r})
	}
	for _, c := range cheats {
		values, err := look(c, series(o.answers, judging))
		if err != nil {
			return err
		}
		x.Cheats = append(x.Cheats, cheatResult{c.name, powerOf(x.Profile, worst, values)})
	}
	return nil
}

func byMean(a, b honestResult) int {
	switch {
	case a.Mean < b.Mean:
		return -1
	case a.Mean > b.Mean:
		return 1
	}
	return 0
}

// calibrate makes the profile from every honest way to serve that is not only
// looked at; without one, from those. A cheat tunes it.
func (x *experiment) calibrate(honest []scenario, tune [][]float32, look func(scenario) ([][]float32, error)) error {
	others := slices.DeleteFunc(slices.Clone(honest), func(c scenario) bool { return c.few })
	if len(others) == 0 {
		others = honest
	}
	var kinds [][][]float32
	var engines []string
	for _, c := range others {
		engines = append(engines, c.name)
		values, err := look(c)
		if err != nil {
			return err
		}
		kinds = append(kinds, values)
	}
	var err error
	x.Profile, err = statistical.Fit(statistical.Profile{
		Model: x.base, Quantisation: x.format.String(), Engine: strings.Join(engines, "; "), Hardware: machine.This().CPU,
		Method: x.Method, Least: x.Temperature, Most: x.Temperature,
	}, tune, kinds...)
	return err
}

func (x *experiment) cheats(f folder, m *engine.Model, o options) ([]scenario, error) {
	list, err := f.weights(x.base, x.format, o.threads)
	return append(list, answers(m, o.threads, x.Temperature)...), err
}
