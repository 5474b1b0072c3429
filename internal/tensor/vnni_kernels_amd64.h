// The kernels of every quantised format, for as many rows as the macros that
// were defined before say:
//
//	ROWS    the number of rows, which lie side by side in the input
//	EACH    applies M(r, a, b, t, u) to each row: its number, its two
//	        accumulators of a block, and those of a super-block or of floats
//
// SI is the panel, R8 the input's bytes, R9 its scales, R10 its sums, R11 its
// pairs of sums, DI the output, CX the blocks left. Z0 and Z1 hold weights, Z2
// and Z3 what passes, Z4 and Z5 scales, Z6 and Z7 packed weights.

#define DOT_ROW(r, a, b, t, u) \
	VPBROADCASTD (4*r)(R8), Z2 \
	VPDPBUSD Z2, Z0, a \
	VPDPBUSD Z2, Z1, b

// DOT multiplies the next four elements of each row.
#define DOT EACH(DOT_ROW); ADDQ $(4*ROWS), R8

#define ZERO_ROW(r, a, b, t, u) VPXORD a, a, a; VPXORD b, b, b
#define ZERO2_ROW(r, a, b, t, u) VPXORD t, t, t; VPXORD u, u, u

// LESS starts accumulators at minus the input's sum, shifted.
#define LESS_ROW(r, a, b, shift) \
	VPBROADCASTD (4*r)(R10), Z2 \
	VPSLLD $shift, Z2, Z2 \
	VPXORD a, a, a \
	VPSUBD Z2, a, a \
	VMOVDQA64 a, b
#define LESS3_ROW(r, a, b, t, u) LESS_ROW(r, a, b, 3)
#define LESS5_ROW(r, a, b, t, u) LESS_ROW(r, a, b, 5)
#define LESS7_ROW(r, a, b, t, u) LESS_ROW(r, a, b, 7)

// FOLD adds a block's sums times both scales to float accumulators.
#define FOLD_ROW(r, a, b, t, u) \
	VBROADCASTSS (4*r)(R9), Z2 \
	VCVTDQ2PS a, a \
	VMULPS Z4, Z2, Z3 \
	VMULPS Z3, a, a \
	VADDPS a, t, t \
	VCVTDQ2PS b, b \
	VMULPS Z5, Z2, Z3 \
	VMULPS Z3, b, b \
	VADDPS b, u, u

#define STORE_ROW(r, a, b, t, u) VMOVUPS t, (128*r)(DI); VMOVUPS u, (128*r+64)(DI)

// SCALE adds a sub-block's sums times its integer scale to a super-block's.
#define SCALE_ROW(r, a, b, t, u) \
	VPMULLD Z4, a, a \
	VPADDD a, t, t \
	VPMULLD Z5, b, b \
	VPADDD b, u, u

// GAIN adds a super-block's sums times both scales to the output; LOSS takes
// away those of the minima.
#define GAIN_ROW(r, a, b, t, u) \
	VBROADCASTSS (4*r)(R9), Z2 \
	VCVTDQ2PS t, t \
	VMULPS Z4, Z2, Z3 \
	VMULPS Z3, t, t \
	VADDPS (128*r)(DI), t, t \
	VMOVUPS t, (128*r)(DI) \
	VCVTDQ2PS u, u \
	VMULPS Z5, Z2, Z3 \
	VMULPS Z3, u, u \
	VADDPS (128*r+64)(DI), u, u \
	VMOVUPS u, (128*r+64)(DI)
#define LOSS_ROW(r, a, b, t, u) \
	VBROADCASTSS (4*r)(R9), Z2 \
	VCVTDQ2PS a, a \
	VMULPS Z4, Z2, Z3 \
	VMULPS Z3, a, a \
	VMOVUPS (128*r)(DI), Z3 \
	VSUBPS a, Z3, Z3 \
	VMOVUPS Z3, (128*r)(DI) \
	VCVTDQ2PS b, b \
	VMULPS Z5, Z2, Z3 \
	VMULPS Z3, b, b \
	VMOVUPS (128*r+64)(DI), Z3 \
	VSUBPS b, Z3, Z3 \
	VMOVUPS Z3, (128*r+64)(DI)

#define PAIR_ROW(r, a, b, t, u) \
	VPBROADCASTD (4*r)(R11), Z2 \
	VPDPWSSD Z2, Z0, a \
	VPDPWSSD Z2, Z1, b

