// Package block reads and writes the block formats in which ggml stores
// weights: runs of 32 or 256 elements that share scales.
//
// The formats are those of llama.cpp's ggml-common.h. Decoding is exact: each
// element is one or two rounded float32 operations on what the block holds, in
// the order written here. Encoding chooses scales of our own making and is the
// same on every machine.
package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Format is how elements are stored, numbered as in ggml.
type Format uint32

// The formats that koinon computes with.
const (
	F32   Format = 0
	F16   Format = 1
	Q4_0  Format = 2
	Q8_0  Format = 8
	Q4_K  Format = 12
	Q5_K  Format = 13
	Q6_K  Format = 14
	BF16  Format = 30
	TQ1_0 Format = 34
	TQ2_0 Format = 35
)

// ErrFormat is returned for a format that is unknown, or does not fit a row.
var ErrFormat = errors.New("unsupported weight format")

// geometry is a format's name, the elements of a block, and its bytes.
type geometry struct {
	format   Format
	name     string
	elements int
	bytes    int
	decode   func(dst []float32, src []byte)
	encode   func(dst []byte, src []float32)
}

var formats = []geometry{
	{F32, "F32", 1, 4, decodeF32, encodeF32},
	{F16, "F16", 1, 2, decodeF16, encodeF16},
	{BF16, "BF16", 1, 2, decodeBF16, encodeBF16},
	{Q8_0, "Q8_0", 32, 34, decodeQ8, encodeQ8},
	{Q4_0, "Q4_0", 32, 18, decodeQ4, encodeQ4},
	{Q4_K, "Q4_K", 256, 144, decodeQ4K, encodeQ4K},
	{Q5_K, "Q5_K", 256, 176, decodeQ5K, encodeQ5K},
	{Q6_K, "Q6_K", 256, 210, decodeQ6K, encodeQ6K},
	{TQ1_0, "TQ1_0", 256, 54, decodeTQ1, encodeTQ1},
	{TQ2_0, "TQ2_0", 256, 66, decodeTQ2, encodeTQ2},
}

func (f Format) find() (geometry, bool) {
	i := slices.IndexFunc(formats, func(g geometry) bool { return g.format == f })
	if i < 0 {
		return geometry{}, false
	}
	return formats[i], true
}

// Formats lists every format, plain ones first.
func Formats() []Format {
	var list []Format
	for _, g := range formats {
		list = append(list, g.format)
	}
	return list
}

// Parse reads the name of a format.
func Parse(name string) (Format, error) {
	for _, g := range formats {
		if g.name == name {
			return g.format, nil
		}
	}
	return 0, fmt.Errorf("%w: %q; known are %v", ErrFormat, name, Formats())
}

// String is ggml's name.
func (f Format) String() string {
	if g, ok := f.find(); ok {
		return g.name
	}
	return fmt.Sprintf("type %d", uint32(f))
}

// Elements is how many elements a block has: 1, 32 or 256; 0 for an unknown format.
func (f Format) Elements() int {
	g, _ := f.find()
	return g.elements
}

// Bytes is the size of n elements, which must be whole blocks.
func (f Format) Bytes(n uint64) (uint64, error) {
	g, ok := f.find()
	if !ok {
		return 0, fmt.Errorf("%w: %s; known are %v", ErrFormat, f, Formats())
	}
	if n%uint64(g.elements) != 0 {
		return 0, fmt.Errorf("%w: %d elements are no whole blocks of %s, of %d each", ErrFormat, n, f, g.elements)
	}
	return n / uint64(g.elements) * uint64(g.bytes), nil
}

// Decode converts stored elements to float32. Dst is whole blocks of a known
// format, and src has their size.
func (f Format) Decode(dst []float32, src []byte) {
	g, _ := f.find()
	for len(dst) > 0 {
		n, size := g.span(len(dst))
		g.decode(dst[:n], src[:size])
		dst, src = dst[n:], src[size:]
	}
}

// Append stores values, whole blocks of a known format, after data.
func (f Format) Append(data []byte, values []float32) []byte {
	g, _ := f.find()
	for len(values) > 0 {
		n, size := g.span(len(values))
		at := len(data)
		data = slices.Grow(data, size)[:at+size]
		g.encode(data[at:], values[:n])
		values = values[n:]
	}
	return data
}

// span is how much is converted in one step: all of a plain format, or a block.
func (g geometry) span(left int) (elements, bytes int) {
	if g.elements == 1 {
		return left, left * g.bytes
	}
	return g.elements, g.bytes
}

var order = binary.LittleEndian
