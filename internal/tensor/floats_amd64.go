//go:build goexperiment.simd

package tensor

import (
	"unsafe"

	"github.com/koinon/koinon/internal/tensor/block"
)

// floatKernel is a kernel in assembly; distances are in bytes, the depth is at
// least 1, accumulate 0 or 1.
type floatKernel func(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func f32x1(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func f32x4(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func f32x8(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func f16x1(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func f16x4(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func f16x8(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func bf16x1(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func bf16x4(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

//go:noescape
func bf16x8(c *float32, stride int, panel unsafe.Pointer, depth int, a *float32, row, col, accumulate int)

// floats512 makes a kernel of one in assembly.
func floats512(rows int, run floatKernel) tileKernel {
	return tileKernel{rows, func(t tile, row int) {
		if t.depth == 0 { // nothing to add; the kernels take a step first
			for r := range rows {
				oneGo(t, row+r)
			}
			return
		}
		// What a kernel reads and writes last must lie in the slices.
		_ = t.c[(row+rows-1)*t.stride:][:panelWidth]
		_ = t.a[(row+rows-1)*t.row+(t.depth-1)*t.col]
		_ = t.panel[t.depth*panelWidth-1]
		accumulate := 0
		if t.accumulate {
			accumulate = 1
		}
		run(&t.c[row*t.stride], 4*t.stride, unsafe.Pointer(&t.panel[0]), t.depth, &t.a[row*t.row], 4*t.row, 4*t.col, accumulate)
	}}
}

// words512 is floats512 for weights of two bytes.
func words512(one, four, eight floatKernel) panelKernel {
	return func(out []float32, p product, row, n int) {
		_ = out[n*panelWidth-1]
		_ = p.operand.floats[(row+n)*p.width-1]
		_ = p.panel[2*p.blocks*panelWidth-1]
		run := one
		switch n {
		case 4:
			run = four
		case 8:
			run = eight
		}
		run(&out[0], 4*panelWidth, unsafe.Pointer(&p.panel[0]), p.blocks, &p.operand.floats[row*p.width], 4*p.width, 4, 0)
	}
}

func wordProducts() map[block.Format]panelKernel {
	return map[block.Format]panelKernel{
		block.F16:  words512(f16x1, f16x4, f16x8),
		block.BF16: words512(bf16x1, bf16x4, bf16x8),
	}
}
