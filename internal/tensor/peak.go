package tensor

import (
	"runtime"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/tensor/block"
)

// PeakRate measures how many multiplications, each with its addition, so many
// threads do per second with weights of a format when nothing has to be fetched:
// the product of a panel that fits the nearest cache, over and over. It takes a
// fifth of a second. Of a format that is none it is 0.
func PeakRate(format block.Format, threads int) float64 {
	const depth = 256
	if format.Elements() == 0 {
		return 0
	}
	values := make([]float32, panelWidth*depth)
	for i := range values {
		values[i] = float32(i%7) - 3
	}
	m, err := NewMatrix(format, format.Append(nil, values), panelWidth, depth)
	if err != nil {
		return 0 // impossible: the values are numbers
	}
	rates := make([]float64, threads)
	var wait sync.WaitGroup
	for t := range rates {
		wait.Go(func() {
			var x Input
			x.Set(values[:floatRows*depth], floatRows, depth)
			y := make([]float32, floatRows*panelWidth)
			done, began := 0, time.Now()
			for time.Since(began) < time.Second/5 {
				for range 64 {
					m.Mul(y, &x, 1) // rounds x but once
				}
				done += 64
			}
			rates[t] = float64(done*floatRows*panelWidth*depth) / time.Since(began).Seconds()
		})
	}
	wait.Wait()
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum
}

// readBytes is what each thread reads of a run: more than its share of most
// caches.
const readBytes = 256 << 20

// ReadRate measures how many bytes of memory so many threads read per second, as
// products with one row of float32 read their weights, the best of three runs.
// It takes about a second, and 256 MiB for each thread.
func ReadRate(threads int) float64 {
	const depth = 4096
	var memory Memory
	buffers := make([][]float32, threads)
	for i := range buffers {
		buffers[i] = memory.takeFloats(readBytes / 4)
		for j := range buffers[i] {
			buffers[i][j] = 1 // or all of it would be one page of zeros
		}
	}
	row := make([]float32, depth)
	best := 0.0
	for range 3 {
		began := time.Now()
		var wait sync.WaitGroup
		for _, panels := range buffers {
			wait.Go(func() {
				out := make([]float32, panelWidth)
				for ; len(panels) > 0; panels = panels[depth*panelWidth:] {
					Strip(out, panelWidth, Left{row, depth, 1}, 1, panels, panelWidth, depth, false)
				}
			})
		}
		wait.Wait()
		best = max(best, float64(threads*readBytes)/time.Since(began).Seconds())
	}
	runtime.KeepAlive(&memory)
	return best
}
