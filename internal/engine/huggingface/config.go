package huggingface

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// family is what sets an architecture apart from the others.
type family struct {
	name string // GGUF's general.architecture
	// adjacent: GGUF's file turns adjacent elements of queries and keys together
	// where transformers turn the halves of a head, so their rows change places.
	adjacent  bool
	biases    bool   // queries, keys and values have biases
	headNorms bool   // queries and keys are normalised in each head
	headDim   uint64 // of a config without head_dim; 0 divides the width by the heads
	windowed  func(c *config) bool
}

// families by the class in config.json's architectures.
var families = map[string]family{
	"LlamaForCausalLM":   {name: "llama", adjacent: true},
	"MistralForCausalLM": {name: "llama", adjacent: true, windowed: func(*config) bool { return true }},
	"Qwen2ForCausalLM":   {name: "qwen2", biases: true, windowed: func(c *config) bool { return c.UseSlidingWindow }},
	"Qwen3ForCausalLM":   {name: "qwen3", headNorms: true, headDim: 128, windowed: func(c *config) bool { return c.UseSlidingWindow }},
}

// maxContext is the longest context of the engine.
const maxContext = 1 << 18

// config is what is read of config.json. Pointers are of what may be absent.
type config struct {
	Architectures    []string       `json:"architectures"`
	VocabSize        uint64         `json:"vocab_size"`
	HiddenSize       uint64         `json:"hidden_size"`
	IntermediateSize uint64         `json:"intermediate_size"`
	Layers           uint64         `json:"num_hidden_layers"`
	Heads            uint64         `json:"num_attention_heads"`
	KVHeads          *uint64        `json:"num_key_value_heads"`
	HeadDim          *uint64        `json:"head_dim"`
	MaxPositions     uint64         `json:"max_position_embeddings"`
	NormEps          float64        `json:"rms_norm_eps"`
	Activation       *string        `json:"hidden_act"`
	RopeTheta        *float64       `json:"rope_theta"`
	RopeScaling      *ropeScaling   `json:"rope_scaling"`
	RopeParameters   *ropeScaling   `json:"rope_parameters"` // of transformers 5, with the theta in it
	PartialRotary    *float64       `json:"partial_rotary_factor"`
	SlidingWindow    *uint64        `json:"sliding_window"`
	UseSlidingWindow bool           `json:"use_sliding_window"`
	TieEmbeddings    *bool          `json:"tie_word_embeddings"`
	MLPBias          bool           `json:"mlp_bias"`
	Quantization     jsontext.Value `json:"quantization_config"`
	BOS              tokenIDs       `json:"bos_token_id"` // or of generation_config.json
	EOS              tokenIDs       `json:"eos_token_id"`
	Padding          tokenIDs       `json:"pad_token_id"`

	family `json:"-"`
	tied   bool // the embedding gives the logits, too

	kvHeads, headDim, context uint64
	theta                     float64
	scaling                   *ropeScaling // llama3's, or nil
	notes                     []string
}

// ropeScaling says how the rotary embedding is stretched.
type ropeScaling struct {
	RopeType  string   `json:"rope_type"`
	Type      string   `json:"type"` // its older name
	Theta     *float64 `json:"rope_theta"`
	Factor    float64  `json:"factor"`
	Low       float64  `json:"low_freq_factor"`
	High      float64  `json:"high_freq_factor"`
	Positions float64  `json:"original_max_position_embeddings"`
}

func readConfig(dir string) (*config, error) {
	c := new(config)
	found, err := readJSON(dir, "config.json", maxConfig, c)
	if err == nil && !found {
		err = missing(dir, "config.json", "give a folder that transformers saved")
	}
	if err != nil {
		return nil, err
	}
	var generation struct {
		BOS tokenIDs `json:"bos_token_id"`
		EOS tokenIDs `json:"eos_token_id"`
		Pad tokenIDs `json:"pad_token_id"`
	}
	if _, err := readJSON(dir, "generation_config.json", maxConfig, &generation); err != nil {
		return nil, err
	}
	c.BOS, c.EOS, c.Padding = either(c.BOS, generation.BOS), either(c.EOS, generation.EOS), either(c.Padding, generation.Pad)
	return c, c.check()
}

func (c *config) check() error {
	for _, check := range []func() error{c.checkFamily, c.checkShape, c.checkRotation} {
		if err := check(); err != nil {
			return fmt.Errorf("config.json: %w", err)
		}
	}
	return nil
}

func either(a, b tokenIDs) tokenIDs {
	if len(a) > 0 {
		return a
	}
	return b
}

func (c *config) checkFamily() error {
	known := slices.Sorted(maps.Keys(families))
	if len(c.Architectures) != 1 {
		return fmt.Errorf("%w: architectures is %q; one of %v is expected", ErrUnsupported, c.Architectures, known)
	}
	var ok bool
	if c.family, ok = families[c.Architectures[0]]; !ok {
		return fmt.Errorf("%w: architectures is %q; known are %v", ErrUnsupported, c.Architectures[0], known)
	}
	switch {
	case c.Quantization != nil && c.Quantization.Kind() != 'n':
		return fmt.Errorf("%w: quantization_config: import the model as it was before, then quantise it", ErrUnsupported)
	case c.Activation != nil && *c.Activation != "silu":
		return fmt.Errorf("%w: hidden_act is %q; silu is expected", ErrUnsupported, *c.Activation)
	case c.MLPBias:
		return fmt.Errorf("%w: mlp_bias is true", ErrUnsupported)
	case c.PartialRotary != nil && *c.PartialRotary != 1:
		return fmt.Errorf("%w: partial_rotary_factor is %g", ErrUnsupported, *c.PartialRotary)
	}
	return nil
}

