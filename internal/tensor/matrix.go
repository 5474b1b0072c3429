package tensor

import (
	"errors"
	"fmt"
	"math"

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
}

// NewMatrix packs a matrix from rows as a file holds them. Elements that are no
// numbers are refused: they would poison every answer.
func NewMatrix(format block.Format, rows []byte, out, in int) (*Matrix, error) {
	size, err := format.Bytes(uint64(in))
	if err != nil {
		return nil, err
	}
	if out < 1 || in < 1 || uint64(len(rows)) != size*uint64(out) {
		return nil, fmt.Errorf("%w: %d bytes for %d×%d of %s", ErrWeights, len(rows), out, in, format)
	}
	m := &Matrix{format: format, out: out, in: in}
	if format == block.F32 {
		values := make([]float32, out*in)
		format.Decode(values, rows)
		if err := finite(values); err != nil {
			return nil, err
		}
		m.floats = Pack(values, out, in)
		return m, nil
	}
	m.layout = layouts[format]
	blocks := in / m.layout.elements
	panels := (out + panelWidth - 1) / panelWidth
	m.panels = make([]byte, panels*blocks*m.layout.bytes)
	perRow := int(size)
	for row := range out {
		panel := m.panels[row/panelWidth*blocks*m.layout.bytes:]
		source := rows[row*perRow:][:perRow]
		for b := range blocks {
			src := source[b*perRow/blocks:][:perRow/blocks]
			if !m.layout.pack(panel[b*m.layout.bytes:][:m.layout.bytes], row%panelWidth, src) {
				return nil, fmt.Errorf("%w: row %d, element %d on: a scale that is no number", ErrWeights, row, b*m.layout.elements)
			}
		}
	}
	return m, nil
}

// finite says which value is none.
func finite(values []float32) error {
	for i, v := range values {
		if !isFinite(v) {
			return fmt.Errorf("%w: element %d is %g", ErrWeights, i, v)
		}
	}
	return nil
}

func isFinite(v float32) bool { return math.Float32bits(v)&0x7f800000 != 0x7f800000 }

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
	if m.in != x.width {
		panic(fmt.Sprintf("tensor: a row of %d for a matrix of %d×%d", x.width, m.out, m.in))
	}
	workers = worth(workers, m.out*m.in*x.rows)
	if m.floats != nil {
		MatMul(y, x.values, m.floats, x.rows, workers)
		return
	}
	blocks := m.in / m.layout.elements
	size := blocks * m.layout.bytes
	panels := (m.out + panelWidth - 1) / panelWidth
	operand := x.operand(m.layout.activations)
	kernel := kernels[active].products[m.format]
	Parallel(panels, workers, func(i int) {
		first := i * panelWidth
		p := product{panel: m.panels[i*size:][:size], blocks: blocks, operand: operand, width: m.in}
		p.each(y[first:], m.out, min(panelWidth, m.out-first), x.rows, kernel)
	})
}

// worth bounds workers by the multiplications there are: waking one takes as
// long as some hundred thousand of them.
func worth(workers, multiplications int) int {
	return min(workers, 1+multiplications/(1<<18))
}

// product is one panel times all rows.
type product struct {
	panel   []byte
	blocks  int
	operand *operand
	width   int
}

// each calls the kernel for every group of rows, and copies the panel's columns
// that exist.
func (p *product) each(y []float32, stride, width, rows int, kernel panelKernel) {
	var out [floatRows * panelWidth]float32
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
type panelKernel func(out []float32, p *product, row, n int)
