package tensor

import (
	"encoding/binary"

	"github.com/koinon/koinon/internal/tensor/block"
)

// layout is how the blocks of panelWidth rows lie together in a panel: what
// kernels read at once, four elements of each output, side by side.
type layout struct {
	as          block.Format // what unpack gives
	elements    int          // of a block
	source      int          // bytes of one row's block in that format
	bytes       int          // of panelWidth rows' blocks, packed
	activations activations
	// pack stores the block of output o; it refuses scales that are no numbers.
	pack func(dst []byte, o int, src []byte) bool
	// unpack gives it back.
	unpack func(dst, panel []byte, o int)
}

var layouts = map[block.Format]layout{
	block.F16:   {block.F16, 1, 2, 2 * panelWidth, asFloat, packWord, unpackWord},
	block.BF16:  {block.BF16, 1, 2, 2 * panelWidth, asBrain, packBrain, unpackWord},
	block.Q8_0:  {block.Q8_0, 32, 34, 34 * panelWidth, asBytes, packQ8, unpackQ8},
	block.Q4_0:  {block.Q4_0, 32, 18, 18 * panelWidth, asBytes, packQ4, unpackQ4},
	block.Q4_K:  {block.Q4_K, 256, 144, q4kBytes, asSupers, packQ4K, unpackQ4K},
	block.Q5_K:  {block.Q5_K, 256, 176, q5kBytes, asSupers, packQ5K, unpackQ5K},
	block.Q6_K:  {block.Q6_K, 256, 210, 210 * panelWidth, asSupers, packQ6K, unpackQ6K},
	block.TQ2_0: {block.TQ2_0, 256, 66, 66 * panelWidth, asSupers, packTQ2, unpackTQ2},
	block.TQ1_0: {block.TQ2_0, 256, 66, 66 * panelWidth, asSupers, packTQ1, unpackTQ2},
}

// lanes copies a run of one output's bytes to where its lane has them: four
// bytes in every 4·panelWidth.
func lanes(dst []byte, o int, src []byte) {
	for i := 0; i < len(src); i += 4 {
		copy(dst[i*panelWidth+4*o:][:4], src[i:i+4])
	}
}

// unlane copies them back.
func unlane(dst, panel []byte, o int) {
	for i := 0; i < len(dst); i += 4 {
		copy(dst[i:i+4], panel[i*panelWidth+4*o:][:4])
	}
}

// putHalf stores a float16 scale, unless it is no number.
func putHalf(dst []byte, o int, src []byte) bool {
	copy(dst[2*o:2*o+2], src)
	return binary.LittleEndian.Uint16(src)&0x7c00 != 0x7c00
}

func packWord(dst []byte, o int, src []byte) bool { return putHalf(dst, o, src) }

func packBrain(dst []byte, o int, src []byte) bool {
	copy(dst[2*o:2*o+2], src)
	return binary.LittleEndian.Uint16(src)&0x7f80 != 0x7f80
}

func unpackWord(dst, panel []byte, o int) { copy(dst, panel[2*o:2*o+2]) }

// Q8_0: [8][32][4] of q+128, then [32] d. Unsigned weights are what the dot
// product instructions of AVX-512 and AVX2 take.
func packQ8(dst []byte, o int, src []byte) bool {
	var q [32]byte
	for i := range q {
		q[i] = src[2+i] ^ 0x80
	}
	lanes(dst, o, q[:])
	return putHalf(dst[32*panelWidth:], o, src[:2])
}

func unpackQ8(dst, panel []byte, o int) {
	unlane(dst[2:34], panel, o)
	for i := range dst[2:34] {
		dst[2+i] ^= 0x80
	}
	copy(dst, panel[32*panelWidth+2*o:][:2])
}

// Q4_0: [4][32][4] bytes, each of two elements, then [32] d.
func packQ4(dst []byte, o int, src []byte) bool {
	lanes(dst, o, src[2:18])
	return putHalf(dst[16*panelWidth:], o, src[:2])
}

