package forecast

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/receipt"
)

// 100 W at 36 cents a kWh cost 10 ucredit a second.
var (
	speed = Speed{Prefill: 100, Decode: 10}
	power = Power{Watts: 100, Price: 360_000}
)

func TestBreakEven(t *testing.T) {
	if got := BreakEven(speed, power, 10_000); got != (receipt.Price{Input: 100_000, CachedInput: 100_000, Output: 1_000_000}) {
		t.Errorf("%+v", got)
	}
	if got := BreakEven(speed, power, 5_000); got.Output != 2_000_000 {
		t.Errorf("with half of it: %+v", got)
	}
	if got := BreakEven(Speed{1e12, 1e12}, power, 10_000); got.Input != 1 || got.Output != 1 {
		t.Errorf("never for nothing: %+v", got)
	}
}

func TestMarketIsTheMedian(t *testing.T) {
	if _, known := Market(nil); known {
		t.Error("a market of nobody")
	}
	got, _ := Market([]receipt.Price{{Input: 9, CachedInput: 3, Output: 1}, {Input: 1, CachedInput: 1, Output: 9}, {Input: 5, CachedInput: 5, Output: 5}, {Input: 7, Output: 7}})
	if got != (receipt.Price{Input: 5, CachedInput: 1, Output: 5}) {
		t.Errorf("%+v", got)
	}
}

func TestPropose(t *testing.T) {
	even := receipt.Price{Input: 10, CachedInput: 10, Output: 100}
	cheap, dear := receipt.Price{Input: 20, CachedInput: 2, Output: 50}, receipt.Price{Input: 20, CachedInput: 15, Output: 200}
	for _, c := range []struct {
		way    string
		offers []receipt.Price
		want   receipt.Price
		err    error
	}{
		{AtBreakEven, []receipt.Price{dear}, even, nil},
		{AtMarket, []receipt.Price{cheap}, cheap, nil},
		{AtMarket, nil, receipt.Price{}, ErrPricing},
		{Auto, []receipt.Price{dear}, dear, nil},
		{Auto, []receipt.Price{cheap}, receipt.Price{Input: 20, CachedInput: 10, Output: 100}, nil},
		{Auto, nil, receipt.Price{Input: 20, CachedInput: 20, Output: 200}, nil},
		{"cheap", nil, receipt.Price{}, ErrPricing},
	} {
		got, why, err := Propose(c.way, even, c.offers)
		if got != c.want || !errors.Is(err, c.err) || err == nil && why == "" {
			t.Errorf("%s: %+v, %q, %v", c.way, got, why, err)
		}
	}
}

func TestDays(t *testing.T) {
	price := receipt.Price{Input: 100_000, CachedInput: 100_000, Output: 1_000_000}
	// An answer's token takes 0.13 s with its prompt and brings 1.3 ucredit: ten a
	// second, which the power costs.
	list := Days(speed, power, price, 10_000, Demand{Paid: 864_000, Seconds: 2 * day, Providers: 1})
	if len(list) != 3 || list[0].Busy != 0.25 || list[1].Busy != 0.5 || list[2].Busy != 1 {
		t.Fatalf("%+v", list)
	}
	for _, o := range list {
		if net := o.Net(); net < -2 || net > 2 {
			t.Errorf("at break-even %q leaves %d", o.Label, net)
		}
	}
	if list[0].Earned < 215_990 || list[0].Earned > 216_000 {
		t.Errorf("half of the demand: %+v", list[0])
	}
}

// Whatever the numbers, more work earns more, and nobody works over a day.
func TestDaysRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64Range(0, 1<<40)
		price := receipt.Price{Input: amount.Draw(t, "input"), Output: amount.Draw(t, "output")}
		s := Speed{rapid.Float64Range(0.01, 1e6).Draw(t, "prefill"), rapid.Float64Range(0.01, 1e6).Draw(t, "decode")}
		d := Demand{amount.Draw(t, "paid"), rapid.Int64Range(0, 1<<30).Draw(t, "seconds"), rapid.IntRange(0, 1000).Draw(t, "providers")}
		list := Days(s, power, price, rapid.Uint32Range(0, 10_000).Draw(t, "share"), d)
		for i, o := range list {
			if o.Busy < 0 || o.Busy > 1 || i > 0 && o.Earned < list[i-1].Earned {
				t.Fatalf("%+v", list)
			}
		}
	})
}
