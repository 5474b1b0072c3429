package tensor

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/koinon/koinon/internal/tensor/block"
)

// FuzzMatrix: any bytes make a matrix or ErrWeights. Of a matrix each row is
// finite, as the file has it, and every kernel computes the same products.
func FuzzMatrix(f *testing.F) {
	values, x := make([]float32, 3*256), make([]float32, 512)
	for i := range values {
		values[i] = float32(i%11-5) / 8
	}
	for i := range x {
		x[i] = float32(i%13-6) / 3
	}
	for _, format := range block.Formats() {
		data := format.Append(nil, values)
		f.Add(uint32(format), data, block.F32.Append(nil, x))
		f.Add(uint32(format), bytes.Repeat([]byte{0x7b}, len(data)), bytes.Repeat([]byte{0x7e}, 1024))
		f.Add(uint32(format), bytes.Repeat([]byte{0xff}, len(data)), []byte{})
		f.Add(uint32(format), bytes.Repeat([]byte{1}, len(data)), bytes.Repeat([]byte{0, 0, 0, 0x80}, 256))
	}
	const in, rows = 256, 2
	f.Fuzz(func(t *testing.T, number uint32, data, input []byte) {
		format := block.Format(number)
		size, err := format.Bytes(in)
		if err != nil {
			return
		}
		out := int(min(uint64(len(data))/size, 20))
		data = data[:out*int(size)]
		m, err := NewMatrix(format, data, out, in)
		if err != nil {
			if !errors.Is(err, ErrWeights) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		want, row := make([]float32, in), make([]float32, in)
		for o := range out {
			format.Decode(want, data[o*int(size):][:size])
			m.Row(row, o)
			for i, v := range row {
				if v != want[i] || v-v != 0 {
					t.Fatalf("%s: element (%d, %d) is %g, the file has %g", format, o, i, v, want[i])
				}
			}
		}
		sameProducts(t, m, finiteInputs(input, rows*in), rows)
	})
}

// finiteInputs are n numbers of any bytes.
func finiteInputs(data []byte, n int) []float32 {
	x := make([]float32, n)
	given := min(n, len(data)/4)
	block.F32.Decode(x[:given], data[:4*given])
	for i, v := range x {
		if v-v != 0 {
			x[i] = 1
		}
	}
	return x
}

// sameProducts compares kernels. What is no number has no bits of its own.
func sameProducts(t *testing.T, m *Matrix, x []float32, rows int) {
	t.Helper()
	defer func() { active = 0 }()
	var first []float32
	for kernel := range kernels {
		active = kernel
		var input Input
		input.Set(x, rows, m.In())
		y := make([]float32, rows*m.Out())
		m.Mul(y, &input, 1)
		if first == nil {
			first = y
		}
		for i, v := range y {
			if math.Float32bits(v) != math.Float32bits(first[i]) && (v == v || first[i] == first[i]) {
				t.Fatalf("%s: product %d is %g by %s, %g by %s", m.Format(), i, v, kernels[kernel].name, first[i], kernels[0].name)
			}
		}
	}
}
