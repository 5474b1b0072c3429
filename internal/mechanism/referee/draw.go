package referee

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
	"github.com/koinon/koinon/receipt"
)

// The steps of a draw, as spec/engine.md numbers them under "Sampling". Scans over
// candidates show their state after each chunk of the sorted keys.

// drawn is a word of one of them.
func (b *bench) drawn(r Run, i uint64) uint32 {
	switch r.Operator {
	case OpAdjusted:
		return uint32(b.adjusted(i))
	case OpBest:
		return b.best(i)
	case OpSorted:
		return b.sorted(r.Layer, i)
	case OpSum:
		s := b.sums(i / 2)
		return [...]uint32{uint32(s.count), uint32(s.sum)}[i%2]
	case OpExpected:
		return uint32(b.expected(i))
	case OpTypical:
		s := b.typical(i / 3)
		return [...]uint32{uint32(s.low), uint32(s.high), uint32(s.sum)}[i%3]
	case OpRange:
		return uint32(b.ranged(i))
	case OpTop:
		s := b.top(i / 2)
		return [...]uint32{uint32(s.count), uint32(s.sum)}[i%2]
	case OpLeast:
		s := b.least(i / 2)
		return [...]uint32{uint32(s.count), uint32(s.sum)}[i%2]
	}
	s := b.draw(i / 3)
	return [...]uint32{uint32(s.sum), s.enough, s.token}[i%3]
}

// bits are a parameter's.
func bits(v float32) float { return float(math.Float32bits(v)) }

func isZero(v float32) bool { return bits(v).Abs() == 0 }

// finite is a logit as it counts.
func finite(l float) float {
	switch {
	case l.IsNaN():
		return softfloat.Max.Neg()
	case softfloat.Max.Less(l):
		return softfloat.Max
	case l.Less(softfloat.Max.Neg()):
		return softfloat.Max.Neg()
	}
	return l
}

// adjusted is a token's logit after steps 1 to 4.
func (b *bench) adjusted(token uint64) float {
	p := &b.Receipt.Sampling
	l := finite(b.one(OpLogits, 0, token))
	if !p.LogitBias.IsZero() {
		for _, bias := range b.biases() {
			if uint64(bias.Token) == token {
				l = finite(softfloat.Add(l, float(bias.Value)))
			}
		}
	}
	repeats := !isZero(p.RepetitionPenalty) && bits(p.RepetitionPenalty) != softfloat.One
	if !repeats && isZero(p.PresencePenalty) && isZero(p.FrequencyPenalty) {
		return l
	}
	all, answered := b.occurrences(token)
	if repeats && all > 0 {
		if softfloat.Zero.Less(l) {
			l = softfloat.Div(l, bits(p.RepetitionPenalty))
		} else {
			l = softfloat.Mul(l, bits(p.RepetitionPenalty))
		}
		l = finite(l)
	}
	if answered > 0 {
		l = finite(softfloat.Sub(l, softfloat.Mul(softfloat.FromInt(answered), bits(p.FrequencyPenalty))))
		l = finite(softfloat.Sub(l, bits(p.PresencePenalty)))
	}
	return l
}

// biases are the request's, checked against the receipt.
func (b *bench) biases() []Bias {
	list, err := b.source.Biases()
	digest := receipt.BiasDigest(func(yield func(uint32, float32) bool) {
		for _, bias := range list {
			if !yield(bias.Token, math.Float32frombits(bias.Value)) {
				return
			}
		}
	})
	if err == nil && digest != b.Receipt.Sampling.LogitBias {
		err = fmt.Errorf("%w: the biases are not those of the receipt", ErrMissing)
	}
	if err != nil {
		b.fail(err)
	}
	return list
}

// occurrences counts a token in the window that penalties look at, and of these
// the answer's.
func (b *bench) occurrences(token uint64) (all, answered int64) {
	prompt := b.Receipt.PromptTokens
	end := prompt + b.Step
	first := uint64(0)
	if window := uint64(b.Receipt.Sampling.PenaltyWindow); window > 0 && window < end {
		first = end - window
	}
	answer := prompt - min(prompt, uint64(b.Receipt.Sampling.Resumed))
	for i := first; i < end; i++ {
		if uint64(b.tokenAt(i)) != token {
			continue
		}
		all++
		if i >= answer {
			answered++
		}
	}
	return all, answered
}

// key orders candidates: the larger logit first, among equals the lower id.
type key struct{ turned, token uint32 }

