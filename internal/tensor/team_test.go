package tensor

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/tensor/block"
	"math/rand/v2"
)

// Every index is done once, before the call returns, however many call at once
// and however long helpers slept before.
func TestParallelDoesEachOnce(t *testing.T) {
	var wait sync.WaitGroup
	for caller := range 6 {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(15, uint64(caller)))
			for round := range 400 {
				if round%100 == 99 {
					time.Sleep(2 * patience)
				}
				n := r.IntN(40)
				counts := make([]atomic.Int32, n)
				Parallel(n, 1+r.IntN(5), func(i int) { counts[i].Add(1) })
				for i := range counts {
					if c := counts[i].Load(); c != 1 {
						t.Errorf("index %d of %d was done %d times", i, n, c)
						return
					}
				}
			}
		})
	}
	wait.Wait()
	team.mu.Lock()
	defer team.mu.Unlock()
	if len(slices.Compact(slices.Clone(team.idle))) != len(team.idle) {
		t.Error("a helper is idle twice")
	}
}

// Products of several matrices at once are the products of each.
func TestMultiplyIsMulOfEach(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 17))
	const in = 256
	for _, rows := range []int{1, 3, 9} {
		var x Input
		x.Set(inputs(r, rows*in), rows, in)
		var products []Product
		var want [][]float32
		for i, f := range []block.Format{block.Q4_K, block.F32, block.Q8_0, block.Q4_K, block.F16} {
			out := []int{500, 33, 32, 1, 260}[i]
			m, _ := randomMatrix(t, f, out, in, r)
			y := make([]float32, rows*out)
			m.Mul(y, &x, 1)
			want = append(want, y)
			products = append(products, Product{m, make([]float32, rows*out)})
		}
		for _, workers := range []int{1, 2, 4} {
			for _, p := range products {
				clear(p.Y)
			}
			Multiply(&x, workers, products...)
			for i, p := range products {
				if !slices.Equal(p.Y, want[i]) {
					t.Fatalf("%d rows, %d workers: product %d has other bits", rows, workers, i)
				}
			}
		}
	}
}
