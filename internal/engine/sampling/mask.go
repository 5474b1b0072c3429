package sampling

import "math/bits"

// Mask is a set of tokens, one bit each, that may be drawn: the hook for
// constrained sampling. A nil mask allows every token.
type Mask []uint64

// NewMask is a mask for a vocabulary that allows no token yet.
func NewMask(vocabulary int) Mask { return make(Mask, (vocabulary+63)/64) }

// Allow adds a token.
func (m Mask) Allow(id int32) { m[id>>6] |= 1 << (id & 63) }

// Allows says whether a token is in the mask.
func (m Mask) Allows(id int32) bool { return m == nil || m[id>>6]>>(id&63)&1 != 0 }

// Count is the number of tokens in the mask.
func (m Mask) Count() int {
	n := 0
	for _, word := range m {
		n += bits.OnesCount64(word)
	}
	return n
}
