package tensor

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/koinon/koinon/internal/tensor/block"
)

// ErrWeights is returned for weights that no sound model has.
var ErrWeights = errors.New("unusable weights")

// Matrix is a weight matrix of shape [out, in] in one of the formats of package
// block, packed for [Matrix.Mul]: panels of panelWidth outputs, so that vector
// lanes span outputs. It takes the memory that the file takes, but for F32
// scales unpacked to bytes and for TQ1_0, which is held as TQ2_0.
type Matrix struct {
	format  block.Format
	out, in int
	floats  *Panels // of F32
	layout  layout  // of the others
	panels  []byte
	memory  *Memory // has the panels; lives as long as they are used
}

// NewMatrix is [Memory.NewMatrix] in memory of its own.
func NewMatrix(format block.Format, rows []byte, out, in int) (*Matrix, error) {
	return (*Memory)(nil).NewMatrix(format, rows, out, in)
}

// NewMatrix packs a matrix from rows as a file holds them. Elements that are no
// numbers are refused: they would poison every answer.
func (s *Memory) NewMatrix(format block.Format, rows []byte, out, in int) (*Matrix, error) {
	size, err := format.Bytes(uint64(in))
	if err != nil {
		return nil, err
	}
	if out < 1 || in < 1 || uint64(len(rows)) != size*uint64(out) {
		return nil, fmt.Errorf("%w: %d bytes for %d×%d of %s", ErrWeights, len(rows), out, in, format)
	}
	m := &Matrix{format: format, out: out, in: in, memory: s}
	if format == block.F32 {
		m.floats = &Panels{depth: in, cols: out, data: s.takeFloats(panelFloats(in, out))}
		err = m.floats.packFile(rows)
	} else {
		err = m.pack(rows, int(size))
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// pack packs rows of so many bytes each.
func (m *Matrix) pack(rows []byte, perRow int) error {
	m.layout = layouts[m.format]
	blocks := m.in / m.layout.elements
	m.panels = m.memory.take(packedBytes(m.format, m.out, m.in))
	for row := range m.out {
		panel := m.panels[row/panelWidth*blocks*m.layout.bytes:]
		source := rows[row*perRow:][:perRow]
		for b := range blocks {
			src := source[b*perRow/blocks:][:perRow/blocks]
			if !m.layout.pack(panel[b*m.layout.bytes:][:m.layout.bytes], row%panelWidth, src) {
				return fmt.Errorf("%w: row %d, element %d: it or its scale is not finite", ErrWeights, row, b*m.layout.elements)
			}
		}
	}
	return nil
}

// MatrixBytes is the room that a matrix takes of a [Memory], 0 for a format that
// no matrix has.
func MatrixBytes(format block.Format, out, in int) int {
	if format == block.F32 {
		return lines(4 * panelFloats(in, out))
	}
	return lines(packedBytes(format, out, in))
}

// packedBytes is what the panels of a matrix take that is no F32.
func packedBytes(format block.Format, out, in int) int {
	layout := layouts[format]
	if layout.elements == 0 {
		return 0
	}
	return (out + panelWidth - 1) / panelWidth * (in / layout.elements) * layout.bytes
}

// Format is how the weights are stored.
func (m *Matrix) Format() block.Format { return m.format }

// Out is the number of rows, In their length.
func (m *Matrix) Out() int { return m.out }

// In is the length of the reduction.
func (m *Matrix) In() int { return m.in }

// Bytes is the memory that the weights take.
func (m *Matrix) Bytes() int {
	if m.floats != nil {
		return 4 * len(m.floats.data)
	}
	return len(m.panels)
}

// Row converts one row to float32, as [block.Format.Decode] does.
func (m *Matrix) Row(dst []float32, row int) {
	defer runtime.KeepAlive(m) // its memory would go with it
	if m.floats != nil {
		panel := m.floats.data[row/panelWidth*panelWidth*m.in:]
		for k := range dst[:m.in] {
			dst[k] = panel[k*panelWidth+row%panelWidth]
		}
		return
	}
	blocks := m.in / m.layout.elements
	panel := m.panels[row/panelWidth*blocks*m.layout.bytes:]
	source := make([]byte, m.layout.source)
	for b := range blocks {
		m.layout.unpack(source, panel[b*m.layout.bytes:][:m.layout.bytes], row%panelWidth)
		m.layout.as.Decode(dst[b*m.layout.elements:][:m.layout.elements], source)
	}
}

// Mul computes y = x·wᵀ for the rows of x; y has shape [rows, out].
//
// Formats of quantised blocks multiply by x rounded to int8, as [Input] says,
// with sums in int32, which are exact in any order. What a block, or a
// super-block, contributes is then two or four float32 operations on its sums,
// each rounded, and blocks are added in ascending order. The other formats are
// widened to float32 and reduced as in [Gemm].
func (m *Matrix) Mul(y []float32, x *Input, workers int) {
	Multiply(x, workers, Product{m, y})
}

// Product is one product of an input that several matrices share.
type Product struct {
	Matrix *Matrix
	Y      []float32 // [rows, out]
}

// tasksPerWorker is how many parts a worker's share of the products has, so that
// who is held up leaves the rest to others.
const tasksPerWorker = 6

// Multiply is [Matrix.Mul] of each product, all at once: the more there is to do
// between two waits for each other, the less workers wait.
func Multiply(x *Input, workers int, products ...Product) {
	panels, multiplications := 0, 0
	for _, p := range products {
		m := p.Matrix
		if m.in != x.width {
			panic(fmt.Sprintf("tensor: a row of %d for a matrix of %d×%d", x.width, m.out, m.in))
		}
		multiplications += m.out * m.in * x.rows
		panels += m.panelCount()
	}
	workers = worth(workers, multiplications)
	for _, p := range products {
		if p.Matrix.floats == nil {
			x.operand(p.Matrix.layout.activations, workers)
		}
	}
	each := 1 // panels of a task
	if workers > 1 {
		each = max(1, panels/(workers*tasksPerWorker))
	}
	Parallel((panels+each-1)/each, workers, func(task int) {
		from, to := task*each, min((task+1)*each, panels)
		for _, p := range products {
			if n := p.Matrix.panelCount(); from < n {
				p.panels(x, from, min(to, n))
				from = n
			}
			from, to = from-p.Matrix.panelCount(), to-p.Matrix.panelCount()
			if to <= 0 {
				return
			}
		}
	})
	runtime.KeepAlive(products) // or the matrices' memory could go
}

func (m *Matrix) panelCount() int { return (m.out + panelWidth - 1) / panelWidth }

// panels computes the outputs of some panels.
func (p Product) panels(x *Input, from, to int) {
	m := p.Matrix
	if m.floats != nil {
		for i := from; i < to; i++ {
			first := i * panelWidth
			Strip(p.Y[first:], m.out, Left{x.values, m.in, 1}, x.rows, m.floats.data[first*m.in:], min(panelWidth, m.out-first), m.in, false)
		}
		return
	}
	blocks := m.in / m.layout.elements
	size := blocks * m.layout.bytes
	kernel := kernels[active].products[m.format]
	s := scratches.Get().(*scratch)
	for i := from; i < to; i++ {
		first := i * panelWidth
		part := product{
			panel: m.panels[i*size:][:size], blocks: blocks, operand: &x.operands[m.layout.activations], width: m.in, scratch: s,
		}
		part.each(p.Y[first:], m.out, min(panelWidth, m.out-first), x.rows, kernel)
	}
	scratches.Put(s)
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// worth bounds workers by the multiplications there are: to call one takes as
// long as some ten thousand of them.
func worth(workers, multiplications int) int {
	return min(workers, 1+multiplications/(1<<16))
}

// product is one panel times all rows.
type product struct {
	panel   []byte
	blocks  int
	operand *operand
	width   int
	scratch *scratch
}

// each calls the kernel for every group of rows, and copies the panel's columns
// that exist.
func (p product) each(y []float32, stride, width, rows int, kernel panelKernel) {
	out := &p.scratch.out
	for row := 0; row < rows; {
		n := groupSize(rows - row)
		if p.operand.floats != nil && rows-row >= floatRows {
			n = floatRows
		}
		kernel(out[:n*panelWidth], p, row, n)
		for r := range n {
			copy(y[(row+r)*stride:][:width], out[r*panelWidth:])
		}
		row += n
	}
}

// panelKernel computes n rows, 1, groupRows or (of floats) floatRows, times a panel.
type panelKernel func(out []float32, p product, row, n int)
