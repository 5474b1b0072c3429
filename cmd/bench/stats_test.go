package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 101)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{[]float64{7}, 0.95, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{10, 20}, 0.95, 19.5},
		{[]float64{-1, 1}, 0.25, -0.5},
		{hundred, 0.95, 95},
		{hundred, 0.5, 50},
	} {
		if got := percentile(c.values, c.p); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("percentile(%v, %g) = %g, want %g", c.values, c.p, got, c.want)
		}
	}
	if got := percentile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %g", got)
	}
}

func TestPercentileLeavesItsValues(t *testing.T) {
	values := []float64{3, 1, 2}
	median(values)
	if !slices.Equal(values, []float64{3, 1, 2}) {
		t.Errorf("values are now %v", values)
	}
}

func TestMedianInterval(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	// The ranks of 100 values are the 40th and the 61st.
	if low, high := medianInterval(hundred); low != 40 || high != 61 {
		t.Errorf("interval %g to %g", low, high)
	}
	if low, high := medianInterval([]float64{2, 1}); low != 1 || high != 2 {
		t.Errorf("interval of two: %g to %g", low, high)
	}
	if low, _ := medianInterval(nil); !math.IsNaN(low) {
		t.Errorf("interval of nothing from %g", low)
	}
}

func TestSpreadAndTail(t *testing.T) {
	if got, want := spreadOf([]float64{5, 1, 9, 7}), (spread{6, 1, 9, 4}); got != want {
		t.Errorf("spread %+v, want %+v", got, want)
	}
	if got, want := tailOf([]float64{1, 2, 3}), (tail{2, 2.9}); math.Abs(got.P50-want.P50)+math.Abs(got.P95-want.P95) > 1e-9 {
		t.Errorf("tail %+v, want %+v", got, want)
	}
}

func TestCompareLatencies(t *testing.T) {
	ms := func(list ...int) (out []time.Duration) {
		for _, v := range list {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	c := compareLatencies(ms(8, 9, 10), ms(10, 20, 30), ms(13, 21, 34))
	// The differences are 3, 1 and 4; their middle is not the difference of the middles.
	if c.Engine.P50 != 9 || c.Direct.P50 != 20 || c.Gateway.P50 != 21 || c.Difference.P50 != 3 || math.Abs(c.Ratio-1.05) > 1e-9 ||
		c.Interval != [2]float64{1, 4} {
		t.Errorf("%+v", c)
	}
}
