package tensor

import "math/bits"

// What Philox multiplies by and adds to its key (Salmon et al., 2011).
const (
	philoxFirst, philoxSecond = 0xd2511f53, 0xcd9e8d57
	philoxWeyl, philoxSqrt    = 0x9e3779b9, 0xbb67ae85
	philoxRounds              = 10
)

// Philox are the four words of Philox4x32-10 for a counter and a key: numbers that
// look random, each to be had without those before it.
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	a, b, c, d := counter[0], counter[1], counter[2], counter[3]
	for range philoxRounds {
		high0, low0 := bits.Mul32(philoxFirst, a)
		high1, low1 := bits.Mul32(philoxSecond, c)
		a, b, c, d = high1^b^key[0], low1, high0^d^key[1], low0
		key[0] += philoxWeyl
		key[1] += philoxSqrt
	}
	return [4]uint32{a, b, c, d}
}

// philoxRun is how many words vectors make at a time.
const philoxRun = 32

// PhiloxAll fills dst with the words of the counter and of those after it, which
// count up in the third word, modulo 2³².
func PhiloxAll(dst []uint32, counter [4]uint32, key [2]uint32) {
	whole := len(dst) / philoxRun * philoxRun
	kernels[active].elements.philox(dst[:whole], counter, key)
	counter[2] += uint32(whole / 4)
	philoxOne(dst[whole:], counter, key)
}

func philoxOne(dst []uint32, counter [4]uint32, key [2]uint32) {
	for ; len(dst) > 0; counter[2]++ {
		words := Philox(counter, key)
		dst = dst[copy(dst, words[:]):]
	}
}
