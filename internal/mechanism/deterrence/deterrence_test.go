package deterrence

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func drawCheat(t *rapid.T) Cheat {
	share := rapid.Uint64Range(1, uint64(Certain))
	return Cheat{
		Gain:      rapid.Uint64Range(1, 1_000_000_000).Draw(t, "gain"),
		Audit:     Share(share.Draw(t, "audit")),
		Detection: Share(share.Draw(t, "detection")),
		Released:  rapid.Uint64Range(0, 1_000_000).Draw(t, "released"),
	}
}

// The stake is the least at which the cheat loses: one less and it does not.
func TestTheStakeIsTheLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCheat(t)
		stake, err := c.Stake()
		if errors.Is(err, ErrOverflow) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !c.Loses(stake) {
			t.Fatalf("%+v gains with a stake of %d", c, stake)
		}
		if c.Loses(stake - 1) {
			t.Fatalf("%+v loses with %d already", c, stake-1)
		}
		if expected(c, stake).Sign() >= 0 {
			t.Fatalf("%+v: expected gain is not negative with %d", c, stake)
		}
	})
}

// expected is what the cheat gains before it is found, less the stake.
func expected(c Cheat, stake uint64) *big.Rat {
	pd := new(big.Rat).SetFrac(product(uint64(c.Audit), uint64(c.Detection)), product(uint64(Certain), uint64(Certain)))
	jobs := new(big.Rat).Add(pd.Inv(pd), new(big.Rat).SetInt(integer(c.Released)))
	gain := jobs.Mul(jobs, new(big.Rat).SetInt(integer(c.Gain)))
	return gain.Sub(gain, new(big.Rat).SetInt(integer(stake)))
}

func TestMoreAuditsNeedLessStake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCheat(t)
		more := c
		more.Audit += Share(rapid.Uint64Range(0, uint64(Certain-c.Audit)).Draw(t, "more"))
		a, errA := c.Stake()
		b, errB := more.Stake()
		if errA == nil && (errB != nil || b > a) {
			t.Fatalf("%d at %d, %d (%v) at %d", a, c.Audit, b, errB, more.Audit)
		}
	})
}

// At the bound the honest keep their part; a billionth more and they may not.
func TestTheHonestBoundIsTheLargest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCheat(t)
		margin := rapid.Uint64Range(0, 1_000_000_000).Draw(t, "margin")
		part := Share(rapid.Uint64Range(1, uint64(Certain)).Draw(t, "part"))
		bound, err := c.FalseBound(margin, part)
		if err != nil {
			t.Fatal(err)
		}
		holds := func(phi Share) bool { // φ·g < ε·m·d
			left := new(big.Int).Mul(product(uint64(phi), c.Gain), integer(uint64(Certain)))
			right := new(big.Int).Mul(product(margin, uint64(part)), integer(uint64(c.Detection)))
			return left.Cmp(right) < 0
		}
		if bound > 0 && !holds(bound) {
			t.Fatalf("%+v: %d is too much", c, bound)
		}
		if bound < Certain && holds(bound+1) {
			t.Fatalf("%+v: %d is not the largest", c, bound)
		}
	})
}

// What may be unsettled could be lost three times over.
func TestUnsettledJobsAreCovered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCheat(t)
		stake := rapid.Uint64().Draw(t, "stake")
		jobs, err := c.Unsettled(stake)
		if err != nil {
			t.Fatal(err)
		}
		gained := new(big.Int).Mul(product(jobs, c.Gain), product(uint64(Certain), uint64(Certain)))
		gained.Mul(gained, integer(3))
		held := new(big.Int).Mul(integer(stake), product(uint64(c.Audit), uint64(c.Detection)))
		if gained.Cmp(held) > 0 {
			t.Fatalf("%+v: %d jobs for %d", c, jobs, stake)
		}
	})
}

// The figures of the design's background, section A2.
func TestPublishedFigures(t *testing.T) {
	c := Cheat{Gain: 600_000, Audit: 20_000_000, Detection: 950_000_000}
	if stake, _ := c.Stake(); stake != 31_578_948 { // 32 R for R = $1
		t.Errorf("stake %d", stake)
	}
	late := c
	late.Released = 200
	if stake, _ := late.Stake(); stake != 151_578_948 { // 152 R
		t.Errorf("stake with earnings released %d", stake)
	}
	if bound, _ := c.FalseBound(200_000, 10_000_000); bound != 3_166_666 { // 0.33 % · d
		t.Errorf("bound %d", bound)
	}
	for part, jobs := range map[Share]uint64{Certain: 241, 200_000_000: 1210, 50_000_000: 4846} {
		if got, err := c.Jobs(part, 990_000_000); err != nil || got != jobs {
			t.Errorf("%d jobs at %d, %v; want %d", got, part, err, jobs)
		}
	}
	if got, _ := Diligence(300_000, 20_000_000); got != 15_000_001 { // 15 R
		t.Errorf("an auditor's stake %d", got)
	}
}

