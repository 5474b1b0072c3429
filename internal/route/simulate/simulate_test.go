package simulate

import (
	"os"
	"testing"
)

// small is a market that a test has time for. It is young, too: in its first
// minute few gateways have met the liars.
var small = Config{Gateways: 20, Providers: 300, Seconds: 60, Load: 0.6, Flaky: 0.02, Mortal: 0.02, Seed: 1}

func run(t *testing.T, c Config, policies ...Policy) map[Policy]Result {
	t.Helper()
	results := map[Policy]Result{}
	var list []Result
	for _, p := range policies {
		results[p] = Run(c, p)
		list = append(list, results[p])
	}
	if testing.Verbose() {
		if err := Print(os.Stdout, list); err != nil {
			t.Fatal(err)
		}
	}
	return results
}

// Near-equals are shared: the router comes close to one who sees everything, and
// without its two choices the cheapest are run down.
func TestNobodyIsStampeded(t *testing.T) {
	r := run(t, small, Central, Router, Best, Random)
	if got := r[Router]; got.Failed > 0.001 || got.FirstP50 > 2*r[Central].FirstP50 || got.Price > 1.2*r[Central].Price || got.TotalP50 > 1.3*r[Central].TotalP50 {
		t.Errorf("the router did %+v, one who sees everything %+v", got, r[Central])
	}
	if r[Router].Price > 0.9*r[Random].Price || r[Router].FirstP99 > r[Random].FirstP99/3 {
		t.Errorf("the router did %+v, chance %+v", r[Router], r[Random])
	}
	if r[Best].FirstP50 < 5*r[Router].FirstP50 || r[Best].FirstP99 < 2*r[Router].FirstP99 || r[Best].Gini < 1.2*r[Router].Gini {
		t.Errorf("with two choices %+v, without %+v", r[Router], r[Best])
	}
}

// One provider in ten says that it is idle, has four times its slots and asks a
// fifth less. It gets hardly more than its share of the requests.
func TestLiarsGainLittle(t *testing.T) {
	c := small
	c.Liars, c.Seconds = 0.1, 180
	r := run(t, c, Router, Best)
	if got := r[Router]; got.Liars > 0.13 || got.Failed > 0.001 || got.FirstP50 > 1 {
		t.Errorf("with liars the router did %+v", got)
	}
	if r[Best].FirstP50 < 5*r[Router].FirstP50 {
		t.Errorf("with two choices %+v, without %+v", r[Router], r[Best])
	}
}

func TestTheSameSeedGivesTheSameNumbers(t *testing.T) {
	c := small
	c.Seconds = 10
	if a, b := Run(c, Router), Run(c, Router); a != b {
		t.Errorf("%+v, then %+v", a, b)
	}
}
