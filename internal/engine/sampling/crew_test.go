package sampling

import (
	"math/rand/v2"
	"testing"
)

// Workers of a crew draw what one sampler draws, step after step, whatever steps
// each of them has.
func TestACrewDrawsAsOneSampler(t *testing.T) {
	const size, steps, workers = 50, 40, 3
	r := rand.New(rand.NewPCG(3, 4))
	for _, window := range []int{0, 7} {
		p := Params{Temperature: 0.9, TopP: 0.9, RepetitionPenalty: 1.3, FrequencyPenalty: 0.4, PenaltyWindow: window, Seed: 5}
		var given []int32
		logits := make([][]float32, steps+1)
		for i := range logits {
			logits[i] = make([]float32, size)
			for j := range logits[i] {
				logits[i][j] = float32(3 * r.NormFloat64())
			}
			given = append(given, int32(r.IntN(size)))
		}
		one, err := New(p, size, []int32{1, 2, 3})
		if err != nil {
			t.Fatal(err)
		}
		one.Accept(4) // of an answer that is resumed
		crew := one.Crew(given, workers)
		for i := range logits {
			worker := r.IntN(workers)
			want := one.Draw(logits[i], uint64(i), nil)
			if got := crew.At(worker, i).Draw(logits[i], uint64(i), nil); got != want {
				t.Fatalf("window %d, step %d: worker %d draws %d, one sampler %d", window, i, worker, got, want)
			}
			one.Accept(given[i])
		}
	}
}
