package tensor

import (
	"encoding/binary"

	"github.com/koinon/koinon/internal/tensor/block"
)

// The portable kernels. They say what the others must compute: the others only
// compute it faster.

// goProducts are the portable kernels of each format.
var goProducts = map[block.Format]panelKernel{
	block.F16:   floatsGo(func(panel []byte, at int) float32 { return block.Half(binary.LittleEndian.Uint16(panel[2*at:])) }),
	block.BF16:  floatsGo(func(panel []byte, at int) float32 { return brain(binary.LittleEndian.Uint16(panel[2*at:])) }),
	block.Q8_0:  bytesGo(128, 32, func(q *[32 * panelWidth]byte, panel []byte) { copy(q[:], panel) }),
	block.Q4_0:  bytesGo(8, 16, expandQ4),
	block.Q4_K:  supersGo(q4kBytes, 0, expandQ4K),
	block.Q5_K:  supersGo(q5kBytes, 32*panelWidth, expandQ5K),
	block.Q6_K:  sixGo,
	block.TQ2_0: ternaryGo,
	block.TQ1_0: ternaryGo,
}

// floatsGo widens weights to float32 and reduces as [Gemm] does.
func floatsGo(widen func(panel []byte, at int) float32) panelKernel {
	return func(out []float32, p *product, row, n int) {
		clear(out)
		for k := range p.blocks {
			for o := range panelWidth {
				w := widen(p.panel, k*panelWidth+o)
				for r := range n {
					out[r*panelWidth+o] += float32(p.operand.floats[(row+r)*p.width+k] * w)
				}
			}
		}
	}
}

// sums are int32 accumulators of a panel's outputs.
type sums [panelWidth]int32

// dots adds the products of unsigned weights, [len/128][32][4], with one row's
// elements, of which every n-th four are its own.
func (s *sums) dots(w []byte, q []int8, n int) {
	for k := 0; k*4*panelWidth < len(w); k++ {
		a := q[4*n*k:][:4]
		for o := range panelWidth {
			four := w[(k*panelWidth+o)*4:][:4]
			s[o] += int32(four[0])*int32(a[0]) + int32(four[1])*int32(a[1]) + int32(four[2])*int32(a[2]) + int32(four[3])*int32(a[3])
		}
	}
}

func (s *sums) fill(v int32) {
	for o := range s {
		s[o] = v
	}
}

// fold adds sums, times the weights' scale and the input's, to the outputs.
func fold(out []float32, s *sums, scales []byte, d float32) {
	for o := range panelWidth {
		scale := block.Half(binary.LittleEndian.Uint16(scales[2*o:])) * d
		out[o] += float32(float32(s[o]) * scale)
	}
}

// bytesGo computes blocks of 32 with one scale, whose unsigned weights are off
// by a constant and come to size bytes for each output.
func bytesGo(constant int32, size int, expand func(q *[32 * panelWidth]byte, panel []byte)) panelKernel {
	return func(out []float32, p *product, row, n int) {
		clear(out)
		a := p.operand
		var q [32 * panelWidth]byte
		for b := range p.blocks {
			panel := p.panel[b*(size+2)*panelWidth:]
			expand(&q, panel)
			for r := range n {
				at := row*p.blocks + b*n + r
				var s sums
				s.fill(-constant * a.off[at])
				s.dots(q[:], a.q[row*p.width+(b*8*n+r)*4:], n)
				fold(out[r*panelWidth:], &s, panel[size*panelWidth:], a.d[at])
			}
		}
	}
}

// halves splits bytes into their low and high four bits.
func halves(low, high, src []byte) {
	for i, b := range src {
		low[i], high[i] = b&15, b>>4
	}
}

func expandQ4(q *[32 * panelWidth]byte, panel []byte) {
	halves(q[:16*panelWidth], q[16*panelWidth:], panel[:16*panelWidth])
}

// super is a super-block's weights, unsigned, [64][32][4].
type super [256 * panelWidth]byte

