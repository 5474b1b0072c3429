// Package gguf reads and writes GGUF version 3, the file format of llama.cpp
// and ggml: metadata, then tensors, in one file.
//
// A file is hostile until read: every length is checked against what is left
// of the file before anything is allocated, and errors name the field.
package gguf

import (
	"errors"
	"fmt"
	"math"
)

// Errors of reading.
var (
	ErrFormat   = errors.New("not a usable GGUF file")
	ErrMissing  = errors.New("GGUF metadata missing")
	ErrKind     = errors.New("GGUF metadata of an unexpected type")
	ErrNoTensor = errors.New("GGUF tensor missing")
)

const (
	magic            = "GGUF"
	version          = 3
	defaultAlignment = 32
	maxDims          = 4
	maxDepth         = 2 // of arrays in arrays
)

// valueType is the type of a metadata value, numbered as in the format.
type valueType uint32

const (
	typeUint8 valueType = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// size is the bytes of a scalar, 0 for strings and arrays.
func (t valueType) size() uint64 {
	switch t {
	case typeUint8, typeInt8, typeBool:
		return 1
	case typeUint16, typeInt16:
		return 2
	case typeUint32, typeInt32, typeFloat32:
		return 4
	case typeUint64, typeInt64, typeFloat64:
		return 8
	}
	return 0
}

// Type is how a tensor's elements are stored, numbered as in ggml.
type Type uint32

// The types that koinon reads and writes.
const (
	F32  Type = 0
	F16  Type = 1
	Q8_0 Type = 8
)

// String is ggml's name.
func (t Type) String() string {
	switch t {
	case F32:
		return "F32"
	case F16:
		return "F16"
	case Q8_0:
		return "Q8_0"
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// ParseType reads the name of a type.
func ParseType(name string) (Type, error) {
	for _, t := range []Type{F32, F16, Q8_0} {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown format %q: use F32, F16 or Q8_0", name)
}

// blockQ8 is how many elements share one scale in Q8_0, stored as a float16
// and as many int8.
const (
	blockQ8     = 32
	blockQ8Size = 2 + blockQ8
)

// Bytes is the size of n elements. Rows of Q8_0 must be whole blocks.
func (t Type) Bytes(n uint64) (uint64, error) {
	switch t {
	case F32:
		return n * 4, nil
	case F16:
		return n * 2, nil
	case Q8_0:
		if n%blockQ8 != 0 {
			return 0, fmt.Errorf("%w: %d elements are no whole blocks of Q8_0", ErrFormat, n)
		}
		return n / blockQ8 * blockQ8Size, nil
	}
	return 0, fmt.Errorf("%w: tensors of %s are not supported; use F32, F16 or Q8_0", ErrFormat, t)
}

// halfToFloat converts IEEE 754 binary16 to binary32, exactly.
func halfToFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch {
	case exponent == 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case exponent != 0:
		return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
	default: // subnormal: fraction · 2⁻²⁴
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(v))
	}
}

// floatToHalf rounds to the nearest binary16, ties to even.
func floatToHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000:
		return sign | 0x7e00
	case magnitude >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2⁻¹⁴: count in units of 2⁻²⁴
		scaled := math.Float32frombits(magnitude) * (1 << 24)
		return sign | uint16(math.RoundToEven(float64(scaled)))
	}
	rounded := magnitude + 0xfff + magnitude>>13&1
	return sign | uint16((rounded-0x38000000)>>13)
}

// appendElements appends values stored as t; Q8_0 as llama.cpp rounds it.
func appendElements(data []byte, values []float32, t Type) ([]byte, error) {
	switch t {
	case F32:
		for _, v := range values {
			data = order.AppendUint32(data, math.Float32bits(v))
		}
	case F16:
		for _, v := range values {
			data = order.AppendUint16(data, floatToHalf(v))
		}
	case Q8_0:
		for ; len(values) >= blockQ8; values = values[blockQ8:] {
			data = appendBlockQ8(data, values[:blockQ8])
		}
	default:
		return nil, fmt.Errorf("cannot write tensors of %s", t)
	}
	return data, nil
}

func appendBlockQ8(data []byte, values []float32) []byte {
	var largest float32
	for _, v := range values {
		largest = max(largest, float32(math.Abs(float64(v))))
	}
	scale, inverse := largest/127, float32(0)
	if scale != 0 {
		inverse = 1 / scale
	}
	data = order.AppendUint16(data, floatToHalf(scale))
	for _, v := range values {
		data = append(data, byte(int8(math.Round(float64(v*inverse)))))
	}
	return data
}

// readElements converts stored elements to float32; data and dst agree in size.
func readElements(dst []float32, data []byte, t Type) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(order.Uint32(data[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = halfToFloat(order.Uint16(data[2*i:]))
		}
	case Q8_0:
		for i := range dst {
			block := data[i/blockQ8*blockQ8Size:]
			dst[i] = float32(int8(block[2+i%blockQ8])) * halfToFloat(order.Uint16(block))
		}
	}
}
