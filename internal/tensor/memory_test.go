package tensor

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/koinon/koinon/internal/tensor/block"
)

// Matrices of one memory do not overlap, also where one needs more than is left.
func TestMemoryIsShared(t *testing.T) {
	s := new(Memory)
	var taken [][]byte
	for i, n := range []int{1, 63, 64, 65, memoryChunk / 2, memoryChunk / 2, 100, memoryChunk + 1, 5} {
		b := s.take(n)
		if len(b) != n || uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Fatalf("%d bytes were asked for, %d are at %p", n, len(b), b)
		}
		for _, at := range []int{0, n - 1} {
			b[at] = byte(i + 1)
		}
		taken = append(taken, b)
	}
	for i, b := range taken {
		if b[0] != byte(i+1) || b[len(b)-1] != byte(i+1) {
			t.Fatalf("the bytes of %d belong to another", i)
		}
	}
}

// What is reserved for matrices is what they take, to the byte.
func TestReservedMemoryIsWhatMatricesTake(t *testing.T) {
	const out, in = 40, 256
	formats := []block.Format{block.F32, block.Q8_0, block.Q4_K}
	room := 0
	for _, f := range formats {
		room += MatrixBytes(f, out, in)
	}
	s := new(Memory)
	s.Reserve(room)
	values := inputs(rand.New(rand.NewPCG(15, 16)), out*in)
	for _, f := range formats {
		if _, err := s.NewMatrix(f, f.Append(nil, values), out, in); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.left) != 0 {
		t.Errorf("%d bytes of %d are left", len(s.left), room)
	}
}

// Memory stays as long as one of its matrices, and no longer than it must.
func TestMemoryOutlivesItsMatrices(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	const out, in = 40, 256
	values := inputs(r, out*in)
	for _, f := range []block.Format{block.F32, block.Q8_0} {
		m, err := new(Memory).NewMatrix(f, f.Append(nil, values), out, in)
		if err != nil {
			t.Fatal(err)
		}
		var x Input
		x.Set(inputs(r, in), 1, in)
		first, again := make([]float32, out), make([]float32, out)
		m.Mul(first, &x, 1)
		for range 3 {
			runtime.GC()
			m.Mul(again, &x, 1)
		}
		if !slices.Equal(first, again) {
			t.Errorf("%s: other products after the garbage was collected", f)
		}
	}
}
