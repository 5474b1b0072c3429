package block

import (
	"math"
	"math/rand/v2"
	"testing"
)

// What is encoded decodes to nearly the same, as nearly as the bits allow.
func TestEncodingKeepsTheSignal(t *testing.T) {
	worst := map[Format]float64{F32: 0, F16: 3e-4, BF16: 3e-3, Q8_0: 6e-3, Q4_0: 0.1, Q4_K: 0.09, Q5_K: 0.05, Q6_K: 0.025, TQ1_0: 1, TQ2_0: 1}
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 256*16)
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	for _, f := range Formats() {
		size, err := f.Bytes(uint64(len(values)))
		if err != nil {
			t.Fatal(err)
		}
		data := f.Append(nil, values)
		if uint64(len(data)) != size {
			t.Fatalf("%s: %d bytes, not %d", f, len(data), size)
		}
		back := make([]float32, len(values))
		f.Decode(back, data)
		var noise, signal float64
		for i, v := range values {
			noise += math.Pow(float64(v-back[i]), 2)
			signal += float64(v) * float64(v)
		}
		if r := math.Sqrt(noise / signal); r > worst[f] {
			t.Errorf("%s: relative error %.4f, more than %.4f", f, r, worst[f])
		} else {
			t.Logf("%s: relative error %.4f", f, r)
		}
		// What has been rounded once stays as it is, where scales are found again.
		if again := f.Append(nil, back); f == TQ1_0 || f == TQ2_0 || f == Q8_0 {
			repeated := make([]float32, len(values))
			f.Decode(repeated, again)
			for i := range back {
				if math.Abs(float64(repeated[i]-back[i])) > 1e-3*math.Abs(float64(back[i])) {
					t.Fatalf("%s: element %d was %g and became %g", f, i, back[i], repeated[i])
				}
			}
		}
	}
}

func TestZerosStayZero(t *testing.T) {
	for _, f := range Formats() {
		values := make([]float32, 512)
		f.Decode(values, f.Append(nil, make([]float32, 512)))
		for i, v := range values {
			if v != 0 {
				t.Fatalf("%s: element %d of zeros is %g", f, i, v)
			}
		}
	}
}

func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		f := Half(uint16(h))
		if f != f {
			continue
		}
		if back := ToHalf(f); back != uint16(h) {
			t.Fatalf("%04x is %g, which becomes %04x", h, f, back)
		}
	}
}

func TestBytesRefusesParts(t *testing.T) {
	if _, err := Q4_K.Bytes(128); err == nil {
		t.Error("half a block has a size")
	}
	if _, err := Format(99).Bytes(256); err == nil {
		t.Error("an unknown format has a size")
	}
}