func expandQ4K(q *super, panel []byte) {
	for g := range 4 {
		part := q[64*g*panelWidth:]
		halves(part[:32*panelWidth], part[32*panelWidth:], panel[32*g*panelWidth:][:32*panelWidth])
	}
}

func expandQ5K(q *super, panel []byte) {
	expandQ4K(q, panel[32*panelWidth:])
	for s := range 8 {
		for i, b := range panel[:32*panelWidth] {
			q[32*s*panelWidth+i] |= b >> s & 1 << 4
		}
	}
}

// supersGo computes super-blocks of Q4_K and Q5_K: in integers the sums of the
// sub-blocks times their scales, and the input's sums times their minima; then
// d times the one, less dmin times the other.
func supersGo(size, scales int, expand func(q *super, panel []byte)) panelKernel {
	return func(out []float32, p *product, row, n int) {
		clear(out)
		a := p.operand
		var q super
		for b := range p.blocks {
			panel := p.panel[b*size:][:size]
			expand(&q, panel)
			panel = panel[scales:]
			for r := range n {
				var total, least sums
				for s := range 8 {
					var part sums
					part.dots(q[32*s*panelWidth:][:32*panelWidth], a.q[row*p.width+((b*64+8*s)*n+r)*4:], n)
					sum := int32(a.pairs[row*p.blocks*8+((b*4+s/2)*n+r)*2+s%2])
					for o := range panelWidth {
						total[o] += part[o] * int32(panel[superScales+s*panelWidth+o])
						least[o] += sum * int32(panel[superMins+(s/2*panelWidth+o)*2+s%2])
					}
				}
				d := a.d[row*p.blocks+b*n+r]
				fold(out[r*panelWidth:], &total, panel[superD:], d)
				fold(out[r*panelWidth:], &least, panel[superD+2*panelWidth:], -d)
			}
		}
	}
}

func expandQ6K(q *super, panel []byte) {
	for half := range 2 {
		for r := range 4 {
			part := q[(128*half+32*r)*panelWidth:][:32*panelWidth]
			low := panel[(64*half+32*(r%2))*panelWidth:]
			upper := panel[sixUpper+32*half*panelWidth:]
			for i := range part {
				part[i] = low[i]>>(4*(r/2))&15 | upper[i]>>(2*r)&3<<4
			}
		}
	}
}

func sixGo(out []float32, p *product, row, n int) {
	clear(out)
	a := p.operand
	const size = 210 * panelWidth
	var q super
	for b := range p.blocks {
		panel := p.panel[b*size:][:size]
		expandQ6K(&q, panel)
		for r := range n {
			var total sums
			for s := range 16 {
				var part sums
				part.fill(-32 * a.off[row*p.blocks*16+(b*16+s)*n+r])
				part.dots(q[16*s*panelWidth:][:16*panelWidth], a.q[row*p.width+((b*64+4*s)*n+r)*4:], n)
				for o := range panelWidth {
					total[o] += part[o] * int32(int8(panel[sixScales+s*panelWidth+o]))
				}
			}
			fold(out[r*panelWidth:], &total, panel[sixD:], a.d[row*p.blocks+b*n+r])
		}
	}
}

func ternaryGo(out []float32, p *product, row, n int) {
	clear(out)
	a := p.operand
	const size = 66 * panelWidth
	var q super
	for b := range p.blocks {
		panel := p.panel[b*size:][:size]
		for half := range 2 {
			for l := range 4 {
				part := q[(128*half+32*l)*panelWidth:][:32*panelWidth]
				for i, v := range panel[32*half*panelWidth:][:32*panelWidth] {
					part[i] = v >> (2 * l) & 3
				}
			}
		}
		for r := range n {
			var total sums
			for s := range 16 {
				for o := range panelWidth {
					total[o] -= a.off[row*p.blocks*16+(b*16+s)*n+r]
				}
			}
			total.dots(q[:], a.q[row*p.width+(b*64*n+r)*4:], n)
			fold(out[r*panelWidth:], &total, panel[64*panelWidth:], a.d[row*p.blocks+b*n+r])
		}
	}
}
