//go:build goexperiment.simd

// One row at a time.

#include "textflag.h"

#define ROWS 1
#define Q8 ·q8x1(SB)
#define Q4 ·q4x1(SB)
#define Q4K ·q4kx1(SB)
#define Q5K ·q5kx1(SB)
#define Q6K ·q6kx1(SB)
#define TQ2 ·tq2x1(SB)
#define EACH(M) M(0, Z8, Z9, Z16, Z17)
#include "vnni_kernels_amd64.h"
