package tensor

import (
	"testing"

	"github.com/koinon/koinon/internal/tensor/block"
)

// The machine is measured, whatever the format; weights of bytes are not slower
// than the same kernels' floats by orders of magnitude, which would mean that
// something else was timed.
func TestPeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves out what takes a second")
	}
	floats, bytes := PeakRate(block.F32, 1), PeakRate(block.Q8_0, 2)
	if floats < 1e7 || floats > 1e13 || bytes < floats/20 {
		t.Errorf("%g multiplications of floats and %g of bytes per second", floats, bytes)
	}
	if read := ReadRate(1); read < 1e8 || read > 1e13 {
		t.Errorf("%g bytes read per second", read)
	}
	if PeakRate(block.Format(200), 1) != 0 {
		t.Error("a format that is none has a rate")
	}
}
