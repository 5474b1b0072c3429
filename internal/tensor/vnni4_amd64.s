//go:build goexperiment.simd

// Four rows at a time.

#include "textflag.h"

#define ROWS 4
#define Q8 ·q8x4(SB)
#define Q4 ·q4x4(SB)
#define Q4K ·q4kx4(SB)
#define Q5K ·q5kx4(SB)
#define Q6K ·q6kx4(SB)
#define TQ2 ·tq2x4(SB)
#define EACH(M) M(0, Z8, Z9, Z16, Z17); M(1, Z10, Z11, Z18, Z19); M(2, Z12, Z13, Z20, Z21); M(3, Z14, Z15, Z22, Z23)
#include "vnni_kernels_amd64.h"
