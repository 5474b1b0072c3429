package tensor

import (
	"encoding/binary"

	"github.com/koinon/koinon/internal/tensor/block"
)

// The kernels of the formats that are not float32, written in a few steps that
// each instruction set has its own way to do. The portable steps say what the
// others must compute.

// steps are what kernels are made of. Weights lie as [..][32][4] bytes, sums and
// scales by output.
type steps struct {
	// narrow and wide add the products of unsigned weights, of at most 6 bits or
	// of 8, with one row's elements, of which every n-th four are its own.
	narrow, wide func(s *sums, w []byte, q []int8, n int)
	// pick takes bits from bytes, dst = src>>shift & mask; above puts such bits
	// above the four that dst has, dst |= (src>>shift & mask) << 4.
	pick, above func(dst, src []byte, shift int, mask byte)
	// scale adds the sums of a sub-block, times their scales, to a super-block's.
	scale func(total, part *sums, scales *[panelWidth]int32)
	// fold adds sums, times the weights' scale, a float16, and the input's, to
	// the outputs.
	fold func(out []float32, s *sums, scales []byte, d float32)
	// half and brain widen weights to float32.
	half, brain func(dst []float32, src []byte)
}

// products makes a kernel of each format.
func (s *steps) products() map[block.Format]panelKernel {
	return map[block.Format]panelKernel{
		block.F16:   floats(s.half),
		block.BF16:  floats(s.brain),
		block.Q8_0:  s.eight,
		block.Q4_0:  s.four,
		block.Q4_K:  s.super(q4kBytes, 0, s.expandQ4K),
		block.Q5_K:  s.super(q5kBytes, 32*panelWidth, s.expandQ5K),
		block.Q6_K:  s.six,
		block.TQ2_0: s.ternary,
		block.TQ1_0: s.ternary,
	}
}

// scratch is what kernels keep between their steps: the steps are called where
// the compiler cannot see that they keep nothing, so it must not be on the stack.
type scratch struct {
	out                     [floatRows * panelWidth]float32
	wide                    [64 * panelWidth]float32
	weights                 super
	part, sum, total, below sums
	scale, least            [16][panelWidth]int32
}

// floats widens a run of weights to float32 at a time, and reduces as [Gemm] does.
func floats(widen func(dst []float32, src []byte)) panelKernel {
	return func(out []float32, p product, row, n int) {
		wide := &p.scratch.wide
		for k := 0; k < p.blocks; k += 64 {
			depth := min(64, p.blocks-k)
			widen(wide[:depth*panelWidth], p.panel[2*k*panelWidth:])
			t := tile{
				c: out, stride: panelWidth, a: p.operand.floats[row*p.width+k:], row: p.width, col: 1,
				panel: wide[:depth*panelWidth], depth: depth, width: panelWidth, accumulate: k > 0,
			}
			t.rows(0, n)
		}
	}
}

// sums are int32 accumulators of a panel's outputs.
type sums [panelWidth]int32

func (s *sums) fill(v int32) {
	for o := range s {
		s[o] = v
	}
}

// eight computes blocks of Q8_0, whose weights are held 128 too large.
func (s *steps) eight(out []float32, p product, row, n int) {
	clear(out)
	a := p.operand
	for b := range p.blocks {
		panel := p.panel[b*34*panelWidth:]
		for r := range n {
			at := row*p.blocks + b*n + r
			sum := &p.scratch.sum
			sum.fill(-128 * a.off[at])
			s.wide(sum, panel[:32*panelWidth], a.q[row*p.width+(b*8*n+r)*4:], n)
			s.fold(out[r*panelWidth:], sum, panel[32*panelWidth:], a.d[at])
		}
	}
}

// four computes blocks of Q4_0, whose weights are 8 too large.
func (s *steps) four(out []float32, p product, row, n int) {
	clear(out)
	a := p.operand
	q := p.scratch.weights[:32*panelWidth]
	for b := range p.blocks {
		panel := p.panel[b*18*panelWidth:]
		s.pick(q[:16*panelWidth], panel[:16*panelWidth], 0, 15)
		s.pick(q[16*panelWidth:], panel[:16*panelWidth], 4, 15)
		for r := range n {
			at := row*p.blocks + b*n + r
			sum := &p.scratch.sum
			sum.fill(-8 * a.off[at])
			s.narrow(sum, q, a.q[row*p.width+(b*8*n+r)*4:], n)
			s.fold(out[r*panelWidth:], sum, panel[16*panelWidth:], a.d[at])
		}
	}
}

// super is a super-block's weights, unsigned, [64][32][4].
type super [256 * panelWidth]byte

func (s *steps) expandQ4K(q *super, panel []byte) {
	for g := range 4 {
		part, packed := q[64*g*panelWidth:], panel[32*g*panelWidth:][:32*panelWidth]
		s.pick(part[:32*panelWidth], packed, 0, 15)
		s.pick(part[32*panelWidth:][:32*panelWidth], packed, 4, 15)
	}
}

func (s *steps) expandQ5K(q *super, panel []byte) {
	s.expandQ4K(q, panel[32*panelWidth:])
	for i := range 8 {
		s.above(q[32*i*panelWidth:][:32*panelWidth], panel[:32*panelWidth], i, 1)
	}
}