#define CLEAR_ROW(r, a, b, t, u) \
	VMOVUPS Z3, (128*r)(DI) \
	VMOVUPS Z3, (128*r+64)(DI)

#define ARGUMENTS \
	MOVQ out+0(FP), DI \
	MOVQ panel+8(FP), SI \
	MOVQ blocks+16(FP), CX \
	MOVQ q+24(FP), R8 \
	MOVQ d+32(FP), R9 \
	MOVQ off+40(FP), R10 \
	MOVQ pairs+48(FP), R11

#define BYTES(value, z) MOVL $value, AX; VPBROADCASTD AX, z

// FETCH asks for weights some time before they are used: the processor by itself
// does not look as far.
#define FETCH(at) PREFETCHT0 (at+2048)(SI); PREFETCHT0 (at+2112)(SI)

#define STEP(k) FETCH((128*k)); VMOVDQU64 (128*k)(SI), Z0; VMOVDQU64 (128*k+64)(SI), Z1; DOT

// q8, a vnniKernel
TEXT Q8, NOSPLIT, $0-56
	ARGUMENTS
	EACH(ZERO2_ROW)
q8_block:
	EACH(LESS7_ROW)
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	STEP(4)
	STEP(5)
	STEP(6)
	STEP(7)
	VCVTPH2PS 1024(SI), Z4
	VCVTPH2PS 1056(SI), Z5
	EACH(FOLD_ROW)
	ADDQ $1088, SI
	ADDQ $(4*ROWS), R9
	ADDQ $(4*ROWS), R10
	DECQ CX
	JNZ q8_block
	EACH(STORE_ROW)
	VZEROUPPER
	RET

// LOW and HIGH take half of each of two vectors of bytes at SI or BX.
#define LOW(at, p) \
	FETCH(at) \
	VPANDD at(p), Z24, Z0 \
	VPANDD (at+64)(p), Z24, Z1
#define HIGH(at, p) \
	VMOVDQU64 at(p), Z6 \
	VMOVDQU64 (at+64)(p), Z7 \
	VPSRLW $4, Z6, Z6 \
	VPSRLW $4, Z7, Z7 \
	VPANDD Z24, Z6, Z0 \
	VPANDD Z24, Z7, Z1

// q4, a vnniKernel
TEXT Q4, NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z24)
	EACH(ZERO2_ROW)
q4_block:
	EACH(LESS3_ROW)
	LOW(0, SI)
	DOT
	LOW(128, SI)
	DOT
	LOW(256, SI)
	DOT
	LOW(384, SI)
	DOT
	HIGH(0, SI)
	DOT
	HIGH(128, SI)
	DOT
	HIGH(256, SI)
	DOT
	HIGH(384, SI)
	DOT
	VCVTPH2PS 512(SI), Z4
	VCVTPH2PS 544(SI), Z5
	EACH(FOLD_ROW)
	ADDQ $576, SI
	ADDQ $(4*ROWS), R9
	ADDQ $(4*ROWS), R10
	DECQ CX
	JNZ q4_block
	EACH(STORE_ROW)
	VZEROUPPER
	RET

// SUPER ends a super-block of Q4_K or Q5_K; R12 has come to its minima.
#define SUPER \
	EACH(ZERO_ROW) \
	VPMOVZXBW 0(R12), Z0 \
	VPMOVZXBW 32(R12), Z1 \
	EACH(PAIR_ROW) \
	ADDQ $(4*ROWS), R11 \
	VPMOVZXBW 64(R12), Z0 \
	VPMOVZXBW 96(R12), Z1 \
	EACH(PAIR_ROW) \
	ADDQ $(4*ROWS), R11 \
	VPMOVZXBW 128(R12), Z0 \
	VPMOVZXBW 160(R12), Z1 \
	EACH(PAIR_ROW) \
	ADDQ $(4*ROWS), R11 \
	VPMOVZXBW 192(R12), Z0 \
	VPMOVZXBW 224(R12), Z1 \
	EACH(PAIR_ROW) \
	ADDQ $(4*ROWS), R11 \
	VCVTPH2PS 256(R12), Z4 \
	VCVTPH2PS 288(R12), Z5 \
	EACH(GAIN_ROW) \
	VCVTPH2PS 320(R12), Z4 \
	VCVTPH2PS 352(R12), Z5 \
	EACH(LOSS_ROW) \
	ADDQ $(4*ROWS), R9