func keyOf(l float, token uint64) key {
	if l.Abs() == 0 {
		l = softfloat.Zero // −0 is equal to 0
	}
	turned := uint32(l)
	if turned>>31 == 0 {
		turned = ^(turned | 1<<31)
	}
	return key{turned, uint32(token)}
}

func (k key) logit() float {
	turned := k.turned
	if turned>>31 == 0 {
		turned = ^turned &^ (1 << 31)
	}
	return float(turned)
}

func (k key) before(other key) bool {
	if k.turned != other.turned {
		return k.turned < other.turned
	}
	return k.token < other.token
}

func (k key) word(i uint64) uint32 { return [...]uint32{k.turned, k.token}[i%keyWords] }

// keys are n sorted keys of a level, from the first-th on.
func (b *bench) keys(level, first, n uint64) []key {
	words := b.words(b.segment, OpSorted, level, keyWords*first, keyWords*n)
	list := make([]key, n)
	for i := range list {
		list[i] = key{words[2*i], words[2*i+1]}
	}
	return list
}

// span is the part of the candidates that a scan's chunk has.
func (b *bench) span(chunk uint64) (first, n uint64) {
	first = chunk * RunKeys
	return first, min(RunKeys, b.Shape.Vocabulary-first)
}

// best is a word of the first candidate's key so far.
func (b *bench) best(i uint64) uint32 {
	chunk := i / keyWords
	first, n := b.span(chunk)
	best := key{math.MaxUint32, math.MaxUint32}
	if chunk > 0 {
		words := b.words(b.segment, OpBest, 0, keyWords*(chunk-1), keyWords)
		best = key{words[0], words[1]}
	}
	for j, l := range b.read(b.segment, OpAdjusted, 0, first, n) {
		if k := keyOf(l, first+uint64(j)); k.before(best) {
			best = k
		}
	}
	return best.word(i)
}

// sorted is a word of a sorted run: of one chunk at level 0, and above of two runs
// of the level below, merged.
func (b *bench) sorted(level, i uint64) uint32 {
	at := i / keyWords
	if level == 0 {
		first, n := b.span(at / RunKeys)
		var list []key
		for j, l := range b.read(b.segment, OpAdjusted, 0, first, n) {
			list = append(list, keyOf(l, first+uint64(j)))
		}
		return nth(list, at-first).word(i)
	}
	half := uint64(RunKeys) << (level - 1)
	first := at / (2 * half) * (2 * half)
	end := min(first+2*half, b.Shape.Vocabulary)
	mid := min(first+half, end)
	// Of the first at−first+1 keys, the fewest that are of the left run: the least n
	// of it such that its next key follows the last that is taken of the right.
	place := at - first
	low, high := place-min(place, end-mid), min(place, mid-first)
	for low < high {
		n := (low + high) / 2
		if b.keys(level-1, first+n, 1)[0].before(b.keys(level-1, mid+place-n-1, 1)[0]) {
			low = n + 1
		} else {
			high = n
		}
	}
	left, right := first+low, mid+place-low
	switch {
	case left == mid:
		return b.keys(level-1, right, 1)[0].word(i)
	case right == end:
		return b.keys(level-1, left, 1)[0].word(i)
	}
	a, c := b.keys(level-1, left, 1)[0], b.keys(level-1, right, 1)[0]
	if a.before(c) {
		return a.word(i)
	}
	return c.word(i)
}

// nth is the n-th of keys in order, by counting those before each.
func nth(list []key, n uint64) key {
	for _, k := range list {
		before := uint64(0)
		for _, other := range list {
			if other.before(k) {
				before++
			}
		}
		if before == n {
			return k
		}
	}
	return list[0] // not reached: ids differ
}

// scan is the state of a scan: how many candidates it has taken, and their sum.
type scan struct {
	count uint64
	sum   float
}

// state is what a scan shows after a chunk; of the one before the first, nothing.
func (b *bench) state(o Operator, chunks uint64) scan {
	if chunks == 0 {
		return scan{}
	}
	words := b.words(b.segment, o, 0, 2*(chunks-1), 2)
	return scan{uint64(words[0]), float(words[1])}
}

// scaled are candidates' logits less the first's, over the temperature.
func (b *bench) scaled(first, n uint64) []float {
	level := b.levels() - 1
	top := b.keys(level, 0, 1)[0].logit()
	list := make([]float, n)
	for i, k := range b.keys(level, first, n) {
		list[i] = softfloat.Div(softfloat.Sub(k.logit(), top), bits(b.Receipt.Sampling.Temperature))
	}
	return list
}