func unpackQ4(dst, panel []byte, o int) {
	unlane(dst[2:18], panel, o)
	copy(dst, panel[16*panelWidth+2*o:][:2])
}

// Q4_K: [4 groups][8][32][4] bytes of two elements, [8][32] scales, [4][32][2]
// minima, [32] d, [32] dmin. Q5_K: the same after [8][32][4] of fifth bits.
const (
	superScales = 128 * panelWidth
	superMins   = superScales + 8*panelWidth
	superD      = superMins + 8*panelWidth
	q4kBytes    = superD + 4*panelWidth
	q5kBytes    = q4kBytes + 32*panelWidth
)

func packQ4K(dst []byte, o int, src []byte) bool {
	lanes(dst, o, src[16:144])
	return packSupers(dst, o, src)
}

func unpackQ4K(dst, panel []byte, o int) {
	unlane(dst[16:144], panel, o)
	unpackSupers(dst, panel, o)
}

func packQ5K(dst []byte, o int, src []byte) bool {
	lanes(dst, o, src[16:48])
	lanes(dst[32*panelWidth:], o, src[48:176])
	return packSupers(dst[32*panelWidth:], o, src)
}

func unpackQ5K(dst, panel []byte, o int) {
	unlane(dst[16:48], panel, o)
	unlane(dst[48:176], panel[32*panelWidth:], o)
	unpackSupers(dst, panel[32*panelWidth:], o)
}

func packSupers(dst []byte, o int, src []byte) bool {
	scales, mins := block.Scales(src[4:16])
	for s := range 8 {
		dst[superScales+s*panelWidth+o] = scales[s]
		dst[superMins+(s/2*panelWidth+o)*2+s%2] = mins[s]
	}
	good := putHalf(dst[superD:], o, src[:2])
	return putHalf(dst[superD+2*panelWidth:], o, src[2:4]) && good
}

func unpackSupers(dst, panel []byte, o int) {
	var scales, mins [8]byte
	for s := range 8 {
		scales[s] = panel[superScales+s*panelWidth+o]
		mins[s] = panel[superMins+(s/2*panelWidth+o)*2+s%2]
	}
	block.PutScales(dst[4:16], scales, mins)
	copy(dst, panel[superD+2*o:][:2])
	copy(dst[2:], panel[superD+2*panelWidth+2*o:][:2])
}

// Q6_K: [2 halves][16][32][4] of low bits, [2][8][32][4] of upper bits, [16][32]
// scales, [32] d.
const (
	sixUpper  = 128 * panelWidth
	sixScales = 192 * panelWidth
	sixD      = 208 * panelWidth
)

func packQ6K(dst []byte, o int, src []byte) bool {
	lanes(dst, o, src[:192])
	for s := range 16 {
		dst[sixScales+s*panelWidth+o] = src[192+s]
	}
	return putHalf(dst[sixD:], o, src[208:210])
}

func unpackQ6K(dst, panel []byte, o int) {
	unlane(dst[:192], panel, o)
	for s := range 16 {
		dst[192+s] = panel[sixScales+s*panelWidth+o]
	}
	copy(dst[208:], panel[sixD+2*o:][:2])
}

// TQ2_0: [2 halves][8][32][4] bytes of four elements, [32] d.
func packTQ2(dst []byte, o int, src []byte) bool {
	lanes(dst, o, src[:64])
	return putHalf(dst[64*panelWidth:], o, src[64:66])
}

func unpackTQ2(dst, panel []byte, o int) {
	unlane(dst[:64], panel, o)
	copy(dst[64:], panel[64*panelWidth+2*o:][:2])
}

// TQ1_0 is held as TQ2_0: the same elements, without its divisions by three.
func packTQ1(dst []byte, o int, src []byte) bool {
	var same [66]byte
	block.TernaryPairs(same[:], src)
	return packTQ2(dst, o, same[:])
}