func TestCommittees(t *testing.T) {
	for _, c := range []struct {
		n    int
		a    Share
		want float64
	}{
		{1, 330_000_000, 0.33}, {3, 100_000_000, 2.8e-2}, {21, 100_000_000, 1.4e-6}, {21, 330_000_000, 5.2e-2},
		{61, 200_000_000, 8.0e-8}, {61, 330_000_000, 3.0e-3}, {61, 100_000_000, 1.1e-15},
	} {
		got, err := Majority(c.n, c.a)
		if err != nil || math.Abs(float64(got)/float64(Always)/c.want-1) > 0.05 {
			t.Errorf("%d members, %d: %g, %v; want %g", c.n, c.a, float64(got)/float64(Always), err, c.want)
		}
	}
	if none, _ := NoneHonest(7, 330_000_000); math.Abs(float64(none)/float64(Always)/4.26e-4-1) > 0.01 {
		t.Errorf("none honest %d", none)
	}
	rapid.Check(t, func(t *rapid.T) {
		a := Share(rapid.Uint64Range(0, uint64(Certain)/2-1).Draw(t, "share"))
		n := 2*rapid.IntRange(0, 40).Draw(t, "half") + 1
		small, err := Majority(n, a)
		large, err2 := Majority(n+2, a)
		if err != nil || err2 != nil || large > small {
			t.Fatalf("%d members %d, two more %d: %v %v", n, small, large, err, err2)
		}
	})
}

// One job fewer would not do.
func TestJobsUntilFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCheat(t)
		c.Audit = max(c.Audit, 1_000_000)
		c.Detection = max(c.Detection, 1_000_000)
		part := Share(rapid.Uint64Range(1_000_000, uint64(Certain)).Draw(t, "part"))
		confidence := Share(rapid.Uint64Range(1, uint64(Certain)-1).Draw(t, "confidence"))
		jobs, err := c.Jobs(part, confidence)
		if err != nil {
			t.Fatal(err)
		}
		found := float64(c.Audit) / 1e9 * float64(c.Detection) / 1e9 * float64(part) / 1e9
		want := math.Log1p(-float64(confidence)/1e9) / math.Log1p(-found)
		if difference := float64(jobs) - want; difference < -1e-3*want-1 || difference > 1+1e-3*want {
			t.Fatalf("%d jobs, about %.2f wanted", jobs, want)
		}
		if audits, err := c.Audits(part, confidence); err != nil || audits > jobs {
			t.Fatalf("%d audits of %d jobs: %v", audits, jobs, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	whole := Cheat{Gain: 1, Audit: Certain, Detection: Certain}
	for name, err := range map[string]error{
		"no gain":       second(Cheat{Audit: 1, Detection: 1}.Stake()),
		"no audits":     second(Cheat{Gain: 1, Detection: 1}.Stake()),
		"beyond 1":      second(Cheat{Gain: 1, Audit: Certain + 1, Detection: 1}.Stake()),
		"too much":      second(Cheat{Gain: math.MaxUint64, Audit: 1, Detection: 1}.Stake()),
		"no part":       second(whole.Jobs(0, 1)),
		"sure":          second(whole.Jobs(1, Certain)),
		"no committee":  second(Majority(0, 1)),
		"vast":          second(Majority(MaxCommittee+1, 1)),
		"all and more":  second(Majority(3, Certain+1)),
		"no plants":     second(Diligence(1, 0)),
		"no bribe":      second(Bribe(0, 1, 1)),
		"negative time": second(Released(1, -1, 0)),
		"many jobs":     second(Released(math.MaxUint64, math.MaxInt64, 0)),
		"never found":   second(Cheat{Gain: 1, Audit: 1, Detection: 1}.Jobs(1, 990_000_000)),
		"no part of it": second(whole.FalseBound(1, 0)),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestReleasedBeforeTheVerdict(t *testing.T) {
	const day = 24 * 3600
	for _, c := range []struct {
		verdict, window int64
		want            uint64
	}{{day, 2 * day, 0}, {day, day, 0}, {2 * day, day, 100}, {1, 0, 1}, {day / 2, 0, 50}} {
		if got, err := Released(100, c.verdict, c.window); err != nil || got != c.want {
			t.Errorf("%d jobs between %d and %d, %v; want %d", got, c.window, c.verdict, err, c.want)
		}
	}
}

func TestBribes(t *testing.T) {
	if got, err := Bribe(21, 1_000_000, 20_000_000); err != nil || got != 11*20_000 {
		t.Errorf("%d, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }
