//go:build goexperiment.simd

// Four rows at a time.

#include "textflag.h"

#define F32 ·f32x4(SB)
#define F16 ·f16x4(SB)
#define BF16 ·bf16x4(SB)
#define EACH(M) \
	M((R8), Z4, Z5) \
	M((R8)(R9*1), Z6, Z7) \
	M((R8)(R9*2), Z8, Z9) \
	M((R8)(R10*1), Z10, Z11)
#include "floats_kernels_amd64.h"