// q4k, a vnniKernel
TEXT Q4K, NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z24)
	VPXORD Z3, Z3, Z3
	EACH(CLEAR_ROW)
q4k_block:
	EACH(ZERO2_ROW)
	LEAQ 4096(SI), R12
	MOVQ $4, DX
q4k_group:
	EACH(ZERO_ROW)
	LOW(0, SI)
	DOT
	LOW(128, SI)
	DOT
	LOW(256, SI)
	DOT
	LOW(384, SI)
	DOT
	LOW(512, SI)
	DOT
	LOW(640, SI)
	DOT
	LOW(768, SI)
	DOT
	LOW(896, SI)
	DOT
	VPMOVZXBD 0(R12), Z4
	VPMOVZXBD 16(R12), Z5
	EACH(SCALE_ROW)
	EACH(ZERO_ROW)
	HIGH(0, SI)
	DOT
	HIGH(128, SI)
	DOT
	HIGH(256, SI)
	DOT
	HIGH(384, SI)
	DOT
	HIGH(512, SI)
	DOT
	HIGH(640, SI)
	DOT
	HIGH(768, SI)
	DOT
	HIGH(896, SI)
	DOT
	VPMOVZXBD 32(R12), Z4
	VPMOVZXBD 48(R12), Z5
	EACH(SCALE_ROW)
	ADDQ $1024, SI
	ADDQ $64, R12
	DECQ DX
	JNZ q4k_group
	SUPER
	ADDQ $640, SI
	DECQ CX
	JNZ q4k_block
	VZEROUPPER
	RET

// FIFTH adds the fifth bits at BX, of the sub-block whose number X26 holds.
#define FIFTH(at) \
	VMOVDQU64 at(BX), Z6 \
	VMOVDQU64 (at+64)(BX), Z7 \
	VPSRLW X26, Z6, Z6 \
	VPSRLW X26, Z7, Z7 \
	VPANDD Z25, Z6, Z6 \
	VPANDD Z25, Z7, Z7 \
	VPSLLW $4, Z6, Z6 \
	VPSLLW $4, Z7, Z7 \
	VPORD Z6, Z0, Z0 \
	VPORD Z7, Z1, Z1

#define STEPS(HALF) \
	HALF(0, SI) \
	FIFTH(0) \
	DOT \
	HALF(128, SI) \
	FIFTH(128) \
	DOT \
	HALF(256, SI) \
	FIFTH(256) \
	DOT \
	HALF(384, SI) \
	FIFTH(384) \
	DOT \
	HALF(512, SI) \
	FIFTH(512) \
	DOT \
	HALF(640, SI) \
	FIFTH(640) \
	DOT \
	HALF(768, SI) \
	FIFTH(768) \
	DOT \
	HALF(896, SI) \
	FIFTH(896) \
	DOT

// q5k, a vnniKernel
TEXT Q5K, NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z24)
	BYTES(0x01010101, Z25)
	VPXORD Z3, Z3, Z3
	EACH(CLEAR_ROW)
q5k_block:
	EACH(ZERO2_ROW)
	MOVQ SI, BX
	ADDQ $1024, SI
	LEAQ 4096(SI), R12
	XORQ DX, DX
q5k_group:
	VMOVQ DX, X26
	EACH(ZERO_ROW)
	STEPS(LOW)
	VPMOVZXBD 0(R12), Z4
	VPMOVZXBD 16(R12), Z5
	EACH(SCALE_ROW)
	INCQ DX
	VMOVQ DX, X26
	EACH(ZERO_ROW)
	STEPS(HIGH)
	VPMOVZXBD 32(R12), Z4
	VPMOVZXBD 48(R12), Z5
	EACH(SCALE_ROW)
	ADDQ $1024, SI
	ADDQ $64, R12
	INCQ DX
	CMPQ DX, $8
	JNE q5k_group
	SUPER
	ADDQ $640, SI
	DECQ CX
	JNZ q5k_block
	VZEROUPPER
	RET

