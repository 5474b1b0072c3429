package referee

// Format is how a row of weights is stored, numbered as in ggml.
type Format byte

// The formats that the referee computes with: all that the engine does.
const (
	F32   Format = 0
	F16   Format = 1
	Q4_0  Format = 2
	Q8_0  Format = 8
	Q4_K  Format = 12
	Q5_K  Format = 13
	Q6_K  Format = 14
	BF16  Format = 30
	TQ1_0 Format = 34
	TQ2_0 Format = 35
)

// block is the elements and the bytes of a format's block.
func (f Format) block() (elements, bytes uint64) {
	switch f {
	case F32:
		return 1, 4
	case F16, BF16:
		return 1, 2
	case Q4_0:
		return 32, 18
	case Q8_0:
		return 32, 34
	case Q4_K:
		return 256, 144
	case Q5_K:
		return 256, 176
	case Q6_K:
		return 256, 210
	case TQ1_0:
		return 256, 54
	case TQ2_0:
		return 256, 66
	}
	return 0, 0
}

func (f Format) elements() uint64 { n, _ := f.block(); return n }

// size is the bytes of a row of n elements, whole blocks.
func (f Format) size(n uint64) uint64 {
	elements, bytes := f.block()
	return n / elements * bytes
}
