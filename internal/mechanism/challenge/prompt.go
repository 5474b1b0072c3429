package challenge

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// Seed is a version's own part of the beacon's randomness in an epoch.
func Seed(r receipt.Digest, model string, epoch int64) receipt.Digest {
	return beacon.Value(r, "challenge "+model, uint64(epoch))
}

// Prompts are made of the first Ids token ids, which every vocabulary but a toy's
// has, so that the ledger, which knows no vocabulary, knows the prompt. A model
// that has nothing to say to a prompt is asked the next, up to MaxAttempts.
const (
	Ids         = 256
	MaxAttempts = 16
)

// Prompt is the token ids that a seed draws for an attempt, each with the same
// chance. Nobody sells such a text, so that no cached answer helps.
func Prompt(seed receipt.Digest, attempt int, tokens int64) []int32 {
	own := beacon.Value(seed, "prompt", uint64(attempt))
	list := make([]int32, 0, max(0, tokens))
	for i := range tokens {
		d := beacon.Value(own, "token", uint64(i))
		list = append(list, int32(d[0]))
	}
	return list
}

// MaxPositions bounds the positions at which answers of the statistical class
// are compared.
const MaxPositions = 32

// Positions are where answers of the statistical class are compared: up to
// MaxPositions different positions of the prompt but its first, in order.
func Positions(seed receipt.Digest, tokens int64) []int {
	weights := slices.Repeat([]uint64{1}, int(max(1, tokens)))
	weights[0] = 0 // nothing precedes the first token
	list := beacon.Draw(seed, "positions", weights, MaxPositions)
	slices.Sort(list)
	return list
}

// Grid is how many steps a nat has: values of answers are log-probabilities,
// negated, in steps of 1/Grid, at most 65,535. valueSize is the bytes of each.
const (
	Grid      = 1024
	valueSize = 2
)

// Values writes steps of the grid as an answer's values, big-endian.
func Values(steps []uint16) string {
	data := make([]byte, 0, valueSize*len(steps))
	for _, v := range steps {
		data = binary.BigEndian.AppendUint16(data, v)
	}
	return string(data)
}

// DigestOf names values.
func DigestOf(values string) receipt.Digest { return receipt.Sum([]byte(values)) }

// farthest is where one position's distance ends, in steps of the grid: two
// nats, so that one outlier does not decide.
const farthest = 2 * Grid

// Distance is the mean distance of two answers' values, in micro-nats a token,
// rounded down. Answers of different lengths are as far apart as can be.
func Distance(a, b string) uint64 {
	if len(a) != len(b) || len(a) == 0 || len(a)%valueSize != 0 {
		return math.MaxUint64
	}
	var sum uint64
	for i := 0; i < len(a); i += valueSize {
		x, y := int(a[i])<<8|int(a[i+1]), int(b[i])<<8|int(b[i+1])
		sum += uint64(min(max(x-y, y-x), farthest))
	}
	return sum * 1_000_000 / Grid / uint64(len(a)/valueSize)
}

// Announce says whether an epoch's challenges begin with this block, of which r
// is the randomness: from the epoch's beginning on with the same chance in each
// second of its first half, and at the end of that for certain. So nobody can
// leave just before, and come back just after.
func Announce(p Params, r receipt.Digest, start, before, now int64) bool {
	half := max(1, p.Epoch/2)
	if p.Epoch == 0 || now < start {
		return false
	}
	left := start + half - now
	passed := now - max(before, start)
	if left <= 0 {
		return true
	}
	d := beacon.Value(r, "announce", uint64(start))
	return binary.BigEndian.Uint64(d[:])%uint64(passed+left) < uint64(passed)
}