// checkShape bounds every number, so that products of two of them do not overflow.
func (c *config) checkShape() error {
	c.kvHeads = c.Heads
	if c.KVHeads != nil {
		c.kvHeads = *c.KVHeads
	}
	for _, n := range []struct {
		field string
		value uint64
	}{
		{"vocab_size", c.VocabSize}, {"hidden_size", c.HiddenSize}, {"intermediate_size", c.IntermediateSize},
		{"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads}, {"num_key_value_heads", c.kvHeads},
		{"max_position_embeddings", c.MaxPositions},
	} {
		if n.value == 0 || n.value > 1<<24 {
			return fmt.Errorf("%w: %s is %d", ErrConfig, n.field, n.value)
		}
	}
	c.headDim = cmp.Or(c.family.headDim, c.HiddenSize/c.Heads)
	if c.HeadDim != nil {
		c.headDim = *c.HeadDim
	}
	if c.headDim == 0 || c.headDim > 1<<24 || c.headDim%2 != 0 {
		return fmt.Errorf("%w: head_dim is %d; an even number is needed", ErrConfig, c.headDim)
	}
	if c.Heads%c.kvHeads != 0 {
		return fmt.Errorf("%w: num_attention_heads is %d, no multiple of num_key_value_heads, %d", ErrConfig, c.Heads, c.kvHeads)
	}
	if !(c.NormEps > 0 && c.NormEps < 1) {
		return fmt.Errorf("%w: rms_norm_eps is %g", ErrConfig, c.NormEps)
	}
	return c.limitContext()
}

// limitContext ends the context where attention would begin to see less than
// all: up to there a sliding window makes no difference.
func (c *config) limitContext() error {
	c.context = c.MaxPositions
	if w := c.SlidingWindow; w != nil && *w < c.context && c.windowed != nil && c.windowed(c) {
		if *w == 0 {
			return fmt.Errorf("%w: sliding_window is 0", ErrConfig)
		}
		c.context = *w
		c.notes = append(c.notes, fmt.Sprintf("the context is %d tokens, the sliding_window, of the config's %d: the engine attends to all tokens", c.context, c.MaxPositions))
	}
	if c.context > maxContext {
		c.context = maxContext
		c.notes = append(c.notes, fmt.Sprintf("the context is %d tokens, the engine's longest, of the config's %d", c.context, c.MaxPositions))
	}
	return nil
}

func (c *config) checkRotation() error {
	c.theta = 10000
	if c.RopeTheta != nil {
		c.theta = *c.RopeTheta
	}
	field, s := "rope_scaling", c.RopeScaling
	if c.RopeParameters != nil {
		field, s = "rope_parameters", c.RopeParameters
		if s.Theta != nil {
			c.theta = *s.Theta
		}
	}
	if !(c.theta > 1 && c.theta < math.MaxFloat32) {
		return fmt.Errorf("%w: rope_theta is %g", ErrConfig, c.theta)
	}
	if s == nil {
		return nil
	}
	switch kind := cmp.Or(s.RopeType, s.Type); {
	case kind == "none" || kind == "default":
		return nil
	case kind == "":
		return fmt.Errorf("%w: %s has no rope_type", ErrConfig, field)
	case kind != "llama3" || c.family.name != "llama":
		return fmt.Errorf("%w: rope_type of %s is %q; default, and llama3 for architecture llama, are supported", ErrUnsupported, field, kind)
	}
	if !(s.Factor >= 1 && s.Factor < 1e4 && s.Low > 0 && s.High > s.Low && s.High < 1e6 && s.Positions >= 1 && s.Positions < 1<<24) {
		return fmt.Errorf("%w: %s has factor %g, low_freq_factor %g, high_freq_factor %g, original_max_position_embeddings %g", ErrConfig, field, s.Factor, s.Low, s.High, s.Positions)
	}
	c.scaling = s
	return nil
}

// frequencyFactors are what the frequency of each pair of elements is divided by:
// 1 for those that turn fast, the factor for those that turn slowly, and between
// them a mean weighted by how fast (Llama 3.1; rope_freqs.weight of GGUF).
func (c *config) frequencyFactors() []float32 {
	s, factors := c.scaling, make([]float32, c.headDim/2)
	for i := range factors {
		wavelength := 2 * math.Pi * math.Pow(c.theta, 2*float64(i)/float64(c.headDim))
		switch turns := s.Positions / wavelength; {
		case turns > s.High:
			factors[i] = 1
		case turns < s.Low:
			factors[i] = float32(s.Factor)
		default:
			smooth := (turns - s.Low) / (s.High - s.Low)
			factors[i] = float32(1 / ((1-smooth)/s.Factor + smooth))
		}
	}
	return factors
}
