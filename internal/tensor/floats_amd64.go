//go:build goexperiment.simd

package tensor

import (
	"unsafe"

	"github.com/koinon/koinon/internal/tensor/block"
)

// floatArgs is what a kernel in assembly is given; distances are in bytes. Its
// layout is known to floats_kernels_amd64.h.
type floatArgs struct {
	c          *float32
	stride     int
	panel      unsafe.Pointer
	depth      int // at least 1
	a          *float32
	row, col   int
	accumulate int // 0 or 1
}

//go:noescape
func f32x1(args *floatArgs)

//go:noescape
func f32x4(args *floatArgs)

//go:noescape
func f32x8(args *floatArgs)

//go:noescape
func f16x1(args *floatArgs)

//go:noescape
func f16x4(args *floatArgs)

//go:noescape
func f16x8(args *floatArgs)

//go:noescape
func bf16x1(args *floatArgs)

//go:noescape
func bf16x4(args *floatArgs)

//go:noescape
func bf16x8(args *floatArgs)

// floats512 makes a kernel of one in assembly.
func floats512(rows int, run func(*floatArgs)) tileKernel {
	return tileKernel{rows, func(t *tile, row int) {
		if t.depth == 0 { // nothing to add; the kernels take a step first
			for r := range rows {
				oneGo(t, row+r)
			}
			return
		}
		args := floatArgs{
			c: &t.c[row*t.stride], stride: 4 * t.stride, panel: unsafe.Pointer(&t.panel[0]), depth: t.depth,
			a: &t.a[row*t.row], row: 4 * t.row, col: 4 * t.col,
		}
		if t.accumulate {
			args.accumulate = 1
		}
		// What a kernel reads and writes last must lie in the slices.
		_ = t.c[(row+rows-1)*t.stride:][:panelWidth]
		_ = t.a[(row+rows-1)*t.row+(t.depth-1)*t.col]
		_ = t.panel[t.depth*panelWidth-1]
		run(&args)
	}}
}

// words512 is floats512 for weights of two bytes.
func words512(one, four, eight func(*floatArgs)) panelKernel {
	return func(out []float32, p *product, row, n int) {
		args := floatArgs{
			c: &out[0], stride: 4 * panelWidth, panel: unsafe.Pointer(&p.panel[0]), depth: p.blocks,
			a: &p.operand.floats[row*p.width], row: 4 * p.width, col: 4,
		}
		_ = out[n*panelWidth-1]
		_ = p.operand.floats[(row+n)*p.width-1]
		_ = p.panel[2*p.blocks*panelWidth-1]
		switch n {
		case 8:
			eight(&args)
		case 4:
			four(&args)
		default:
			one(&args)
		}
	}
}

func wordProducts() map[block.Format]panelKernel {
	return map[block.Format]panelKernel{
		block.F16:  words512(f16x1, f16x4, f16x8),
		block.BF16: words512(bf16x1, bf16x4, bf16x8),
	}
}
