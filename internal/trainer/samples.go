package trainer

import (
	"math/rand/v2"
	"strings"

	"github.com/koinon/koinon/internal/tensor"
)

// Sample is what the model makes of an opening it has not seen.
type Sample struct {
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
}

// promptTokens bounds a sample's prompt.
const promptTokens = 24

// samples continues the opening of each held-out text by SampleTokens tokens, at temperature 0.8. Nothing is chosen by hand, so that
// the samples are typical.
func (r *run) samples() map[string]Sample {
	if r.SampleTokens == 0 {
		return nil
	}
	length := min(r.Architecture.Context, promptTokens+r.SampleTokens)
	d := newDecoder(r.Architecture, r.w, r.grad, len(r.works), length, r.Threads)
	inputs, targets := make([]int32, len(r.works)*length), make([]int32, len(r.works)*length)
	prompts := make([]int, len(r.works)) // lengths in tokens
	for i, w := range r.works {
		prompt := r.encoder.Encode(opening(w.held), false)
		prompts[i] = copy(inputs[i*length:], prompt[:min(promptTokens, length/2, len(prompt))])
	}
	rng := rand.New(rand.NewPCG(r.Seed, 0x73616d706c65))
	for at := range length - 1 {
		d.forward(inputs, targets)
		for i := range r.works {
			if at+1 >= prompts[i] {
				inputs[i*length+at+1] = draw(d.logits[(i*length+at)*d.Vocab:][:d.Vocab], rng)
			}
		}
	}
	found := map[string]Sample{}
	for i, w := range r.works {
		tokens, n := inputs[i*length:][:length], prompts[i]
		found[w.name] = Sample{
			Prompt: string(r.encoder.Decode(tokens[:n])),
			Text:   string(r.encoder.Decode(tokens[n:min(length, n+r.SampleTokens)])),
		}
	}
	return found
}

// opening is the first line of the first paragraph that begins in text, or its
// second line if its paragraphs are lines.
func opening(text string) string {
	_, rest, found := strings.Cut(text, "\n\n")
	if !found {
		_, rest, _ = strings.Cut(text, "\n")
	}
	line, _, _ := strings.Cut(strings.TrimLeft(rest, "\n"), "\n")
	return line + "\n"
}

// draw takes a token from probabilities at temperature 0.8, for which p is
// raised to 1/0.8 = 5/4, that is p·⁴√p.
func draw(probs []float32, rng *rand.Rand) int32 {
	var sum float32
	for i, p := range probs {
		probs[i] = float32(p * tensor.Sqrt(tensor.Sqrt(p)))
		sum += probs[i]
	}
	left := float32(sum * rng.Float32())
	for i, p := range probs {
		if left -= p; left < 0 {
			return int32(i)
		}
	}
	return int32(len(probs) - 1)
}
