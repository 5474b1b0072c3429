package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachKernel runs a test with every implementation that this processor has.
func eachKernel(t *testing.T, test func(t *testing.T)) {
	defer func() { active = 0 }()
	for i := range kernels {
		active = i
		t.Run(kernels[i].name, test)
	}
}

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// reference is the rule of the package comment, word for word.
func reference(c []float32, a Left, rows int, b []float32, cols, depth int) {
	for i := range rows {
		for j := range cols {
			acc := c[i*cols+j]
			for k := range depth {
				acc = acc + float32(a.Data[i*a.Row+k*a.Col]*b[k*cols+j])
			}
			c[i*cols+j] = acc
		}
	}
}

func TestGemmIsTheRuleBitForBit(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, shape := range [][3]int{{1, 1, 1}, {1, 96, 32}, {3, 31, 33}, {4, 64, 64}, {7, 257, 40}, {65, 128, 100}, {130, 20, 7}} {
			rows, depth, cols := shape[0], shape[1], shape[2]
			x, b, start := random(rng, rows*depth), random(rng, depth*cols), random(rng, rows*cols)
			transposed := make([]float32, rows*depth)
			for i := range rows {
				for k := range depth {
					transposed[k*rows+i] = x[i*depth+k]
				}
			}
			want := slices.Clone(start)
			reference(want, Left{x, depth, 1}, rows, b, cols, depth)
			panels := new(Panels).PackN(b, cols, depth, cols)
			for _, workers := range []int{1, 2, 5} {
				for name, a := range map[string]Left{"plain": {x, depth, 1}, "transposed": {transposed, 1, rows}} {
					got := slices.Clone(start)
					Gemm(got, cols, a, rows, panels, cols, depth, true, workers)
					if i := differs(got, want); i >= 0 {
						t.Fatalf("%v %s, %d workers: element %d is %g, want %g", shape, name, workers, i, got[i], want[i])
					}
				}
			}
		}
	})
}

func TestPackTIsPackNOfTheTranspose(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	out, in := 45, 19
	w := random(rng, out*in)
	transposed := make([]float32, out*in)
	for j := range out {
		for k := range in {
			transposed[k*out+j] = w[j*in+k]
		}
	}
	// Memory that held something else must not shine through.
	dirty := new(Panels).PackN(random(rng, 64*64), 64, 64, 64)
	if i := differs(dirty.PackT(w, in, out, in).data, new(Panels).PackN(transposed, out, in, out).data); i >= 0 {
		t.Fatalf("packed element %d differs", i)
	}
}

func TestExp(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		var xs []float32
		for x := float32(-100); x < 95; x += 0.00371 {
			xs = append(xs, x)
		}
		xs = append(xs, 0, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), expMin, expMax)
		got := make([]float32, len(xs))
		ExpAll(got, xs)
		for i, x := range xs {
			if one := Exp(x); math.Float32bits(one) != math.Float32bits(got[i]) {
				t.Fatalf("ExpAll(%g) = %g, Exp gives %g", x, got[i], one)
			}
			exact := math.Exp(float64(x))
			switch {
			case x != x:
				if got[i] == got[i] {
					t.Errorf("Exp(NaN) = %g", got[i])
				}
			case x < expMin && got[i] != 0, x > expMax && !math.IsInf(float64(got[i]), 1):
				t.Errorf("Exp(%g) = %g", x, got[i])
			case x >= expMin && x <= expMax:
				if err := math.Abs(float64(got[i])/exact - 1); err > 2.4e-7 {
					t.Fatalf("Exp(%g) = %g, off by %g", x, got[i], err)
				}
			}
		}
	})
}

func TestFloat64FunctionsAgreeWithMath(t *testing.T) {
	for x := 0.001; x < 5000; x *= 1.013 {
		sin, cos := SinCos(x)
		wantSin, wantCos := math.Sincos(x)
		if math.Abs(sin-wantSin) > 1e-12 || math.Abs(cos-wantCos) > 1e-12 {
			t.Errorf("SinCos(%g) = %g, %g, want %g, %g", x, sin, cos, wantSin, wantCos)
		}
		if got, want := Log(x), math.Log(x); math.Abs(got-want) > 1e-13*(1+math.Abs(want)) {
			t.Errorf("Log(%g) = %g, want %g", x, got, want)
		}
		if got, want := exp64(-x/100), math.Exp(-x/100); math.Abs(got/want-1) > 1e-13 {
			t.Errorf("exp64(%g) = %g, want %g", -x/100, got, want)
		}
	}
}

func TestRoPEUndoes(t *testing.T) {
	for _, halves := range []bool{false, true} {
		turn := NewRoPE(8, 10000, halves, nil).At(77)
		x := random(rand.New(rand.NewPCG(5, 6)), 24)
		y := slices.Clone(x)
		turn.Apply(y)
		if differs(x, y) < 0 {
			t.Fatal("Apply changed nothing")
		}
		turn.Undo(y)
		for i := range x {
			if math.Abs(float64(x[i]-y[i])) > 1e-6 {
				t.Fatalf("element %d came back as %g, was %g", i, y[i], x[i])
			}
		}
	}
}

func TestSoftmaxSumsToOne(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		x := random(rand.New(rand.NewPCG(7, 8)), 1000)
		x[3] = 60
		Softmax(x)
		var sum float64
		for _, v := range x {
			sum += float64(v)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("sum is %g", sum)
		}
	})
}

// differs returns the first index whose bits differ, or −1.
func differs(a, b []float32) int {
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

func BenchmarkGemm(b *testing.B) {
	defer func() { active = 0 }()
	rng := rand.New(rand.NewPCG(9, 10))
	rows, depth, cols := 512, 256, 512
	x, c := random(rng, rows*depth), make([]float32, rows*cols)
	panels := new(Panels).PackN(random(rng, depth*cols), cols, depth, cols)
	for i := range kernels {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", kernels[i].name, workers), func(b *testing.B) {
				active = i
				for b.Loop() {
					Gemm(c, cols, Left{x, depth, 1}, rows, panels, cols, depth, false, workers)
				}
				b.ReportMetric(2*float64(rows*depth*cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// TestRMSNormRows: rows side by side have the bits that each has alone.
func TestRMSNormRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 37
	w, x := random(rng, n), random(rng, 11*n)
	for rows := range 12 {
		got, want := slices.Clone(x[:rows*n]), make([]float32, rows*n)
		RMSNormRows(got, got, w, 1e-5)
		for at := 0; at < len(want); at += n {
			RMSNorm(want[at:][:n], x[at:][:n], w, 1e-5)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d rows differ from one at a time", rows)
		}
	}
}
