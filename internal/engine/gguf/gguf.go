// Package gguf reads and writes GGUF version 3, the file format of llama.cpp
// and ggml: metadata, then tensors, in one file.
//
// A file is hostile until read: every length is checked against what is left
// of the file before anything is allocated, and errors name the field.
package gguf

import (
	"errors"

	"github.com/koinon/koinon/internal/tensor/block"
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

// Type is how a tensor's elements are stored.
type Type = block.Format

// The types that koinon reads and writes.
const (
	F32   = block.F32
	F16   = block.F16
	BF16  = block.BF16
	Q8_0  = block.Q8_0
	Q4_0  = block.Q4_0
	Q4_K  = block.Q4_K
	Q5_K  = block.Q5_K
	Q6_K  = block.Q6_K
	TQ1_0 = block.TQ1_0
	TQ2_0 = block.TQ2_0
)

// ParseType reads the name of a type.
func ParseType(name string) (Type, error) { return block.Parse(name) }

// fileTypes are llama.cpp's numbers for a file whose matrices are mostly of one
// type (llama_ftype); those of mixtures, of which it knows several, are those of
// its smallest.
var fileTypes = map[Type]uint32{
	F32: 0, F16: 1, Q4_0: 2, Q8_0: 7, Q4_K: 14, Q5_K: 16, Q6_K: 18, BF16: 32, TQ1_0: 36, TQ2_0: 37,
}

// FileType is the general.file_type of a file whose matrices are mostly of a type.
func FileType(t Type) uint32 { return fileTypes[t] }
