package sampling

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/tensor"
)

// uniformOf is uniform, written from the specification.
func uniformOf(seed, step uint64) float32 {
	data := append([]byte("koinon/sample/v1"), 0)
	data = binary.BigEndian.AppendUint64(data, seed)
	data = binary.BigEndian.AppendUint64(data, step)
	sum := sha256.Sum256(data)
	return float32(binary.BigEndian.Uint32(sum[:])>>8) / (1 << 24)
}

// plain draws with temperature, top_k and top_p alone, by sorting the whole
// vocabulary and leaving nothing out: what answers were drawn with before there
// were other parameters.
func plain(logits []float32, p Params, step uint64) int32 {
	ids := sorted(logits)
	if p.Temperature == 0 {
		return ids[0]
	}
	if p.TopK > 0 && p.TopK < len(ids) {
		ids = ids[:p.TopK]
	}
	prob := make([]float32, len(ids))
	for i, id := range ids {
		prob[i] = (logits[id] - logits[ids[0]]) / p.Temperature
	}
	tensor.Softmax(prob)
	var sum float32
	n := 0
	for n < len(prob) && (n == 0 || sum < p.TopP) {
		sum += prob[n]
		n++
	}
	return pick(ids[:n], prob, uniformOf(p.Seed, step)*sum)
}

func pick(ids []int32, prob []float32, u float32) int32 {
	var running float32
	for i, id := range ids {
		if running += prob[i]; running > u {
			return id
		}
	}
	return ids[len(ids)-1]
}

func sorted(logits []float32) []int32 {
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortFunc(ids, func(a, b int32) int {
		return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b))
	})
	return ids
}

// whole draws with every parameter as spec/engine.md says, without the shortcuts.
func whole(logits []float32, p Params, prompt, answer []int32, step uint64, allowed Mask) int32 {
	l := make([]float32, len(logits))
	for i, v := range logits {
		l[i] = min(max(v, -math.MaxFloat32), math.MaxFloat32)
		if v != v {
			l[i] = -math.MaxFloat32
		}
	}
	for _, b := range p.Bias {
		l[b.Token] += b.Value
	}
	text := append(slices.Clone(prompt), answer...)
	from := 0
	if p.PenaltyWindow > 0 {
		from = max(0, len(text)-p.PenaltyWindow)
	}
	for id := range l {
		seen, times := slices.Contains(text[from:], int32(id)), 0
		for i := max(from, len(prompt)); i < len(text); i++ {
			if text[i] == int32(id) {
				times++
			}
		}
		if r := p.RepetitionPenalty; seen && r != 0 {
			if l[id] > 0 {
				l[id] = l[id] / r
			} else {
				l[id] = l[id] * r
			}
		}
		if times > 0 {
			l[id] = l[id] - float32(float32(times)*p.FrequencyPenalty)
			l[id] = l[id] - p.PresencePenalty
		}
	}
	var ids []int32
	for _, id := range sorted(l) {
		if allowed.Allows(id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return -1
	}
	if p.Temperature == 0 {
		return ids[0]
	}
	if p.TopK > 0 {
		ids = ids[:min(p.TopK, len(ids))]
	}
	var scaled []float32
	for _, id := range ids {
		if x := (l[id] - l[ids[0]]) / p.Temperature; x >= -17.5 {
			scaled = append(scaled, x)
		}
	}
	ids = ids[:len(scaled)]
	prob := slices.Clone(scaled)
	tensor.Softmax(prob)
	if p.TypicalP != 0 && p.TypicalP != 1 {
		ids, prob = typicalOf(ids, scaled, prob, p.TypicalP)
	}
	var sum float32
	n := 0
	for n < len(prob) && (n == 0 || sum < p.TopP || p.Kind == Gumbel && p.TopP == 1) {
		sum += prob[n]
		n++
	}
	for i := range n {
		if i > 0 && prob[i] < p.MinP*prob[0] {
			n = i
			break
		}
	}
	if p.Kind == Gumbel {
		return loudestOf(l, ids[:n], p, step)
	}
	sum = 0
	for _, v := range prob[:n] {
		sum += v
	}
	return pick(ids[:n], prob, uniformOf(p.Seed, step)*sum)
}

// loudestOf makes the noise of every candidate.
func loudestOf(l []float32, ids []int32, p Params, step uint64) int32 {
	best, most := int32(-1), float32(0)
	for _, id := range ids {
		v := min(max(l[id]+float32(p.Temperature*Noise(p.Seed, step, id)), -math.MaxFloat32), math.MaxFloat32)
		if best < 0 || v > most || v == most && id < best {
			best, most = id, v
		}
	}
	return best
}

// typicalOf sorts by the distance from what is expected, where the sampler grows a
// range.
func typicalOf(ids []int32, scaled, prob []float32, most float32) ([]int32, []float32) {
	var expected float32
	for i := range ids {
		expected += float32(prob[i] * scaled[i])
	}
	start := 0
	for start < len(ids)-1 && scaled[start] > expected {
		start++
	}
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if a == start || b == start {
			return cmp.Compare(btoi(a != start), btoi(b != start))
		}
		if c := cmp.Compare(max(scaled[a]-expected, expected-scaled[a]), max(scaled[b]-expected, expected-scaled[b])); c != 0 {
			return c
		}
		if a < start && b < start {
			return b - a // outwards
		}
		return a - b
	})
	var sum float32
	n := 0
	for n < len(order) && (n == 0 || sum < most) {
		sum += prob[order[n]]
		n++
	}
	kept := slices.Sorted(slices.Values(order[:n]))
	var outIDs []int32
	var out []float32
	sum = 0
	for _, i := range kept {
		outIDs, out = append(outIDs, ids[i]), append(out, prob[i])
		sum += prob[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return outIDs, out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// logitsOf draws logits: few or many, flat or steep, with equals among them.
func logitsOf(t *rapid.T) []float32 {
	n := rapid.SampledFrom([]int{1, 2, 7, 40, 600, 3000}).Draw(t, "vocabulary")
	seed := rapid.Uint64().Draw(t, "logits")
	spread := rapid.SampledFrom([]float64{0, 0.01, 1, 4, 30}).Draw(t, "spread")
	coarse := rapid.Bool().Draw(t, "coarse")
	logits := make([]float32, n)
	for i := range logits {
		seed = seed*6364136223846793005 + 1442695040888963407
		v := (float64(seed>>40)/(1<<24)*2 - 1) * spread
		if coarse {
			v = math.Round(v)
		}
		logits[i] = float32(v)
	}
	return logits
}

func TestPlainDrawsAreAsEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := logitsOf(t)
		p := Params{
			Temperature: rapid.SampledFrom([]float32{0, 1e-45, 1e-3, 0.3, 0.8, 1, 2}).Draw(t, "temperature"),
			TopP:        rapid.SampledFrom([]float32{1e-9, 0.1, 0.5, 0.95, 0.9999999, 1}).Draw(t, "top_p"),
			TopK:        rapid.SampledFrom([]int{0, 1, 2, 40, 1000, 1 << 30}).Draw(t, "top_k"),
			Seed:        rapid.Uint64().Draw(t, "seed"),
		}
		s, err := New(p, len(logits), nil)
		if err != nil {
			t.Fatal(err)
		}
		for step := range uint64(8) {
			if got, want := s.Draw(logits, step, nil), plain(logits, p, step); got != want {
				t.Fatalf("step %d: token %d, by sorting everything %d", step, got, want)
			}
		}
	})
}

