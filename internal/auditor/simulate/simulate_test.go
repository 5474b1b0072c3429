package simulate

import (
	"math"
	"reflect"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/deterrence"
)

// What is found by playing is what the formula says, whatever the part that is
// cheated at: without earnings released early the stake does not depend on it.
func TestTheFormulaHolds(t *testing.T) {
	for _, c := range []deterrence.Cheat{
		{Gain: 600, Audit: 20_000_000, Detection: 950_000_000},
		{Gain: 600, Audit: 100_000_000, Detection: 500_000_000},
		{Gain: 600, Audit: 20_000_000, Detection: 950_000_000, Released: 200},
	} {
		stake, err := c.Stake()
		if err != nil {
			t.Fatal(err)
		}
		parts := []float64{1, 0.2}
		if c.Released > 0 {
			parts = parts[:1]
		}
		for _, part := range parts {
			mean, deviation := Breakeven(c, part, 20_000, 1)
			if math.Abs(mean-float64(stake)) > 5*deviation {
				t.Errorf("%+v at %g: %g ± %g, by formula %d", c, part, mean, deviation, stake)
			}
		}
	}
}

func TestCheatingLosesWithTheNetworksParameters(t *testing.T) {
	for _, class := range []Class{Exact, Statistical} {
		c := Default()
		c.Providers, c.Class = 800, class
		if class == Exact {
			c.Detection, c.False = 1, 0
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		honest := 0.0
		for i, r := range Run(c, Strategies()) {
			if i == 0 {
				honest = r.Income
				if r.Convicted > 0 {
					t.Errorf("%s: %g of the honest are convicted", class, r.Convicted)
				}
				continue
			}
			if r.Gain >= 0 || r.Income >= honest {
				t.Errorf("%s: %s gains %g a job", class, r.Strategy, r.Gain)
			}
		}
	}
}

// Without a stake it would pay: the test above can fail.
func TestCheatingPaysWithoutAStake(t *testing.T) {
	c := Default()
	c.Providers, c.Bond, c.Window, c.Rest = 100, 0, 0, 0
	c.Rate = func(int) float64 { return 0.02 }
	for _, r := range Run(c, Strategies()[1:2]) {
		if r.Gain <= 0 {
			t.Errorf("%s loses %g a job", r.Strategy, r.Gain)
		}
	}
}

func TestTheSeedFixesTheResult(t *testing.T) {
	c := Default()
	c.Providers, c.Days = 80, 10
	if a, b := Run(c, Strategies()), Run(c, Strategies()); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestCheckingPaysBest(t *testing.T) {
	stake, err := deterrence.Diligence(300, 20_000_000)
	if err != nil {
		t.Fatal(err)
	}
	// Twice the least, since only half of the planted are bad.
	ways := Idle(Bench{Auditors: 200, Audits: 2000, Cost: 300, Pay: 400, Stake: 2 * float64(stake) * 1.5, Planted: 0.02, Bad: 0.001, Seed: 1})
	for _, w := range ways[1:] {
		if w.Income >= ways[0].Income {
			t.Errorf("%s earns %g, checking %g", w.Way, w.Income, ways[0].Income)
		}
	}
}
