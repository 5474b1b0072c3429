//go:build goexperiment.simd

// One row at a time.

#include "textflag.h"

#define F32 ·f32x1(SB)
#define F16 ·f16x1(SB)
#define BF16 ·bf16x1(SB)
#define EACH(M) M((R8), Z4, Z5)
#include "floats_kernels_amd64.h"
