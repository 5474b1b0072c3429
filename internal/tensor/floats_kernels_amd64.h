// The kernels of float32, float16 and bfloat16 weights, for as many rows as the
// macros that were defined before say:
//
//	EACH    applies M(at, a, b) to each row: where its next element lies, and
//	        its two accumulators
//
// Each accumulator is one reduction in ascending order: the product is rounded,
// then the sum. SI is the panel, R8 the rows' elements, R9 how far rows are
// apart, R12 how far their elements, CX the steps left, DI the output, DX how far
// its rows are apart. Z0 and Z1 hold weights, Z2 and Z3 what passes.

#define ARGUMENTS \
	MOVQ c+0(FP), DI \
	MOVQ stride+8(FP), DX \
	MOVQ panel+16(FP), SI \
	MOVQ depth+24(FP), CX \
	MOVQ a+32(FP), R8 \
	MOVQ row+40(FP), R9 \
	MOVQ col+48(FP), R12 \
	MOVQ accumulate+56(FP), BX \
	LEAQ (R9)(R9*2), R10 \
	LEAQ (R8)(R9*4), R11

// AHEAD is how many bytes before they are used weights are fetched: the processor
// by itself does not look as far.
#define AHEAD 2048

#define ZERO_ROW(at, a, b) VPXORD a, a, a; VPXORD b, b, b

#define LOAD_ROW(at, a, b) VMOVUPS (AX), a; VMOVUPS 64(AX), b; ADDQ DX, AX

#define STORE_ROW(at, a, b) VMOVUPS a, (DI); VMOVUPS b, 64(DI); ADDQ DX, DI

#define ADD_ROW(at, a, b) \
	VBROADCASTSS at, Z2 \
	VMULPS Z0, Z2, Z3 \
	VADDPS Z3, a, a \
	VMULPS Z1, Z2, Z2 \
	VADDPS Z2, b, b

// BEGIN starts the accumulators at zero, or at what the output has.
#define BEGIN(own) \
	ARGUMENTS \
	EACH(ZERO_ROW) \
	TESTQ BX, BX \
	JZ own \
	MOVQ DI, AX \
	EACH(LOAD_ROW)

#define STEP(bytes, own) \
	EACH(ADD_ROW) \
	ADDQ $bytes, SI \
	ADDQ R12, R8 \
	ADDQ R12, R11 \
	DECQ CX \
	JNZ own

#define END \
	EACH(STORE_ROW) \
	VZEROUPPER \
	RET

// f32, a floatKernel
TEXT F32, NOSPLIT, $0-64
	BEGIN(f32_step)
f32_step:
	PREFETCHT0 AHEAD(SI)
	PREFETCHT0 (AHEAD+64)(SI)
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	STEP(128, f32_step)
	END

// f16, a floatKernel
TEXT F16, NOSPLIT, $0-64
	BEGIN(f16_step)
f16_step:
	PREFETCHT0 AHEAD(SI)
	VCVTPH2PS (SI), Z0
	VCVTPH2PS 32(SI), Z1
	STEP(64, f16_step)
	END

// bf16, a floatKernel
TEXT BF16, NOSPLIT, $0-64
	BEGIN(bf16_step)
bf16_step:
	PREFETCHT0 AHEAD(SI)
	VPMOVZXWD (SI), Z0
	VPMOVZXWD 32(SI), Z1
	VPSLLD $16, Z0, Z0
	VPSLLD $16, Z1, Z1
	STEP(64, bf16_step)
	END