// A long tail of unlikely tokens counts.
func TestNothingThatCountsIsLeftOut(t *testing.T) {
	for _, tail := range []float32{-6, -11, -14, -17, -18} {
		logits := make([]float32, 100_000)
		for i := range logits[1:] {
			logits[i+1] = tail
		}
		p := Params{Temperature: 1, TopP: 1, Seed: 5}
		s := sampler(t, p, len(logits))
		for step := range uint64(40) {
			if got, want := s.Draw(logits, step, nil), plain(logits, p, step); got != want {
				t.Fatalf("a tail at %g, step %d: token %d, by sorting everything %d", tail, step, got, want)
			}
		}
	}
}

func TestDrawsAreAsSpecified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := logitsOf(t)
		token := rapid.Int32Range(0, int32(len(logits)-1))
		p := Params{
			Temperature:       rapid.SampledFrom([]float32{0, 0.5, 1, 1.7}).Draw(t, "temperature"),
			TopP:              rapid.SampledFrom([]float32{0.3, 0.9, 1}).Draw(t, "top_p"),
			TopK:              rapid.SampledFrom([]int{0, 3, 100}).Draw(t, "top_k"),
			MinP:              rapid.SampledFrom([]float32{0, 0.05, 0.7, 1}).Draw(t, "min_p"),
			TypicalP:          rapid.SampledFrom([]float32{0, 0.2, 0.9, 1}).Draw(t, "typical_p"),
			RepetitionPenalty: rapid.SampledFrom([]float32{0, 1, 1.3, 0.5}).Draw(t, "repetition"),
			PresencePenalty:   rapid.SampledFrom([]float32{0, 1.1, -2}).Draw(t, "presence"),
			FrequencyPenalty:  rapid.SampledFrom([]float32{0, 0.3, -0.7}).Draw(t, "frequency"),
			PenaltyWindow:     rapid.SampledFrom([]int{0, 1, 5}).Draw(t, "window"),
			Seed:              rapid.Uint64().Draw(t, "seed"),
			Kind:              rapid.SampledFrom([]Kind{Categorical, Gumbel}).Draw(t, "kind"),
		}
		for _, id := range rapid.SliceOfNDistinct(token, 0, 3, rapid.ID[int32]).Draw(t, "biased") {
			p.Bias = append(p.Bias, Bias{id, rapid.Float32Range(-100, 100).Draw(t, "bias")})
		}
		prompt, answer := rapid.SliceOfN(token, 0, 6).Draw(t, "prompt"), rapid.SliceOfN(token, 0, 6).Draw(t, "answer")
		var allowed Mask
		if rapid.Bool().Draw(t, "masked") {
			allowed = NewMask(len(logits))
			for _, id := range rapid.SliceOfN(token, 0, 20).Draw(t, "allowed") {
				allowed.Allow(id)
			}
		}
		s, err := New(p, len(logits), prompt)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range answer {
			s.Accept(id)
		}
		step := uint64(len(answer))
		if got, want := s.Draw(logits, step, allowed), whole(logits, p, prompt, answer, step, allowed); got != want {
			t.Fatalf("token %d, as specified %d", got, want)
		}
	})
}

func TestLargestIsTheBeginningOfTheSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := logitsOf(t)
		n := rapid.IntRange(0, 20).Draw(t, "n")
		if got, want := Largest(logits, n), sorted(logits)[:min(n, len(logits))]; !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}
