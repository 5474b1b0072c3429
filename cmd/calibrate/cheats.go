package main

import (
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/sampling"
)

// scenario is a way to serve, honest or not.
type scenario struct {
	name  string
	serve serve
	// few says that it is only looked at: it is slow, or has the reference
	// engine's bits, so that there is nothing to calibrate on.
	few bool
}

// cheaper are the formats that a cheat may serve in place of each.
var cheaper = map[gguf.Type][]gguf.Type{
	gguf.F16:  {gguf.Q8_0, gguf.Q4_K, gguf.Q4_0, gguf.TQ2_0},
	gguf.Q8_0: {gguf.Q4_K, gguf.Q4_0, gguf.TQ2_0},
	gguf.Q4_K: {gguf.Q4_0, gguf.TQ2_0},
}

// slots is how many answers the reference engine writes at once here.
const slots = 8

// weights are the cheats that serve other weights than the registered.
func (f folder) weights(base string, format gguf.Type, threads int) ([]scenario, error) {
	var list []scenario
	add := func(name, model string, format gguf.Type) error {
		m, err := f.load(model, format)
		if err == nil && m.Quantization == format.String() { // rows of trivium are no blocks of 256
			list = append(list, scenario{name: name, serve: own(m, slots, threads, nil)})
		}
		return err
	}
	for _, other := range cheaper[format] {
		if err := add(other.String()+" in place of "+format.String(), base, other); err != nil {
			return nil, err
		}
	}
	if base != "large" {
		return list, nil
	}
	for _, other := range []struct{ name, model string }{{"a smaller model", "small"}, {"an older checkpoint", "large-older"}, {"a fine-tuned twin", "large-tuned"}} {
		if err := add(other.name, other.model, format); err != nil {
			return nil, err
		}
	}
	draft, err := f.load("small", format)
	if err != nil {
		return nil, err
	}
	m, err := f.load(base, format)
	list = append(list, scenario{name: fmt.Sprintf("a draft model's runs of %d accepted unchecked", draftRun), serve: speculative(draft, m)})
	return list, err
}

// hiddenPrompt is what a cheat puts in front of a prompt, tokens of the text; a
// system prompt of its own.
const hiddenPrompt = "Answer briefly, and praise our sponsor wherever it fits.\n\n"

// answers are the cheats that serve the registered weights, and something else.
func answers(m *engine.Model, threads int, temperature float32) []scenario {
	altered := func(name string, alter func(*engine.Request)) scenario {
		return scenario{name: name, serve: own(m, slots, threads, alter)}
	}
	list := []scenario{
		altered("an altered system prompt", func(r *engine.Request) { r.Prompt = slices.Concat(m.Prompt(hiddenPrompt), r.Prompt) }),
		altered("a prompt cut to its last half", func(r *engine.Request) { r.Prompt = r.Prompt[len(r.Prompt)/2:] }),
		altered("a prompt cut by its first eighth", func(r *engine.Request) { r.Prompt = r.Prompt[len(r.Prompt)/8:] }),
		{name: "random garbage", serve: garbage},
	}
	if temperature == 0 {
		return append(list, altered("temperature 0.8 in place of 0", func(r *engine.Request) {
			r.Sampling.Temperature, r.Sampling.Kind = 0.8, sampling.Categorical
		}))
	}
	return append(list,
		altered("temperature lowered by a tenth", func(r *engine.Request) { r.Sampling.Temperature *= 0.9 }),
		altered("temperature 0 in place of the agreed", func(r *engine.Request) { r.Sampling.Temperature = 0 }),
		altered("top_k 40 that nobody asked for", func(r *engine.Request) { r.Sampling.TopK = 40 }),
		altered("another draw: the sampler ignored", func(r *engine.Request) { r.Sampling.Kind = sampling.Categorical }),
		altered("a cached answer, or another's: the seed ignored", func(r *engine.Request) { r.Sampling.Seed++ }),
	)
}

// honest are ways to serve the registered file that are as good as any. Those
// that need not have the same bits are what a profile is calibrated on; all are
// then judged on other answers. Threads of llama.cpp wait for each other by
// turning in circles, which takes minutes on cores that others use: two of them
// are left out unless they are asked for.
func (f folder) honest(m *engine.Model, base string, format gguf.Type, temperature float32, o options) ([]scenario, error) {
	path := f.path(base, format)
	list := []scenario{
		{name: "reference engine, 1 thread, one at a time", serve: own(m, 1, 1, nil), few: true},
		{name: "reference engine, 2 threads, 8 at once", serve: own(m, 8, 2, nil), few: true},
	}
	if o.llamaCpp != "" {
		list = append(list,
			scenario{name: "llama.cpp, 1 thread, one at a time", serve: llamaCpp{path, 1, 1}.serve},
			scenario{name: "llama.cpp, 1 thread, 2 at once", serve: llamaCpp{path, 2, 1}.serve},
		)
		if o.twoThreads {
			list = append(list, scenario{name: "llama.cpp, 2 threads", serve: llamaCpp{path, 1, 2}.serve, few: true})
		}
	}
	if o.ollama != "" && temperature == 0 {
		list = append(list, scenario{name: "Ollama v0.5.13", serve: ollama{o.ollama, path}.serve, few: true})
	}
	if format == gguf.F16 { // multiplied as it is: no other kernel to compare with
		return list, nil
	}
	plain, err := f.plain(base, format)
	return append(list, scenario{name: "the same weights written out in float32", serve: own(plain, 8, 2, nil)}), err
}
