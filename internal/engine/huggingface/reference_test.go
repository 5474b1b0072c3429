package huggingface

import (
	"fmt"
	"math"
)

// reference computes logits in float64 from a folder's weights as transformers
// does, whose rotary embedding turns the halves of a head together.
type reference struct {
	*folder
	shape
}

func (r reference) weight(name string) []float32 { return r.weights[name].values }

// linear is weight · x + bias, as far as there is a bias.
func (r reference) linear(name string, x []float64) []float64 {
	w := r.weights[name+".weight"]
	out := make([]float64, w.shape[0])
	for i := range out {
		for j, v := range x {
			out[i] += float64(w.values[i*w.shape[1]+j]) * v
		}
	}
	for i, b := range r.weight(name + ".bias") {
		out[i] += float64(b)
	}
	return out
}

func (r reference) norm(name string, x []float64) []float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	scale := 1 / math.Sqrt(sum/float64(len(x))+1e-5)
	out := make([]float64, len(x))
	for i, w := range r.weight(name + ".weight") {
		out[i] = x[i] * scale * float64(w)
	}
	return out
}

// frequency is inv_freq of transformers, with Llama 3's scaling.
func (r reference) frequency(j int) float64 {
	f := 1 / math.Pow(5000, float64(2*j)/float64(r.headDim))
	if r.scaling == nil {
		return f
	}
	factor, low, high := r.scaling["factor"].(float64), r.scaling["low_freq_factor"].(float64), r.scaling["high_freq_factor"].(float64)
	old := float64(r.scaling["original_max_position_embeddings"].(int))
	wavelength := 2 * math.Pi / f
	if wavelength < old/high {
		return f
	}
	if wavelength > old/low {
		return f / factor
	}
	smooth := (old/wavelength - low) / (high - low)
	return (1-smooth)*f/factor + smooth*f
}

// turn normalises each head, if the architecture does, and rotates it.
func (r reference) turn(norm string, x []float64, position int) {
	for at := 0; at < len(x); at += r.headDim {
		head := x[at : at+r.headDim]
		if r.class == "Qwen3ForCausalLM" {
			copy(head, r.norm(norm, head))
		}
		half := r.headDim / 2
		for j := range half {
			sin, cos := math.Sincos(float64(position) * r.frequency(j))
			a, b := head[j], head[j+half]
			head[j], head[j+half] = a*cos-b*sin, b*cos+a*sin
		}
	}
}

// attend is the attention of one position's queries over all keys up to it.
func (r reference) attend(q []float64, keys, values [][]float64) []float64 {
	out := make([]float64, len(q))
	for h := range r.heads {
		from, shared := h*r.headDim, h/(r.heads/r.kv)*r.headDim
		scores, sum := make([]float64, len(keys)), 0.0
		for p, k := range keys {
			for j := range r.headDim {
				scores[p] += q[from+j] * k[shared+j]
			}
			scores[p] = math.Exp(scores[p] / math.Sqrt(float64(r.headDim)))
			sum += scores[p]
		}
		for p, v := range values {
			for j := range r.headDim {
				out[from+j] += scores[p] / sum * v[shared+j]
			}
		}
	}
	return out
}

// logits are those after every token.
func (r reference) logits(tokens []int32) [][]float64 {
	states := make([][]float64, len(tokens))
	embedding := r.weight("model.embed_tokens.weight")
	for i, id := range tokens {
		for _, v := range embedding[int(id)*r.dim:][:r.dim] {
			states[i] = append(states[i], float64(v))
		}
	}
	for layer := range layers {
		b := fmt.Sprintf("model.layers.%d.", layer)
		var keys, values [][]float64
		for i, x := range states {
			h := r.norm(b+"input_layernorm", x)
			q, k := r.linear(b+"self_attn.q_proj", h), r.linear(b+"self_attn.k_proj", h)
			r.turn(b+"self_attn.q_norm", q, i)
			r.turn(b+"self_attn.k_norm", k, i)
			keys, values = append(keys, k), append(values, r.linear(b+"self_attn.v_proj", h))
			add(x, r.linear(b+"self_attn.o_proj", r.attend(q, keys, values)))
			h = r.norm(b+"post_attention_layernorm", x)
			gate, up := r.linear(b+"mlp.gate_proj", h), r.linear(b+"mlp.up_proj", h)
			for j, g := range gate {
				up[j] *= g / (1 + math.Exp(-g))
			}
			add(x, r.linear(b+"mlp.down_proj", up))
		}
	}
	head := "lm_head"
	if r.tied {
		head = "model.embed_tokens"
	}
	for i, x := range states {
		states[i] = r.linear(head, r.norm("model.norm", x))
	}
	return states
}

func add(x, y []float64) {
	for i, v := range y {
		x[i] += v
	}
}