// sums takes candidates as long as top_k and the floor let it, and adds up their
// exponentials: steps 8 to 10.
func (b *bench) sums(chunk uint64) scan {
	const floor = float(0xc18c0000) // −17.5
	s := b.state(OpSum, chunk)
	first, n := b.span(chunk)
	most := uint64(b.Receipt.Sampling.TopK)
	for i, x := range b.scaled(first, n) {
		if s.count < first+uint64(i) || most > 0 && s.count == most || x.Less(floor) {
			return s
		}
		s.sum = softfloat.Add(s.sum, exp(x))
		s.count++
	}
	return s
}

// probabilities are those of candidates before typical_p.
func (b *bench) probabilities(first, n uint64) []float {
	inverse := softfloat.Div(softfloat.One, b.state(OpSum, b.scans()).sum)
	list := b.scaled(first, n)
	for i, x := range list {
		list[i] = softfloat.Mul(exp(x), inverse)
	}
	return list
}

// top is step 12.
func (b *bench) top(chunk uint64) scan {
	s := b.state(OpTop, chunk)
	first, n := b.span(chunk)
	low, high := b.stays()
	for i, p := range b.kept(first, n) {
		at := first + uint64(i)
		if at < low {
			continue
		}
		enough := s.count > 0 && !s.sum.Less(bits(b.Receipt.Sampling.TopP))
		if s.count < at-low || s.count == high-low || enough {
			return s
		}
		s.sum = softfloat.Add(s.sum, p)
		s.count++
	}
	return s
}

// least is step 13.
func (b *bench) least(chunk uint64) scan {
	s := b.state(OpLeast, chunk)
	first, n := b.span(chunk)
	most := b.state(OpTop, b.scans()).count
	low, _ := b.stays()
	bound := softfloat.Mul(bits(b.Receipt.Sampling.MinP), b.kept(low, 1)[0])
	for i, p := range b.kept(first, n) {
		at := first + uint64(i)
		if at < low {
			continue
		}
		if s.count < at-low || s.count == most || s.count > 0 && p.Less(bound) {
			return s
		}
		s.sum = softfloat.Add(s.sum, p)
		s.count++
	}
	return s
}

// outcome is the state of the draw: the running sum, 1 once it was enough, and the
// token that would be drawn if nothing followed.
type outcome struct {
	sum           float
	enough, token uint32
}

// draw is step 14.
func (b *bench) draw(chunk uint64) outcome {
	var s outcome
	if chunk > 0 {
		words := b.words(b.segment, OpDraw, 0, 3*(chunk-1), 3)
		s = outcome{float(words[0]), words[1], words[2]}
	}
	stays := b.state(OpTop, b.scans())
	if !isZero(b.Receipt.Sampling.MinP) {
		stays = b.state(OpLeast, b.scans())
	}
	goal := softfloat.Mul(b.uniform(), stays.sum)
	first, n := b.span(chunk)
	keys := b.keys(b.levels()-1, first, n)
	low, _ := b.stays()
	for i, p := range b.kept(first, n) {
		at := first + uint64(i)
		if at < low {
			continue
		}
		if s.enough == 1 || at-low >= stays.count {
			return s
		}
		s.sum, s.token = softfloat.Add(s.sum, p), keys[i].token
		if goal.Less(s.sum) {
			s.enough = 1
		}
	}
	return s
}

// uniform is U(seed, step).
func (b *bench) uniform() float {
	data := append([]byte("koinon/sample/v1"), 0)
	data = binary.BigEndian.AppendUint64(data, b.Receipt.Seed.Value)
	data = binary.BigEndian.AppendUint64(data, uint64(b.Receipt.Sampling.Resumed)+b.Step)
	sum := sha256.Sum256(data)
	return softfloat.Scale(softfloat.FromInt(int64(binary.BigEndian.Uint32(sum[:])>>8)), -24)
}

// drawnToken is what was drawn.
func (b *bench) drawnToken() uint32 {
	if drawOf(&b.Receipt.Sampling) == greedy {
		return b.words(b.segment, OpBest, 0, 2*b.scans()-1, 1)[0]
	}
	return b.words(b.segment, OpDraw, 0, 3*b.scans()-1, 1)[0]
}