// SIX makes six bits of the four at SI and of two at BX.
#define SIX(HALF, low, upper, shift) \
	HALF(low, SI) \
	VMOVDQU64 upper(BX), Z6 \
	VMOVDQU64 (upper+64)(BX), Z7 \
	VPSRLW $shift, Z6, Z6 \
	VPSRLW $shift, Z7, Z7 \
	VPANDD Z25, Z6, Z6 \
	VPANDD Z25, Z7, Z7 \
	VPSLLW $4, Z6, Z6 \
	VPSLLW $4, Z7, Z7 \
	VPORD Z6, Z0, Z0 \
	VPORD Z7, Z1, Z1 \
	DOT

#define SIXTEEN(HALF, low, upper, shift) \
	EACH(LESS5_ROW) \
	SIX(HALF, low, upper, shift) \
	SIX(HALF, (low+128), (upper+128), shift) \
	SIX(HALF, (low+256), (upper+256), shift) \
	SIX(HALF, (low+384), (upper+384), shift) \
	VPMOVSXBD 0(R12), Z4 \
	VPMOVSXBD 16(R12), Z5 \
	EACH(SCALE_ROW) \
	ADDQ $32, R12 \
	ADDQ $(4*ROWS), R10

// q6k, a vnniKernel
TEXT Q6K, NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z24)
	BYTES(0x03030303, Z25)
	VPXORD Z3, Z3, Z3
	EACH(CLEAR_ROW)
q6k_block:
	EACH(ZERO2_ROW)
	LEAQ 4096(SI), BX
	LEAQ 6144(SI), R12
	MOVQ $2, DX
q6k_half:
	SIXTEEN(LOW, 0, 0, 0)
	SIXTEEN(LOW, 512, 512, 0)
	SIXTEEN(LOW, 1024, 0, 2)
	SIXTEEN(LOW, 1536, 512, 2)
	SIXTEEN(HIGH, 0, 0, 4)
	SIXTEEN(HIGH, 512, 512, 4)
	SIXTEEN(HIGH, 1024, 0, 6)
	SIXTEEN(HIGH, 1536, 512, 6)
	ADDQ $2048, SI
	ADDQ $1024, BX
	DECQ DX
	JNZ q6k_half
	VCVTPH2PS 0(R12), Z4
	VCVTPH2PS 32(R12), Z5
	EACH(GAIN_ROW)
	ADDQ $(4*ROWS), R9
	LEAQ 64(R12), SI
	DECQ CX
	JNZ q6k_block
	VZEROUPPER
	RET

#define TWO(at) \
	VMOVDQU64 at(SI), Z6 \
	VMOVDQU64 (at+64)(SI), Z7 \
	VPSRLW X26, Z6, Z6 \
	VPSRLW X26, Z7, Z7 \
	VPANDD Z25, Z6, Z0 \
	VPANDD Z25, Z7, Z1 \
	DOT

#define TAKE_ROW(r, a, b, t, u) VMOVDQA64 a, t; VMOVDQA64 b, u

// tq2, a vnniKernel
TEXT TQ2, NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x03030303, Z25)
	VPTERNLOGD $0xff, Z27, Z27, Z27
	VPXORD Z3, Z3, Z3
	EACH(CLEAR_ROW)
tq2_block:
	EACH(ZERO_ROW)
	VMOVDQA64 Z27, Z0
	VMOVDQA64 Z27, Z1
	EACH(PAIR_ROW)
	ADDQ $(4*ROWS), R11
	EACH(PAIR_ROW)
	ADDQ $(4*ROWS), R11
	EACH(PAIR_ROW)
	ADDQ $(4*ROWS), R11
	EACH(PAIR_ROW)
	ADDQ $(4*ROWS), R11
	MOVQ $2, BX
tq2_half:
	XORQ DX, DX
tq2_pair:
	VMOVQ DX, X26
	TWO(0)
	TWO(128)
	TWO(256)
	TWO(384)
	TWO(512)
	TWO(640)
	TWO(768)
	TWO(896)
	ADDQ $2, DX
	CMPQ DX, $8
	JNE tq2_pair
	ADDQ $1024, SI
	DECQ BX
	JNZ tq2_half
	VCVTPH2PS 0(SI), Z4
	VCVTPH2PS 32(SI), Z5
	EACH(TAKE_ROW)
	EACH(GAIN_ROW)
	ADDQ $(4*ROWS), R9
	ADDQ $64, SI
	DECQ CX
	JNZ tq2_block
	VZEROUPPER
	RET
