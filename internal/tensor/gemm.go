package tensor

import (
	"github.com/koinon/koinon/internal/tensor/block"
)

// rowBlock is how many rows one thread takes at a time.
const rowBlock = 64

// Left is the left operand of [Gemm]: element (i, k) is Data[i*Row+k*Col], so
// that a matrix and its transpose are read where they stand.
type Left struct {
	Data     []float32
	Row, Col int
}

// MatMul computes y = x·wᵀ for x of shape [rows, in] and w packed from
// [out, in]; y has shape [rows, out]. Workers bounds the threads used.
func MatMul(y, x []float32, w *Panels, rows, workers int) {
	Gemm(y, w.cols, Left{x, w.depth, 1}, rows, w, w.cols, w.depth, false, workers)
}

// Gemm computes c = a·b, or c = c + a·b when accumulate is set: then the
// accumulator starts from c instead of zero. C has the given row stride; of b
// the first cols columns and the first depth rows are used.
func Gemm(c []float32, stride int, a Left, rows int, b *Panels, cols, depth int, accumulate bool, workers int) {
	if rows == 0 || cols == 0 {
		return
	}
	panels := (cols + panelWidth - 1) / panelWidth
	blocks := (rows + rowBlock - 1) / rowBlock
	unit := func(i int) {
		panel, block := i/blocks, i%blocks
		first := panel * panelWidth
		t := tile{
			c: c[first:], stride: stride, a: a.Data, row: a.Row, col: a.Col,
			panel: b.data[first*b.depth:][:depth*panelWidth], depth: depth,
			width: min(panelWidth, cols-first), accumulate: accumulate,
		}
		t.rows(block*rowBlock, min(rows, (block+1)*rowBlock))
	}
	Parallel(panels*blocks, workers, unit)
}

// Strip computes, with one thread, the columns of c that a single panel of
// width columns gives: panel has shape [depth, 32], whatever the width. Else it
// is [Gemm].
func Strip(c []float32, stride int, a Left, rows int, panel []float32, width, depth int, accumulate bool) {
	t := tile{
		c: c, stride: stride, a: a.Data, row: a.Row, col: a.Col,
		panel: panel[:depth*panelWidth], depth: depth, width: width, accumulate: accumulate,
	}
	t.rows(0, rows)
}

// tile is the part of a product that lies in one panel's columns.
type tile struct {
	c          []float32
	stride     int
	a          []float32
	row, col   int
	panel      []float32
	depth      int
	width      int
	accumulate bool
}

// rows computes rows [from, to) with the fastest kernel of this processor.
func (t tile) rows(from, to int) {
	tiles := kernels[active].tiles
	if t.width == panelWidth {
		for _, k := range tiles {
			for ; from+k.rows <= to; from += k.rows {
				k.run(t, from)
			}
		}
		return
	}
	// The last panel may be narrower than a kernel's vectors: compute it aside.
	var aside [panelWidth]float32
	narrow := t
	narrow.c, narrow.stride = aside[:], 0
	for ; from < to; from++ {
		out := t.c[from*t.stride:][:t.width]
		if t.accumulate {
			copy(aside[:], out)
		}
		narrow.a = t.a[from*t.row:]
		tiles[len(tiles)-1].run(narrow, 0)
		copy(out, aside[:])
	}
}

// tileKernel computes a number of rows at once; how many is a matter of speed alone.
type tileKernel struct {
	rows int
	run  func(t tile, row int)
}

// kernel is one implementation of the innermost loops. All give the same bits.
type kernel struct {
	name     string
	tiles    []tileKernel // the most rows first, one row last
	exp      func(dst, src []float32)
	elements elementwise
	columns  columnwise
	products map[block.Format]panelKernel
}

// kernels lists what this processor can run, best first; the last is portable.
// active is the index of the one in use, changed only by tests.
var (
	kernels []kernel
	active  = 0
)

func init() { // products of floats use these kernels in their turn
	kernels = append(vectorKernels(), kernel{"go", []tileKernel{{1, oneGo}}, expGo, portableElements, portableColumns, portable.products()})
}

// Kernel names the implementation in use: avx512, avx2 or go.
func Kernel() string { return kernels[active].name }

//go:norace
func oneGo(t tile, row int) {
	out := t.c[row*t.stride:][:panelWidth]
	var acc [panelWidth]float32
	if t.accumulate {
		copy(acc[:], out)
	}
	at := row * t.row
	for k := range t.depth {
		x := t.a[at]
		at += t.col
		for j, y := range t.panel[k*panelWidth:][:panelWidth] {
			acc[j] += float32(x * y)
		}
	}
	copy(out, acc[:])
}
