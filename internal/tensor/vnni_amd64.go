//go:build goexperiment.simd

package tensor

import (
	"golang.org/x/sys/cpu"

	"github.com/koinon/koinon/internal/tensor/block"
)

// vnniKernel is a kernel in assembly: it is given the output, a panel and its
// number of blocks, and a group of rows of the input.
type vnniKernel func(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q8x1(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q8x4(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q4x1(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q4x4(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q4kx1(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q4kx4(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q5kx1(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q5kx4(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q6kx1(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func q6kx4(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func tq2x1(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

//go:noescape
func tq2x4(out *float32, panel *byte, blocks int, q *int8, d *float32, off *int32, pairs *int16)

// vnniProducts are the kernels for processors that multiply bytes with AVX-512
// VNNI. The panel's outputs are lanes, the sums exact, and what is added in
// float32 is added in the order of the portable kernels.
func vnniProducts() map[block.Format]panelKernel {
	if !cpu.X86.HasAVX512VNNI || !cpu.X86.HasAVX512BW || !cpu.X86.HasAVX512DQ {
		return nil
	}
	return map[block.Format]panelKernel{
		block.Q8_0:  vnni(q8x1, q8x4),
		block.Q4_0:  vnni(q4x1, q4x4),
		block.Q4_K:  vnni(q4kx1, q4kx4),
		block.Q5_K:  vnni(q5kx1, q5kx4),
		block.Q6_K:  vnni(q6kx1, q6kx4),
		block.TQ2_0: vnni(tq2x1, tq2x4),
		block.TQ1_0: vnni(tq2x1, tq2x4),
	}
}

func vnni(one, four vnniKernel) panelKernel {
	return func(out []float32, p product, row, n int) {
		a, run := p.operand, one
		if n == groupRows {
			run = four
		}
		var pairs *int16
		if len(a.pairs) > 0 {
			pairs = &a.pairs[row*len(a.pairs)/a.rows]
		}
		run(&out[0], &p.panel[0], p.blocks, &a.q[row*p.width], &a.d[row*len(a.d)/a.rows], &a.off[row*len(a.off)/a.rows], pairs)
	}
}
