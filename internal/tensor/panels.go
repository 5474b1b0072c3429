package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// PanelWidth is how many outputs a panel holds side by side, for those who lay
// panels out themselves and use [Strip].
const PanelWidth = panelWidth

// panelWidth is how many outputs a panel holds side by side: two 512-bit or
// four 256-bit vectors. It is a matter of speed alone.
const panelWidth = 32

// Panels is a matrix packed for [Gemm]: its columns, the outputs, in panels of
// panelWidth, each panel holding its rows (the reduction's steps) one after
// another. Missing columns of the last panel are zero.
type Panels struct {
	depth, cols int
	data        []float32
}

// Depth is the length of the reduction, Cols the number of outputs.
func (p *Panels) Depth() int { return p.depth }

// Cols is the number of outputs.
func (p *Panels) Cols() int { return p.cols }

// Pack packs a weight matrix w of shape [out, in], row-major, for y = x·wᵀ.
func Pack(w []float32, out, in int) *Panels {
	return new(Panels).PackT(w, in, out, in)
}

// panelFloats is how many elements a matrix takes, packed.
func panelFloats(depth, cols int) int {
	return (cols + panelWidth - 1) / panelWidth * panelWidth * depth
}

// packFile packs rows of float32 as a file holds them, into data that is zero.
// It refuses elements that are no numbers.
func (p *Panels) packFile(rows []byte) error {
	for j := range p.cols {
		panel := p.data[j/panelWidth*panelWidth*p.depth:][j%panelWidth:]
		row := rows[4*j*p.depth:][:4*p.depth]
		for k := range p.depth {
			bits := binary.LittleEndian.Uint32(row[4*k:])
			if bits&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("%w: row %d, element %d is %g", ErrWeights, j, k, math.Float32frombits(bits))
			}
			panel[k*panelWidth] = math.Float32frombits(bits)
		}
	}
	return nil
}

// reset sizes p for depth × cols, reusing its memory.
func (p *Panels) reset(depth, cols int) {
	size := panelFloats(depth, cols)
	if cap(p.data) < size {
		p.data = make([]float32, size)
	}
	p.data = p.data[:size]
	p.depth, p.cols = depth, cols
}

// PackT packs the transpose of m, of shape [cols, depth] with the given row
// stride, and returns p.
func (p *Panels) PackT(m []float32, stride, cols, depth int) *Panels {
	p.reset(depth, cols)
	for first := 0; first < cols; first += panelWidth {
		panel := p.data[first*depth : (first+panelWidth)*depth]
		width := min(panelWidth, cols-first)
		for j := range panelWidth {
			if j >= width {
				for k := range depth {
					panel[k*panelWidth+j] = 0
				}
				continue
			}
			row := m[(first+j)*stride:][:depth]
			for k, v := range row {
				panel[k*panelWidth+j] = v
			}
		}
	}
	return p
}

// PackN packs m as it stands, of shape [depth, cols] with the given row
// stride, and returns p.
func (p *Panels) PackN(m []float32, stride, depth, cols int) *Panels {
	p.reset(depth, cols)
	for first := 0; first < cols; first += panelWidth {
		panel := p.data[first*depth : (first+panelWidth)*depth]
		width := min(panelWidth, cols-first)
		for k := range depth {
			row := panel[k*panelWidth:][:panelWidth]
			n := copy(row, m[k*stride+first:][:width])
			clear(row[n:])
		}
	}
	return p
}
