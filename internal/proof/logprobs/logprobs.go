// Package logprobs packs the log-probabilities that an engine reports of each
// step of an answer, on a stated grid, so that a receipt can commit to them: 14
// bytes a token.
//
// Form "top3": for each step, big-endian, the drawn token's level in 16 bits, on
// a grid of 1/1024 nat; then three alternatives of 32 bits, the likeliest first:
// a token id in 18 bits and its level in 14, on a grid of 1/256 nat. A level is
// −ln p rounded to the grid, ties to even, at most the largest that the bits
// hold. An alternative that is not known is all ones, and none follows it.
package logprobs

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/koinon/koinon/receipt"
)

// Form names the packing in a receipt.
const Form = "top3"

// Alternatives is how many of a step are packed; StepBytes what a step takes.
const (
	Alternatives = 3
	StepBytes    = 2 + 4*Alternatives
)

// The grids, in parts of a nat, and what their bits hold.
const (
	drawnGrid, drawnMost = 1024, 1<<16 - 1
	topGrid, topMost     = 256, 1<<14 - 1
	idBits               = 18
	absent               = math.MaxUint32
)

// MaxSteps bounds an answer's packed steps.
const MaxSteps = 1 << 18

// Chance is a token and its log-probability, in nats, 0 at most.
type Chance struct {
	ID      int32
	Logprob float32
}

// Step is what is known of one token.
type Step struct {
	Drawn float32 // log-probability of the token that was served, in nats
	Top   []Chance
}

// Errors of packing and unpacking.
var (
	ErrStep = errors.New("log-probabilities that cannot be packed")
	ErrForm = errors.New("packed log-probabilities are malformed")
)

// Pack writes the steps of an answer. More than [Alternatives] are cut off; those
// that the form has no place for, by their id, are left out. Refusals: [ErrStep].
func Pack(steps []Step) ([]byte, error) {
	if len(steps) > MaxSteps {
		return nil, fmt.Errorf("%w: %d steps, %d at most", ErrStep, len(steps), MaxSteps)
	}
	packed := make([]byte, 0, StepBytes*len(steps))
	for i, s := range steps {
		drawn, ok := level(s.Drawn, drawnGrid, drawnMost)
		if !ok {
			return nil, fmt.Errorf("%w: step %d is drawn with %g", ErrStep, i, s.Drawn)
		}
		packed = binary.BigEndian.AppendUint16(packed, uint16(drawn))
		top, err := alternatives(s.Top)
		if err != nil {
			return nil, fmt.Errorf("%w: step %d: %w", ErrStep, i, err)
		}
		for _, word := range top {
			packed = binary.BigEndian.AppendUint32(packed, word)
		}
	}
	return packed, nil
}

// level is −logprob on a grid; false for what is no log-probability.
func level(logprob float32, grid float64, most uint32) (uint32, bool) {
	if !(logprob <= 0) {
		return 0, false
	}
	return uint32(min(float64(most), math.RoundToEven(-float64(logprob)*grid))), true
}

// alternatives packs the first of a step, which must be of different tokens and
// not become likelier.
func alternatives(top []Chance) (words [Alternatives]uint32, err error) {
	n, before := 0, uint32(0)
	for _, c := range top {
		if n == Alternatives || c.ID < 0 || c.ID >= 1<<idBits {
			continue
		}
		l, ok := level(c.Logprob, topGrid, topMost)
		if !ok || l < before {
			return words, fmt.Errorf("alternative %d of token %d has %g", n, c.ID, c.Logprob)
		}
		words[n], before = uint32(c.ID)<<(32-idBits)|l, l
		for _, other := range words[:n] {
			if other>>(32-idBits) == uint32(c.ID) {
				return words, fmt.Errorf("token %d is listed twice", c.ID)
			}
		}
		if words[n] == absent {
			break // the last id at the last level is what stands for none
		}
		n++
	}
	for ; n < Alternatives; n++ {
		words[n] = absent
	}
	return words, nil
}

// Unpack reads what Pack wrote, and nothing else: it refuses bytes that Pack
// would have written otherwise. Refusals: [ErrForm].
func Unpack(packed []byte) ([]Step, error) {
	if len(packed)%StepBytes != 0 || len(packed) > StepBytes*MaxSteps {
		return nil, fmt.Errorf("%w: %d bytes are no steps of %d, %d at most", ErrForm, len(packed), StepBytes, MaxSteps)
	}
	steps := make([]Step, len(packed)/StepBytes)
	for i := range steps {
		p := packed[i*StepBytes:]
		steps[i].Drawn = -float32(binary.BigEndian.Uint16(p)) / drawnGrid
		ended := false
		for k := range Alternatives {
			word := binary.BigEndian.Uint32(p[2+4*k:])
			if word == absent {
				ended = true
				continue
			}
			c := Chance{int32(word >> (32 - idBits)), -float32(word&topMost) / topGrid}
			if ended || !follows(steps[i].Top, c) {
				return nil, fmt.Errorf("%w: step %d, alternative %d", ErrForm, i, k)
			}
			steps[i].Top = append(steps[i].Top, c)
		}
	}
	return steps, nil
}

// follows says whether an alternative may come after others.
func follows(top []Chance, c Chance) bool {
	for _, other := range top {
		if other.ID == c.ID || c.Logprob > other.Logprob {
			return false
		}
	}
	return true
}

// Commit is what a receipt says of packed steps; of none it says nothing.
func Commit(packed []byte) receipt.Logprobs {
	if len(packed) == 0 {
		return receipt.Logprobs{}
	}
	return receipt.Logprobs{Form: Form, Digest: sha256.Sum256(packed)}
}
