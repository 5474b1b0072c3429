package tensor

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPhiloxAll: in every kernel, many words are those of one counter after the other,
// past the end of the third word's range too.
func TestPhiloxAll(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, kernel := range Kernels() {
		restore, err := Use(kernel)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 150 {
			counter := [4]uint32{random.Uint32(), random.Uint32(), random.Uint32(), random.Uint32()}
			key := [2]uint32{random.Uint32(), random.Uint32()}
			if n%3 == 0 {
				counter[2] = -uint32(n / 8)
			}
			got := make([]uint32, n)
			PhiloxAll(got, counter, key)
			var want []uint32
			for ; len(want) < n; counter[2]++ {
				words := Philox(counter, key)
				want = append(want, words[:]...)
			}
			if !slices.Equal(got, want[:n]) {
				t.Fatalf("%s, %d words: %x, not %x", kernel, n, got, want[:n])
			}
		}
		restore()
	}
}
