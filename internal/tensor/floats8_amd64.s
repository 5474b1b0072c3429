//go:build goexperiment.simd

// Eight rows at a time.

#include "textflag.h"

#define F32 ·f32x8(SB)
#define F16 ·f16x8(SB)
#define BF16 ·bf16x8(SB)
#define EACH(M) \
	M((R8), Z4, Z5) \
	M((R8)(R9*1), Z6, Z7) \
	M((R8)(R9*2), Z8, Z9) \
	M((R8)(R10*1), Z10, Z11) \
	M((R11), Z16, Z17) \
	M((R11)(R9*1), Z18, Z19) \
	M((R11)(R9*2), Z20, Z21) \
	M((R11)(R10*1), Z22, Z23)
#include "floats_kernels_amd64.h"
