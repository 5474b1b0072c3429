package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/koinon/koinon/receipt"
)

var start = time.Unix(1_800_000_000, 0)

// alive is a lane of a provider that answers probes.
func alive(name string) *Lane {
	p := &Provider{Address: name}
	p.SetReach(Live)
	return NewLane(p)
}

func priced(name string, in, out uint64) Offer {
	return Offer{Lane: alive(name), Price: receipt.Price{Input: in, Output: out}, Slots: 4, Audit: Unaudited}
}

func query() *Query {
	return &Query{Prompt: 400, Completion: 400, Now: start, Random: rand.NewPCG(1, 2)}
}

// planned are the addresses of a plan.
func planned(x *Index, q *Query) []string {
	var names []string
	for _, at := range x.Plan(q, make([]Choice, 0, MaxPlan)) {
		names = append(names, x.entries[at].Lane.Provider.Address)
	}
	return names
}

func TestPlanPrefersWhoCanServeThenPrice(t *testing.T) {
	cheap, middle, dear := priced("cheap", 1e6, 1e6), priced("middle", 2e6, 2e6), priced("dear", 4e6, 4e6)
	offers := []Offer{dear, cheap, middle}
	for _, c := range []struct {
		name    string
		prepare func()
		want    []string
	}{
		{"by price", func() {}, []string{"cheap", "middle", "dear"}},
		{"full ones later", func() {
			for range 4 {
				cheap.Lane.Begin(start)
			}
		}, []string{"middle", "dear", "cheap"}},
		{"those that failed last", func() { middle.Lane.Failed(start) }, []string{"dear", "cheap", "middle"}},
		{"the dead not at all", func() { dear.Lane.SetReach(Dead) }, []string{"cheap", "middle"}},
		{"nor the suspended", func() { cheap.Lane.Suspend(start.Add(time.Hour)) }, []string{"middle"}},
	} {
		c.prepare()
		if got := planned(New(offers, start), query()); !slices.Equal(got, c.want) {
			t.Errorf("%s: the plan is %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAFailureRestsAndThenStillCounts(t *testing.T) {
	a, b := priced("a", 1e6, 1e6), priced("b", 15e5, 15e5)
	x := New([]Offer{a, b}, start)
	a.Lane.Failed(start)
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{500 * time.Millisecond, "b"}, {2 * time.Second, "b"}, {31 * time.Second, "a"}} {
		q := query()
		q.Now = start.Add(c.after)
		if got := planned(x, q)[0]; got != c.want {
			t.Errorf("%s after a failure %s is chosen, want %s", c.after, got, c.want)
		}
	}
	// The second failure doubles the rest.
	a.Lane.Failed(start)
	if !a.Lane.resting(start.Add(1900*time.Millisecond).UnixNano()) || a.Lane.resting(start.Add(2100*time.Millisecond).UnixNano()) {
		t.Error("two failures must rest a provider for two seconds")
	}
}

func TestControls(t *testing.T) {
	a, b, c := priced("a", 1e6, 2e6), priced("b", 2e6, 4e6), priced("c", 3e6, 6e6)
	a.Region, b.Region, b.Audit = "DE-BE", "US", 0.9
	x := New([]Offer{a, b, c}, start)
	for _, test := range []struct {
		name     string
		controls Controls
		want     []string
	}{
		{"only", Controls{Only: []string{"c", "b", "z"}}, []string{"b", "c"}},
		{"ignore", Controls{Ignore: []string{"a"}}, []string{"b", "c"}},
		{"order goes first", Controls{Order: []string{"c"}}, []string{"c", "a", "b"}},
		{"order alone", Controls{Order: []string{"c", "a"}, NoFallbacks: true}, []string{"c", "a"}},
		{"no fallbacks", Controls{NoFallbacks: true}, []string{"a"}},
		{"order obeys the filter", Controls{Order: []string{"c"}, Ignore: []string{"c"}, NoFallbacks: true}, nil},
		{"max_price of both", Controls{MaxPrice: &MaxPrice{Prompt: 9e6, Completion: 4e6}}, []string{"a", "b"}},
		{"a country has its parts", Controls{Region: "DE"}, []string{"a"}},
		{"a part is not its country", Controls{Region: "US-CA"}, nil},
		{"no prefix of a name", Controls{Region: "D"}, nil},
		{"an audit record", Controls{MinAudit: 0.5}, []string{"b"}},
	} {
		q := query()
		q.Controls = &test.controls
		if got := planned(x, q); !slices.Equal(got, test.want) {
			t.Errorf("%s: the plan is %v, want %v", test.name, got, test.want)
		}
	}
	explained := x.Explain(&Controls{MinAudit: 0.95, Region: "US"})
	want := []Excluded{{"min_audit_score", 0}, {"region", 1}}
	if !slices.Equal(explained, want) {
		t.Errorf("explained as %v, want %v", explained, want)
	}
}

func TestVersionControls(t *testing.T) {
	for _, c := range []struct {
		controls Controls
		want     string
	}{
		{Controls{}, ""},
		{Controls{Verification: "exact", Quantizations: []string{"fp16", "int8"}}, ""},
		{Controls{Quantizations: []string{"q8_0"}}, ""},
		{Controls{Quantizations: []string{"int4"}}, "quantizations"},
		{Controls{Verification: "statistical"}, "verification"},
	} {
		if got := c.controls.PermitsVersion("exact", "Q8_0"); got != c.want {
			t.Errorf("%+v: %q excludes it, want %q", c.controls, got, c.want)
		}
	}
}

func TestSortAsksForOneRespect(t *testing.T) {
	cheap, soon, quick := priced("cheap", 1e6, 1e6), priced("soon", 11e5, 11e5), priced("quick", 12e5, 12e5)
	for _, o := range []struct {
		lane *Lane
		ttft time.Duration
		rate int
	}{{cheap.Lane, 2 * time.Second, 20}, {soon.Lane, 50 * time.Millisecond, 20}, {quick.Lane, time.Second, 90}} {
		for range 8 {
			o.lane.Answered(start, o.ttft)
			o.lane.Finished(start, o.rate+1, time.Second, 2*time.Second)
		}
	}
	x := New([]Offer{cheap, soon, quick}, start)
	for sort, want := range map[Sort]string{Price: "cheap", Latency: "soon", Throughput: "quick"} {
		q := query()
		q.Controls = &Controls{Sort: sort}
		if got := planned(x, q)[0]; got != want {
			t.Errorf("sorted by %s, %s is first, want %s", sort, got, want)
		}
	}
}

func TestClaimsCanOnlyHurt(t *testing.T) {
	honest, boaster, modest := priced("honest", 1e6, 1e6), priced("boaster", 1e6, 1e6), priced("modest", 1e6, 1e6)
	boaster.Lane.Hear(&Report{At: start.UnixNano(), Rate: 1e9})
	modest.Lane.Hear(&Report{At: start.UnixNano(), Rate: 1, Queue: 8, Active: 4})
	x := New([]Offer{honest, boaster, modest}, start)
	score := func(at Choice) float64 { return x.candidate(query(), at, start.UnixNano(), 0).final }
	if score(0) != score(1) {
		t.Errorf("who claims a billion tokens a second scores %g, who claims nothing %g", score(1), score(0))
	}
	if score(2) <= 2*score(0) {
		t.Errorf("who admits a queue scores %g, who claims nothing %g", score(2), score(0))
	}
	// What this gateway has waited for outweighs a queue that is said to be empty.
	boaster.Lane.Answered(start, 20*time.Second)
	if score(1) < nearBalanced*score(0) {
		t.Errorf("after 20 s of waiting the boaster scores %g, the other %g", score(1), score(0))
	}
}

func TestPausedIsNotChosen(t *testing.T) {
	a := priced("a", 1e6, 1e6)
	a.Lane.Hear(&Report{At: start.UnixNano(), Paused: true})
	x := New([]Offer{a}, start)
	if got := planned(x, query()); got != nil {
		t.Errorf("a paused provider is chosen: %v", got)
	}
	q := query()
	q.Now = start.Add(reportLife)
	if got := planned(x, q); len(got) != 1 {
		t.Error("an old report still bars the provider")
	}
}

func TestAffinity(t *testing.T) {
	prompt := make([]int32, 300)
	prefixes := Prefixes("scope", prompt)
	if len(prefixes) != 3 { // 64, 128, 256
		t.Fatalf("%d prefixes of 300 tokens", len(prefixes))
	}
	var offers []Offer
	for i := range 200 {
		offers = append(offers, priced(fmt.Sprintf("p%03d", i), 1e6, 1e6))
	}
	x := New(offers, start)
	q := query()
	q.Prefixes, q.Affinity = prefixes, &Affinity{}
	q.Affinity.Remember(prefixes, offers[137].Lane, true)
	for range 50 {
		if at, _ := x.Next(q, nil); at != 137 {
			t.Fatalf("provider %d is chosen, though 137 has the prompt in its cache", at)
		}
	}
	// A word of its own does not push out what was proved.
	q.Affinity.Remember(prefixes, offers[3].Lane, false)
	if at, _ := x.Next(q, nil); at != 137 {
		t.Errorf("provider %d is chosen by its own word", at)
	}
	for range 4 {
		offers[137].Lane.Begin(start)
	}
	if at, _ := x.Next(q, nil); at == 137 {
		t.Error("a full provider is chosen for its cache")
	}
	q.Affinity.Forget(prefixes, offers[137].Lane)
	if lane, _ := q.Affinity.find(prefixes[2]); lane != nil {
		t.Error("a forgotten prefix is found")
	}
}

func TestWait(t *testing.T) {
	a := priced("a", 1e6, 1e6)
	a.Lane.Answered(start, time.Second)
	a.Lane.Finished(start, 101, 7*time.Second, 8*time.Second)
	x := New([]Offer{a}, start)
	if wait, ok := x.Wait(query()); !ok || wait != 0 {
		t.Errorf("with a free slot the wait is %s, %v", wait, ok)
	}
	a.Lane.Hear(&Report{At: start.UnixNano(), Active: 4, Queue: 3})
	if wait, _ := x.Wait(query()); wait != 8*time.Second { // 4 ahead, 4 slots, 8 s each
		t.Errorf("behind three that wait it is %s", wait)
	}
	if _, ok := New(nil, start).Wait(query()); ok {
		t.Error("a wait where there is nobody")
	}
}

// market is one of many offers in the regions of the world.
func market(n int) ([]Offer, *Index) {
	random := rand.New(rand.NewPCG(3, 4))
	offers := make([]Offer, n)
	for i := range offers {
		p := 5e5 + random.Uint64N(2e6)
		offers[i] = priced(fmt.Sprintf("koinon1%06d", i), p, 4*p)
		offers[i].Region = []string{"DE", "US-CA", "US-NY", "JP", "BR"}[i%5]
		if i%3 == 0 {
			offers[i].Lane.Answered(start, time.Duration(random.Uint64N(3e9)))
			offers[i].Lane.Hear(&Report{At: start.UnixNano(), Active: uint32(random.Uint64N(5)), Rate: 30})
		}
		if i%10 == 0 {
			offers[i].Lane.SetReach(Dead)
		}
	}
	return offers, New(offers, start)
}

func TestChoiceAllocatesNothing(t *testing.T) {
	_, x := market(20_000)
	prefixes := Prefixes("scope", make([]int32, 1000))
	affinity := &Affinity{}
	affinity.Remember(prefixes, x.entries[11].Lane, true)
	plan := make([]Choice, 0, MaxPlan)
	for name, c := range map[string]*Controls{
		"none": nil, "region": {Region: "US"}, "dear ones ignored": {Ignore: []string{"koinon1000001"}, MaxPrice: &MaxPrice{1e6, 4e6}},
		"only": {Only: []string{"koinon1000001", "koinon1000002"}}, "nobody": {MinAudit: 0.5},
	} {
		q := query()
		q.Controls, q.Prefixes, q.Affinity = c, prefixes, affinity
		if n := testing.AllocsPerRun(100, func() { x.Next(q, nil); plan = x.Plan(q, plan) }); n != 0 {
			t.Errorf("%s: %g allocations", name, n)
		}
	}
}

// Whoever the router picks is permitted and can serve, whatever the market.
func TestNextKeepsToTheFilter(t *testing.T) {
	offers, x := market(3000)
	cheapest := uint64(1 << 60)
	for _, o := range offers {
		if o.Lane.Reach() == Live {
			cheapest = min(cheapest, o.Price.Input)
		}
	}
	q := query()
	q.Controls = &Controls{Region: "US", MaxPrice: &MaxPrice{Prompt: cheapest * 2, Completion: cheapest * 8}}
	for range 2000 {
		at, ok := x.Next(q, nil)
		if !ok {
			t.Fatal("nobody")
		}
		e := &x.entries[at]
		if !q.Controls.permits(e) || !e.Lane.usable(start.UnixNano()) || e.full(start.UnixNano()) {
			t.Fatalf("chose %+v", e.Offer)
		}
	}
	// One whom sampling hardly finds is found all the same.
	q.Controls = &Controls{MaxPrice: &MaxPrice{Prompt: 1e9, Completion: 1e9}, Only: []string{offers[1].Lane.Address}}
	if at, ok := x.Next(q, nil); !ok || at != 1 {
		t.Errorf("chose %d, %v", at, ok)
	}
	x.entries[2501].Audit = 1
	q.Controls = &Controls{MinAudit: 0.5}
	if at, ok := x.Next(q, nil); !ok || at != 2501 {
		t.Errorf("the only audited one is not found: %d, %v", at, ok)
	}
}

func TestSameChanceSameChoice(t *testing.T) {
	_, x := market(3000)
	pick := func() (all []Choice) {
		q := query()
		for range 100 {
			at, _ := x.Next(q, nil)
			all = append(all, at)
		}
		return all
	}
	if !slices.Equal(pick(), pick()) {
		t.Error("two routers with the same chance choose otherwise")
	}
}

func BenchmarkChoice(b *testing.B) {
	_, x := market(100_000)
	for _, c := range []struct {
		name     string
		controls *Controls
	}{
		{"any", nil}, {"region", &Controls{Region: "US"}}, {"latency", &Controls{Sort: Latency}},
		{"max_price", &Controls{MaxPrice: &MaxPrice{6e5, 24e5}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := query()
			q.Controls = c.controls
			b.ReportAllocs()
			for b.Loop() {
				x.Next(q, nil)
			}
		})
	}
	b.Run("plan", func(b *testing.B) {
		q, plan := query(), make([]Choice, 0, MaxPlan)
		b.ReportAllocs()
		for b.Loop() {
			plan = x.Plan(q, plan)
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	offers, _ := market(100_000)
	for b.Loop() {
		New(offers, start)
	}
}
