package sampling

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/tensor"
)

// floor is the least scaled logit that counts. Below it a probability is under
// 2⁻²⁵ of the first candidate's: added to a sum that begins with the first, it
// does not change a bit of it.
const floor = -17.5

// Sampler draws the tokens of one answer. After the first draw it allocates
// nothing. It is not safe for concurrent use.
type Sampler struct {
	params  Params
	history *history // nil without penalties
	work    []float32
	keys    []uint64
	spare   []uint64
	scaled  []float32 // scaled logits of the candidates, in order
	p       []float32 // their probabilities
	words   []uint32  // of noise, by token
	counts  [buckets]int32
	domain  [17 + 16]byte
}

// New makes a sampler for an answer to a prompt, of a vocabulary's size.
func New(p Params, vocabulary int, prompt []int32) (*Sampler, error) {
	if err := p.Validate(vocabulary); err != nil {
		return nil, err
	}
	s := &Sampler{params: p, work: make([]float32, vocabulary)}
	copy(s.domain[:], "koinon/sample/v1")
	binary.BigEndian.PutUint64(s.domain[17:], p.Seed)
	if p.penalises() {
		s.history = newHistory(vocabulary, p.PenaltyWindow)
		for _, id := range prompt {
			if id < 0 || int(id) >= vocabulary {
				return nil, fmt.Errorf("token %d of the prompt is not in a vocabulary of %d", id, vocabulary)
			}
			s.history.add(id, false)
		}
	}
	return s, nil
}

// Accept appends a token that was drawn to the answer, for the penalties.
func (s *Sampler) Accept(id int32) {
	if s.history != nil {
		s.history.add(id, true)
	}
}

// Draw chooses the token of a step, counted from 0, among those that the mask
// allows; it returns −1 if there is none. The logits, one a token, are only read.
func (s *Sampler) Draw(logits []float32, step uint64, allowed Mask) int32 {
	best := s.adjust(logits[:len(s.work)], allowed)
	if best < 0 || s.params.Temperature == 0 {
		return best
	}
	keys, p, sum := s.remaining(best)
	if s.params.Kind == Gumbel {
		id, _ := s.loudest(keys, step)
		return id
	}
	u := s.uniform(step) * sum
	var running float32
	for i, k := range keys {
		if running += p[i]; running > u {
			return keyID(k)
		}
	}
	return keyID(keys[len(keys)-1])
}

// remaining are the candidates that every cut leaves, in order, their
// probabilities and the sum of these. Where nothing is cut, Gumbel's noise needs
// neither probabilities nor order, and gets no more than the likeliest first.
func (s *Sampler) remaining(best int32) (keys []uint64, p []float32, sum float32) {
	if s.params.Kind == Gumbel && !s.params.cuts() {
		keys = s.counting(s.work[best])
		i := slices.Index(keys, key(s.work[best], best))
		keys[0], keys[i] = keys[i], keys[0]
		return keys, nil, 0
	}
	keys = s.candidates(s.work[best])
	top := keyLogit(keys[0])
	s.scaled, s.p = s.scaled[:len(keys)], s.p[:len(keys)]
	for i, k := range keys {
		s.scaled[i] = (keyLogit(k) - top) / s.params.Temperature
	}
	copy(s.p, s.scaled)
	tensor.Softmax(s.p)
	low, high := s.typical()
	n, sum := s.cut(s.p[low:high])
	return keys[low : low+n], s.p[low : low+n], sum
}

// excluded marks a token that may not be drawn: every other logit is finite.
var excluded = float32(math.Inf(-1))

// adjust copies the logits, makes them finite, applies bias, penalties and the
// mask, and returns the first candidate, −1 if there is none.
func (s *Sampler) adjust(logits []float32, allowed Mask) int32 {
	for i, l := range logits {
		s.work[i] = finite(l)
	}
	for _, b := range s.params.Bias {
		s.work[b.Token] = finite(s.work[b.Token] + b.Value)
	}
	if s.history != nil {
		s.history.penalise(s.work, &s.params)
	}
	best, top := int32(-1), excluded
	for i, l := range s.work {
		if allowed != nil && !allowed.Allows(int32(i)) {
			s.work[i] = excluded
		} else if l > top {
			best, top = int32(i), l
		}
	}
	return best
}

