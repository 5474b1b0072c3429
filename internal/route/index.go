package route

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Index is the offers of one model version. It is immutable; build another when
// offers change, and now and then, so that its orders follow what was measured.
type Index struct {
	entries    []entry
	byProvider map[string]Choice
	whole      orders
	regions    map[string]*orders
	known      []Choice // offers that this gateway has measured lately, the better half
	ttft, rate float64  // of a provider that is not known
}

type entry struct{ Offer }

// orders are the offers, or those of a region, the best first in each respect.
type orders [kinds][]ranked

type ranked struct {
	key float32
	at  Choice
}

// An order for each way in which requests ask. The cost of a request depends on
// how much it reads and writes, so there are two orders where cost counts: the
// score of those that are drawn is exact.
const (
	balancedReading = iota
	balancedWriting
	priceReading
	priceWriting
	latency
	throughput
	kinds
)

// What stands for the requests of an order, in tokens.
var mixes = [kinds]struct {
	prompt, completion uint64
	sort               Sort
}{
	balancedReading: {4000, 400, Balanced}, balancedWriting: {400, 400, Balanced},
	priceReading: {4000, 400, Price}, priceWriting: {400, 400, Price},
	latency: {400, 400, Latency}, throughput: {400, 400, Throughput},
}

// order is the kind that suits a query.
func (q *Query) order() int {
	reading := q.Prompt > 3*expected(q.Completion)
	switch {
	case q.sort() == Latency:
		return latency
	case q.sort() == Throughput:
		return throughput
	case q.sort() == Price && reading:
		return priceReading
	case q.sort() == Price:
		return priceWriting
	case reading:
		return balancedReading
	}
	return balancedWriting
}

func (q *Query) sort() Sort {
	if q.Controls == nil {
		return Balanced
	}
	return q.Controls.Sort
}

// New builds an index. It takes the better part of a second for 100,000 offers,
// so it is built beside the requests and swapped in.
func New(offers []Offer, now time.Time) *Index {
	x := &Index{entries: make([]entry, len(offers)), byProvider: make(map[string]Choice, len(offers)), regions: map[string]*orders{}}
	for i, o := range offers {
		x.entries[i] = entry{o}
		x.byProvider[o.Lane.Provider.Address] = Choice(i)
	}
	at := now.UnixNano()
	x.ttft, x.rate = x.usual(at)
	x.known = x.better(at)
	for kind, mix := range mixes {
		q := Query{Prompt: mix.prompt, Completion: mix.completion, Controls: &Controls{Sort: mix.sort}}
		packed := make([]uint64, len(offers)) // key and place: sorted as numbers, many times as fast
		for i := range x.entries {
			e := &x.entries[i]
			key := x.score(&q, e, at, 0)
			if !e.Lane.Provider.usable(at) {
				key = math.Inf(1)
			}
			// The bits of floats from 0 on are in their order.
			packed[i] = uint64(math.Float32bits(float32(key)))<<32 | uint64(i)
		}
		slices.Sort(packed)
		list := make([]ranked, len(packed))
		for i, p := range packed {
			list[i] = ranked{math.Float32frombits(uint32(p >> 32)), Choice(uint32(p))}
		}
		x.whole[kind] = list
		x.split(kind)
	}
	return x
}

// split deals an order out to the regions, each country with its subdivisions.
func (x *Index) split(kind int) {
	for _, r := range x.whole[kind] {
		region := x.entries[r.at].Region
		if region == "" {
			continue
		}
		x.region(region)[kind] = append(x.region(region)[kind], r)
		if country, _, part := strings.Cut(region, "-"); part {
			x.region(country)[kind] = append(x.region(country)[kind], r)
		}
	}
}

func (x *Index) region(name string) *orders {
	o := x.regions[name]
	if o == nil {
		o = &orders{}
		x.regions[name] = o
	}
	return o
}

// What is assumed where nothing was measured anywhere.
const (
	firstTTFT = 1.0  // seconds
	firstRate = 20.0 // tokens a second
)

// fresh is how much weight a measurement must have left to count as knowledge.
const fresh = 0.1

// usual is what a provider is taken for that this gateway has not measured: the
// mean of the others' time to the first token, and their median speed. The mean,
// for where a few keep requests waiting for long, a stranger may be one of them.
func (x *Index) usual(now int64) (ttft, rate float64) {
	const most = 60.0 // seconds: one who failed to answer weighs no more
	var sum, weight float64
	var rates []float64
	for i := range x.entries {
		m := x.entries[i].Lane.measured.Load()
		if m == nil {
			continue
		}
		left := m.decayed(now)
		if left < fresh {
			continue
		}
		sum, weight = sum+left*min(m.ttft, most), weight+left
		if m.rate > 0 {
			rates = append(rates, m.rate)
		}
	}
	if weight == 0 {
		return firstTTFT, firstRate
	}
	return sum / weight, median(rates, firstRate)
}

// better are those that this gateway knows to be good: the half of what it has
// measured lately that scores best.
func (x *Index) better(now int64) []Choice {
	q := Query{Prompt: mixes[balancedWriting].prompt, Completion: mixes[balancedWriting].completion}
	var list []ranked
	for i := range x.entries {
		e := &x.entries[i]
		if m := e.Lane.measured.Load(); m != nil && m.decayed(now) >= fresh {
			list = append(list, ranked{float32(x.score(&q, e, now, 0)), Choice(i)})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	known := make([]Choice, (len(list)+1)/2)
	for i := range known {
		known[i] = list[i].at
	}
	return known
}

func median(list []float64, otherwise float64) float64 {
	if len(list) == 0 {
		return otherwise
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// Len is the number of offers.
func (x *Index) Len() int { return len(x.entries) }

// Widest is the largest context that any offer allows, where the model's own is
// most.
func (x *Index) Widest(most uint64) uint64 {
	var wide uint64
	for i := range x.entries {
		c := uint64(x.entries[i].MaxContext)
		if c == 0 || c >= most {
			return most
		}
		wide = max(wide, c)
	}
	if wide == 0 {
		return most
	}
	return wide
}

// balanced says whether a query weighs price and time among all offers.
func (q *Query) balanced() bool { return q.sort() == Balanced && !q.regional() }

// regional says whether a query names a region.
func (q *Query) regional() bool { return q.Controls != nil && q.Controls.Region != "" }

// view is the order that a query goes through: of its region if it names one.
func (x *Index) view(q *Query) []ranked {
	kind := q.order()
	if !q.regional() {
		return x.whole[kind]
	}
	if o := x.regions[q.Controls.Region]; o != nil {
		return o[kind]
	}
	return nil
}
