package sampling

import (
	"math"
	"math/bits"
	"slices"

	"github.com/koinon/koinon/internal/tensor"
)

// Kind is how the token is drawn from the candidates that stay.
type Kind uint8

// Kinds of drawing. Both draw each candidate with its probability; they differ
// in what a small difference of logits does to the draw.
const (
	// Categorical compares one number of the step with the running sum of
	// probabilities: any difference of any candidate may move the draw.
	Categorical Kind = iota
	// Gumbel adds noise to each candidate's logit and takes the largest sum
	// (Gumbel, 1954). The noise is fixed by seed, step and token, so that two
	// engines with nearly the same logits nearly always draw the same token, and
	// how far off a token was can be measured: [Sampler.Margin].
	Gumbel
)

// Noise is the Gumbel noise of a token at a step: −ln(−ln u), where u is the
// middle of one of 2³² equal parts of (0, 1), named by a word of Philox4x32-10
// (Salmon et al., 2011) with the seed as its key.
func Noise(seed, step uint64, id int32) float32 { return gumbel(noiseWord(seed, step, id)) }

func noiseWord(seed, step uint64, id int32) uint32 {
	return noiseBlock(seed, step, uint32(id)>>2)[id&3]
}

// noiseBlock has the words of four tokens in a row.
func noiseBlock(seed, step uint64, block uint32) [4]uint32 {
	return tensor.Philox(noiseCounter(step, block), noiseKey(seed))
}

func noiseCounter(step uint64, block uint32) [4]uint32 {
	return [4]uint32{uint32(step), uint32(step >> 32), block, noiseDomain}
}

func noiseKey(seed uint64) [2]uint32 { return [2]uint32{uint32(seed), uint32(seed >> 32)} }

// noiseDomain is the last word of the counter, "koin": it sets these numbers
// apart from others made with the same seed.
const noiseDomain = 0x6b6f696e

func gumbel(word uint32) float32 {
	u := (float64(word) + 0.5) / (1 << 32) // exact
	return float32(-tensor.Log(-tensor.Log(u)))
}

// loud is a candidate's logit with its noise.
func (s *Sampler) loud(l float32, word uint32) float32 {
	return finite(l + float32(s.params.Temperature*gumbel(word)))
}

// crowded is of how many tokens one must be a candidate for the words of all to be
// made at once, as vectors do: each then takes a seventh of the time.
const crowded = 7

// loudest is the candidate with the largest sum of logit and noise, among equals
// the lower id. Logarithms are taken only for those that might win, which are
// few where the likeliest comes first.
func (s *Sampler) loudest(keys []uint64, step uint64) (id int32, most float32) {
	all := len(keys)*crowded > len(s.work)
	if all {
		s.words = slices.Grow(s.words[:0], len(s.work))[:len(s.work)]
		tensor.PhiloxAll(s.words, noiseCounter(step, 0), noiseKey(s.params.Seed))
	}
	most = float32(math.Inf(-1))
	var words [4]uint32
	at := uint32(math.MaxUint32) // no block of any token's
	for _, k := range keys {
		candidate, l := keyID(k), keyLogit(k)
		var word uint32
		if all {
			word = s.words[candidate]
		} else {
			if block := uint32(candidate) >> 2; block != at {
				at, words = block, noiseBlock(s.params.Seed, step, block)
			}
			word = words[candidate&3]
		}
		if tooQuiet(word, (most-l)/s.params.Temperature) {
			continue
		}
		if v := s.loud(l, word); v > most || v == most && candidate < id {
			id, most = candidate, v
		}
	}
	return id, most
}

// tooQuiet says that a word's noise is below what is wanted, without taking a
// logarithm: −ln(−ln u) is at most −ln(1−u), and 1−u has as many leading zeros as
// the word has ones, so that it is at least ½ to that power and one more.
func tooQuiet(word uint32, wanted float32) bool {
	return float32(bits.LeadingZeros32(^word)+1)*math.Ln2 < wanted
}

// Margin says how far a token was from being drawn by Gumbel's noise, or at
// temperature 0: the largest sum of logit and noise among the candidates, less
// the token's, in units of logits. It is 0 for the token that is drawn and +Inf
// for one that is no candidate. It is meant for a sampler of kind [Gumbel]; with
// [Categorical] above temperature 0 it judges a draw that was not agreed.
func (s *Sampler) Margin(logits []float32, step uint64, allowed Mask, token int32) float32 {
	never := float32(math.Inf(1))
	if token < 0 || int(token) >= len(s.work) {
		return never
	}
	best := s.adjust(logits[:len(s.work)], allowed)
	if best < 0 || s.work[token] == excluded {
		return never
	}
	if s.params.Temperature == 0 {
		return s.work[best] - s.work[token]
	}
	l := s.work[token]
	keys, _, _ := s.remaining(best)
	for _, k := range keys {
		if keyID(k) == token {
			_, most := s.loudest(keys, step)
			return most - s.loud(l, noiseWord(s.params.Seed, step, token))
		}
	}
	return never
}
