//go:build goexperiment.simd

package tensor

import (
	"golang.org/x/sys/cpu"

	"github.com/koinon/koinon/internal/tensor/block"
)

// vnniArgs is what a kernel in assembly is given: the output, a panel and its
// number of blocks, and a group of rows of the input. Its layout is known to
// vnni_kernels_amd64.h.
type vnniArgs struct {
	out    *float32
	panel  *byte
	blocks int
	q      *int8
	d      *float32
	off    *int32
	pairs  *int16
}

//go:noescape
func q8x1(args *vnniArgs)

//go:noescape
func q8x4(args *vnniArgs)

//go:noescape
func q4x1(args *vnniArgs)

//go:noescape
func q4x4(args *vnniArgs)

//go:noescape
func q4kx1(args *vnniArgs)

//go:noescape
func q4kx4(args *vnniArgs)

//go:noescape
func q5kx1(args *vnniArgs)

//go:noescape
func q5kx4(args *vnniArgs)

//go:noescape
func q6kx1(args *vnniArgs)

//go:noescape
func q6kx4(args *vnniArgs)

//go:noescape
func tq2x1(args *vnniArgs)

//go:noescape
func tq2x4(args *vnniArgs)

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

func vnni(one, four func(*vnniArgs)) panelKernel {
	return func(out []float32, p *product, row, n int) {
		a := p.operand
		args := vnniArgs{
			out: &out[0], panel: &p.panel[0], blocks: p.blocks, q: &a.q[row*p.width],
			d: &a.d[row*len(a.d)/a.rows], off: &a.off[row*len(a.off)/a.rows],
		}
		if len(a.pairs) > 0 {
			args.pairs = &a.pairs[row*len(a.pairs)/a.rows]
		}
		if n == groupRows {
			four(&args)
		} else {
			one(&args)
		}
	}
}