// counting are the keys of the tokens that count, in the order of their ids.
func (s *Sampler) counting(top float32) []uint64 {
	if s.keys == nil {
		s.keys, s.spare = make([]uint64, len(s.work)), make([]uint64, len(s.work))
		s.scaled, s.p = make([]float32, len(s.work)), make([]float32, len(s.work))
	}
	n := 0
	for i, l := range s.work {
		if (l-top)/s.params.Temperature >= floor {
			s.keys[n] = key(l, int32(i))
			n++
		}
	}
	return s.keys[:n]
}

// candidates are the keys of the tokens that count, in order, the first top_k
// of them.
func (s *Sampler) candidates(top float32) []uint64 {
	keys := s.counting(top)
	if k := s.params.TopK; k > 0 && k < len(keys) {
		return s.first(keys, k, func(key uint64) float32 { return (keyLogit(key) - top) / s.params.Temperature })
	}
	s.sort(keys)
	return keys
}

// typical is the range of candidates that stays, grown from the one whose scaled
// logit is the expected; the probabilities of what stays sum to 1 again. What
// candidates tell is −ln p, which is less than what is expected of them as their
// scaled logit is more.
func (s *Sampler) typical() (low, high int) {
	n := len(s.p)
	if t := s.params.TypicalP; t == 0 || t == 1 {
		return 0, n
	}
	var expected float32
	for i, p := range s.p {
		expected += float32(p * s.scaled[i])
	}
	for low < n-1 && s.scaled[low] > expected {
		low++
	}
	high = low
	var sum float32
	for low == high || sum < s.params.TypicalP {
		switch {
		case low == 0 && high == n:
			return low, high
		case high == n, low > 0 && high > low && s.scaled[low-1]-expected <= expected-s.scaled[high]:
			low--
			sum += s.p[low]
		default:
			sum += s.p[high]
			high++
		}
	}
	sum = 0
	for _, p := range s.p[low:high] {
		sum += p
	}
	for i := low; i < high; i++ {
		s.p[i] /= sum
	}
	return low, high
}

// cut applies top_p and then min_p to probabilities in order: how many stay,
// and their sum. With Gumbel's noise a top_p of 1 keeps all even where rounding
// has the sum reach 1 before its end.
func (s *Sampler) cut(p []float32) (n int, sum float32) {
	all := s.params.Kind == Gumbel && s.params.TopP == 1
	for n < len(p) && (n == 0 || all || sum < s.params.TopP) {
		sum += p[n]
		n++
	}
	if s.params.MinP == 0 {
		return n, sum
	}
	least, most := float32(s.params.MinP*p[0]), n
	for n, sum = 1, p[0]; n < most && p[n] >= least; n++ {
		sum += p[n]
	}
	return n, sum
}

// uniform is a number in [0, 1): the first 24 bits of the SHA-256 of
// "koinon/sample/v1", a zero byte, seed and step, each in 8 bytes, big-endian.
func (s *Sampler) uniform(step uint64) float32 {
	binary.BigEndian.PutUint64(s.domain[25:], step)
	sum := sha256.Sum256(s.domain[:])
	return float32(binary.BigEndian.Uint32(sum[:])>>8) / (1 << 24)
}

// finite is a logit as it counts: NaN and what is below the finite numbers are
// the least of them, what is above is the largest.
func finite(l float32) float32 {
	switch {
	case l >= -math.MaxFloat32 && l <= math.MaxFloat32:
		return l
	case l > 0:
		return math.MaxFloat32
	}
	return -math.MaxFloat32
}

// Adjusted are the logits of a step after bias and penalties, valid until the next
// draw.
func (s *Sampler) Adjusted(logits []float32) []float32 {
	s.adjust(logits[:len(s.work)], nil)
	return s.work
}
