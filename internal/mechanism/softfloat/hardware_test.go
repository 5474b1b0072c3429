package softfloat

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/koinon/koinon/internal/tensor/block"
)

// pairs is how many random operands each operation is checked with, beside all
// pairs of hard ones: make softfloat asks for hundreds of millions.
var pairs = flag.Int("pairs", 1_000_000, "random operands of each operation")

func hardware(a Float) float32 { return math.Float32frombits(uint32(a)) }

func bitsOf(v float32) Float { return Float(math.Float32bits(v)).Canonical() }

var operations = []struct {
	name string
	soft func(a, b Float) Float
	hard func(a, b float32) float32
}{
	{"add", Add, func(a, b float32) float32 { return a + b }},
	{"sub", Sub, func(a, b float32) float32 { return a - b }},
	{"mul", Mul, func(a, b float32) float32 { return a * b }},
	{"div", Div, func(a, b float32) float32 { return a / b }},
	{"sqrt", func(a, _ Float) Float { return Sqrt(a) }, func(a, _ float32) float32 { return float32(math.Sqrt(float64(a))) }},
	{"int", func(a, _ Float) Float { return FromInt(int64(int32(a))) }, func(a, _ float32) float32 { return float32(int32(math.Float32bits(a))) }},
	{"neg", func(a, _ Float) Float { return a.Neg() }, func(a, _ float32) float32 { return -a }},
}

func check(t *testing.T, a, b Float) {
	for _, o := range operations {
		if got, want := o.soft(a, b), bitsOf(o.hard(hardware(a), hardware(b))); got != want {
			t.Fatalf("%s(%08x, %08x) is %08x, the processor gives %08x", o.name, a, b, got, want)
		}
	}
	x, y := hardware(a), hardware(b)
	if a.Less(b) != (x < y) || a.Equal(b) != (x == y) || a.IsNaN() != (x != x) {
		t.Fatalf("%08x and %08x compare otherwise than the processor says", a, b)
	}
}

// hard are the bit patterns about which an implementation errs, of both signs:
// exponents at their ends and around those where sums are rounded, with
// significands at their ends and at single bits.
func hard() (list []Float) {
	for _, exponent := range []Float{0, 1, 2, 23, 24, 25, 26, 63, 64, 100, 101, 102, 103, 104, 125, 126, 127, 128, 129, 149, 150, 151, 152, 190, 230, 253, 254, 255} {
		for _, fraction := range []Float{0, 1, 2, 3, 0x3fffff, 0x400000, 0x400001, 0x555555, 0x7ffffe, 0x7fffff, 0x000ff0, 0x001000, 0x123456} {
			list = append(list, exponent<<23|fraction, sign|exponent<<23|fraction)
		}
	}
	return list
}

func TestHardPatternsAgreeWithTheProcessor(t *testing.T) {
	list := hard()
	for _, a := range list {
		for _, b := range list {
			check(t, a, b)
		}
	}
}

func TestRandomNumbersAgreeWithTheProcessor(t *testing.T) {
	random := rand.New(rand.NewPCG(3, uint64(*pairs)))
	for i := range *pairs {
		a := Float(random.Uint32())
		b := Float(random.Uint32())
		if i%2 == 1 { // of nearly the same size, so that sums cancel and round
			b = b&^(0xff<<23) | Float((uint32(a>>23&0xff)+random.Uint32N(51)-25)&0xff)<<23
		}
		check(t, a, b)
	}
}

func TestConversionsAgreeWithTheEngine(t *testing.T) {
	for h := range 1 << 16 {
		if got, want := FromHalf(uint16(h)), bitsOf(block.Half(uint16(h))); got != want {
			t.Fatalf("binary16 %04x widens to %08x, not %08x", h, got, want)
		}
		if got, want := FromBrain(uint16(h)), bitsOf(math.Float32frombits(uint32(h)<<16)); got != want {
			t.Fatalf("bfloat16 %04x widens to %08x, not %08x", h, got, want)
		}
	}
	random := rand.New(rand.NewPCG(5, 6))
	list := hard()
	for range *pairs {
		list = append(list[:len(hard())], Float(random.Uint32()), Float(0x33000000+random.Uint32N(0x15000000)))
		for _, a := range list[len(list)-2:] {
			checkRounding(t, a)
		}
	}
	for _, a := range hard() {
		checkRounding(t, a)
	}
}

func checkRounding(t *testing.T, a Float) {
	t.Helper()
	if a.IsNaN() {
		return
	}
	v := hardware(a)
	if got, want := a.ToHalf(), block.ToHalf(v); got != want {
		t.Fatalf("%08x rounds to binary16 %04x, not %04x", a, got, want)
	}
	if got, want := a.ToBrain(), block.ToBrain(v); got != want {
		t.Fatalf("%08x rounds to bfloat16 %04x, not %04x", a, got, want)
	}
	if math.Abs(float64(v)) < 1<<22 {
		if got, want := a.Nearest(), int32(math.RoundToEven(float64(v))); got != want {
			t.Fatalf("%08x rounds to %d, not %d", a, got, want)
		}
	}
}

func FuzzOperations(f *testing.F) {
	f.Add(uint32(0x3f800000), uint32(0x33800001))
	f.Add(uint32(1), uint32(0x80000001))
	f.Fuzz(func(t *testing.T, a, b uint32) { check(t, Float(a), Float(b)) })
}

func BenchmarkAdd(b *testing.B) {
	x := Float(0x3f9d70a4)
	for b.Loop() {
		x = Add(x, 0x3c23d70a)
	}
}

func BenchmarkMul(b *testing.B) {
	x := Float(0x3f9d70a4)
	for b.Loop() {
		x = Mul(x, 0x3f800001)
	}
}
