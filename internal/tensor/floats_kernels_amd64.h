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
	MOVQ args+0(FP), AX \
	MOVQ 0(AX), DI \
	MOVQ 8(AX), DX \
	MOVQ 16(AX), SI \
	MOVQ 24(AX), CX \
	MOVQ 32(AX), R8 \
	MOVQ 40(AX), R9 \
	MOVQ 48(AX), R12 \
	MOVQ 56(AX), BX \
	LEAQ (R9)(R9*2), R10 \
	LEAQ (R8)(R9*4), R11

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

// func f32(args *floatArgs)
TEXT F32, NOSPLIT, $0-8
	BEGIN(f32_step)
f32_step:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	STEP(128, f32_step)
	END

// func f16(args *floatArgs)
TEXT F16, NOSPLIT, $0-8
	BEGIN(f16_step)
f16_step:
	VCVTPH2PS (SI), Z0
	VCVTPH2PS 32(SI), Z1
	STEP(64, f16_step)
	END

// func bf16(args *floatArgs)
TEXT BF16, NOSPLIT, $0-8
	BEGIN(bf16_step)
bf16_step:
	VPMOVZXWD (SI), Z0
	VPMOVZXWD 32(SI), Z1
	VPSLLD $16, Z0, Z0
	VPSLLD $16, Z1, Z1
	STEP(64, bf16_step)
	END
