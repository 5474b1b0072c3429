package tensor

import (
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/koinon/koinon/internal/tensor/block"
)

// PeakRate measures how many multiplications, each with its addition, so many
// threads do per second with weights of a format when nothing has to be fetched:
// the product of a panel that fits the nearest cache, over and over. It takes a
// fifth of a second.
func PeakRate(format block.Format, threads int) float64 {
	const depth = 256
	values := make([]float32, panelWidth*depth)
	for i := range values {
		values[i] = float32(i%7) - 3
	}
	m, err := NewMatrix(format, format.Append(nil, values), panelWidth, depth)
	if err != nil {
		return 0 // no format that is known
	}
	var rates = make([]float64, threads)
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

// readBytes is what each thread reads of a run: more than its share of any cache.
const readBytes = 256 << 20

// ReadRate measures how many bytes of memory so many threads read per second, of
// pages as weights lie in, the best of three runs. It takes about a second, and
// 256 MiB for each thread.
func ReadRate(threads int) float64 {
	var memory Memory
	buffers := make([][]uint64, threads)
	for i := range buffers {
		buffers[i] = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(memory.take(readBytes)))), readBytes/8)
		for j := range buffers[i] {
			buffers[i][j] = uint64(j) // or all of it would be one page of zeros
		}
	}
	best := 0.0
	sums := make([]uint64, threads)
	for range 3 {
		began := time.Now()
		var wait sync.WaitGroup
		for i, buffer := range buffers {
			wait.Go(func() { sums[i] += readAll(buffer) })
		}
		wait.Wait()
		best = max(best, float64(threads*readBytes)/time.Since(began).Seconds())
	}
	runtime.KeepAlive(&memory)
	return best
}

// readAll reads all of a buffer, as fast as loads go.
func readAll(buffer []uint64) uint64 {
	var a, b, c, d uint64
	for len(buffer) >= 8 {
		eight := (*[8]uint64)(buffer)
		a += eight[0] + eight[4]
		b += eight[1] + eight[5]
		c += eight[2] + eight[6]
		d += eight[3] + eight[7]
		buffer = buffer[8:]
	}
	return a + b + c + d
}