// super computes super-blocks of Q4_K and Q5_K: in integers the sums of the
// sub-blocks times their scales, and the input's sums times their minima; then
// d times the one, less dmin times the other.
func (s *steps) super(size, scales int, expand func(q *super, panel []byte)) panelKernel {
	return func(out []float32, p product, row, n int) {
		clear(out)
		a := p.operand
		q, scale, least := &p.scratch.weights, &p.scratch.scale, &p.scratch.least
		part, sum, total, below := &p.scratch.part, &p.scratch.sum, &p.scratch.total, &p.scratch.below
		for b := range p.blocks {
			panel := p.panel[b*size:][:size]
			expand(q, panel)
			panel = panel[scales:]
			for i := range 8 {
				for o := range panelWidth {
					scale[i][o] = int32(panel[superScales+i*panelWidth+o])
					least[i][o] = int32(panel[superMins+(i/2*panelWidth+o)*2+i%2])
				}
			}
			for r := range n {
				clear(total[:])
				clear(below[:])
				for i := range 8 {
					clear(part[:])
					s.narrow(part, q[32*i*panelWidth:][:32*panelWidth], a.q[row*p.width+((b*64+8*i)*n+r)*4:], n)
					s.scale(total, part, &scale[i])
					sum.fill(int32(a.pairs[row*p.blocks*8+((b*4+i/2)*n+r)*2+i%2]))
					s.scale(below, sum, &least[i])
				}
				d := a.d[row*p.blocks+b*n+r]
				s.fold(out[r*panelWidth:], total, panel[superD:], d)
				s.fold(out[r*panelWidth:], below, panel[superD+2*panelWidth:], -d)
			}
		}
	}
}

func (s *steps) expandQ6K(q *super, panel []byte) {
	for half := range 2 {
		for r := range 4 {
			part := q[(128*half+32*r)*panelWidth:][:32*panelWidth]
			s.pick(part, panel[(64*half+32*(r%2))*panelWidth:][:32*panelWidth], 4*(r/2), 15)
			s.above(part, panel[sixUpper+32*half*panelWidth:][:32*panelWidth], 2*r, 3)
		}
	}
}

// six computes super-blocks of Q6_K, whose weights are 32 too large.
func (s *steps) six(out []float32, p product, row, n int) {
	clear(out)
	a := p.operand
	const size = 210 * panelWidth
	q, scale, part, total := &p.scratch.weights, &p.scratch.scale, &p.scratch.part, &p.scratch.total
	for b := range p.blocks {
		panel := p.panel[b*size:][:size]
		s.expandQ6K(q, panel)
		for i := range 16 {
			for o := range panelWidth {
				scale[i][o] = int32(int8(panel[sixScales+i*panelWidth+o]))
			}
		}
		for r := range n {
			clear(total[:])
			for i := range 16 {
				part.fill(-32 * a.off[row*p.blocks*16+(b*16+i)*n+r])
				s.narrow(part, q[16*i*panelWidth:][:16*panelWidth], a.q[row*p.width+((b*64+4*i)*n+r)*4:], n)
				s.scale(total, part, &scale[i])
			}
			s.fold(out[r*panelWidth:], total, panel[sixD:], a.d[row*p.blocks+b*n+r])
		}
	}
}

// ternary computes super-blocks of TQ2_0, whose weights are 1 too large.
func (s *steps) ternary(out []float32, p product, row, n int) {
	clear(out)
	a := p.operand
	const size = 66 * panelWidth
	q, total := &p.scratch.weights, &p.scratch.total
	for b := range p.blocks {
		panel := p.panel[b*size:][:size]
		for i := range 8 {
			s.pick(q[32*i*panelWidth:][:32*panelWidth], panel[32*(i/4)*panelWidth:][:32*panelWidth], i%4*2, 3)
		}
		for r := range n {
			var off int32
			for i := range 16 {
				off += a.off[row*p.blocks*16+(b*16+i)*n+r]
			}
			total.fill(-off)
			s.narrow(total, q[:], a.q[row*p.width+(b*64*n+r)*4:], n)
			s.fold(out[r*panelWidth:], total, panel[64*panelWidth:], a.d[row*p.blocks+b*n+r])
		}
	}
}

// portable are the steps in Go alone.
var portable = steps{
	narrow: dotsGo, wide: dotsGo, pick: pickGo, above: aboveGo, scale: scaleGo, fold: foldGo, half: halfGo, brain: brainGo,
}

func dotsGo(s *sums, w []byte, q []int8, n int) {
	for k := 0; k*4*panelWidth < len(w); k++ {
		a := q[4*n*k:][:4]
		a0, a1, a2, a3 := int32(a[0]), int32(a[1]), int32(a[2]), int32(a[3])
		weights := w[k*4*panelWidth:][:4*panelWidth]
		for o := range s {
			four := weights[4*o:][:4]
			s[o] += int32(four[0])*a0 + int32(four[1])*a1 + int32(four[2])*a2 + int32(four[3])*a3
		}
	}
}

func pickGo(dst, src []byte, shift int, mask byte) {
	for i, b := range src[:len(dst)] {
		dst[i] = b >> shift & mask
	}
}

func aboveGo(dst, src []byte, shift int, mask byte) {
	for i, b := range src[:len(dst)] {
		dst[i] |= b >> shift & mask << 4
	}
}

func scaleGo(total, part *sums, scales *[panelWidth]int32) {
	for o, v := range part {
		total[o] += v * scales[o]
	}
}

func foldGo(out []float32, s *sums, scales []byte, d float32) {
	for o, v := range s {
		scale := block.Half(binary.LittleEndian.Uint16(scales[2*o:])) * d
		out[o] += float32(float32(v) * scale)
	}
}

func halfGo(dst []float32, src []byte) { block.F16.Decode(dst, src[:2*len(dst)]) }

func brainGo(dst []float32, src []byte) { block.BF16.Decode(dst, src[:2*len(dst)]) }
