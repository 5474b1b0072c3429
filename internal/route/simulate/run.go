package simulate

import (
	"container/heap"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/route"
)

// What happens, and how long it takes in seconds.
const (
	heartbeatEvery = 5.0
	soonest        = 0.5  // between two of a provider
	gossip         = 0.1  // until all have heard one
	pollEvery      = 5.0  // indexes follow prices and measurements
	trip           = 0.05 // between any two
	refusal        = 0.1  // until a dead or full provider is given up
	prefill        = 4000 // prompt tokens a second
	maxQueue       = 8    // requests that wait at a provider, for each slot
	maxTries       = 5
	timeout        = 30 * time.Second // until a first token
)

// request is one request of a client.
type request struct {
	gateway            int
	prompt, completion int
	came               float64
	sent               float64 // to the provider it is at
	at                 int     // that provider
	tried              []route.Choice
	first, end         float64 // when its first token came, and its last
	price              float64
	failed             bool // nobody served it
}

// event is something that happens at a time.
type event struct {
	at   float64
	what func()
}

// events are those to come, the next one first.
type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *world) after(seconds float64, what func()) {
	heap.Push(&w.events, event{w.now + seconds, what})
}

// clock is the simulated time as the router knows it.
func (w *world) clock() time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(w.now * float64(time.Second)))
}

// Run simulates one policy.
func Run(c Config, policy Policy) Result {
	w := newWorld(c, policy)
	w.poll()
	w.beat()
	for _, at := range []struct {
		share float64
		on    bool
	}{{0.25, true}, {0.5, false}, {0.75, true}} {
		w.after(at.share*c.Seconds, func() { w.war(at.on) })
	}
	w.arrive(w.pace())
	for len(w.events) > 0 {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.what()
	}
	return w.result()
}

// pace is how many requests come in a second.
func (w *world) pace() float64 {
	capacity := 0.0 // requests a second
	for _, p := range w.providers {
		capacity += float64(p.slots) / (trip + 600.0/prefill + 250/p.rate)
	}
	return w.Load * capacity
}

// arrive lets one request come, and then the next.
func (w *world) arrive(pace float64) {
	if w.now >= w.Seconds {
		return
	}
	w.send(&request{
		gateway: w.clients.IntN(len(w.gateways)), came: w.now,
		prompt: 100 + w.clients.IntN(1000), completion: 50 + w.clients.IntN(400),
	})
	w.after(w.clients.ExpFloat64()/pace, func() { w.arrive(pace) })
}

// poll has every gateway read the ledger.
func (w *world) poll() {
	if w.policy != Router && w.policy != Best {
		return
	}
	now := w.clock()
	var wg sync.WaitGroup
	gate := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, g := range w.gateways {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			g.index = route.New(w.offers(g), now)
		})
	}
	wg.Wait()
	if w.now < w.Seconds {
		w.after(pollEvery, w.poll)
	}
}

// beat has every provider that lives say how it is, the liars as they like.
func (w *world) beat() {
	if w.policy != Router && w.policy != Best {
		return
	}
	for i := range w.providers {
		w.tell(i)
	}
	if w.now < w.Seconds {
		w.after(heartbeatEvery, w.beat)
	}
}

// tell has all gateways hear how a provider is.
func (w *world) tell(i int) {
	p := w.providers[i]
	if p.dead(w.now) {
		return
	}
	r := &route.Report{At: w.clock().UnixNano(), Active: uint32(p.active), Queue: uint32(len(p.queue)), Rate: p.rate}
	if p.liar {
		r.Active, r.Queue, r.Rate = 0, 0, 10*p.rate
	}
	p.told, p.saidFull = w.now, p.active >= p.slots
	for _, g := range w.gateways {
		g.lanes[i].Hear(r)
		if g.lanes[i].Reach() == route.Dead { // the probe finds it
			g.lanes[i].SetReach(route.Live)
		}
	}
}

// changed has a provider say so soon if it has become full, or has room again.
func (w *world) changed(i int) {
	p := w.providers[i]
	if w.gateways[0].lanes == nil || p.saidFull == (p.active >= p.slots) {
		return
	}
	p.saidFull = !p.saidFull // this much is under way
	w.after(max(gossip, p.told+soonest-w.now), func() { w.tell(i) })
}

// send has a request's gateway choose, and try.
func (w *world) send(r *request) {
	at, ok := w.choose(r)
	if !ok || len(r.tried) >= maxTries {
		r.failed, r.end = true, w.now
		w.done = append(w.done, r)
		return
	}
	r.tried, r.at, r.sent = append(r.tried, at), int(at), w.now
	if lane := w.lane(r); lane != nil {
		lane.Begin(w.clock())
	}
	w.after(trip, func() { w.reach(r) })
}

func (w *world) choose(r *request) (route.Choice, bool) {
	switch w.policy {
	case Random:
		return route.Choice(w.random.IntN(len(w.providers))), true
	case Central:
		return w.central(r)
	}
	q := route.Query{Prompt: uint64(r.prompt), Completion: uint64(r.completion), Now: w.clock(), Random: w.random}
	if w.policy == Best {
		q.Near = 1
	}
	return w.gateways[r.gateway].index.Next(&q, r.tried)
}

// central is the choice of one who sees all: the same balance of price and time
// as the router's, with true waits and speeds.
func (w *world) central(r *request) (route.Choice, bool) {
	best, at := math.Inf(1), -1
	for i, p := range w.providers {
		if p.dead(w.now) || p.failing > 0 || p.promised >= p.slots {
			continue
		}
		if score := p.price * (1 + (0.2+float64(r.completion)/p.rate)/10); score < best {
			best, at = score, i
		}
	}
	if at >= 0 {
		w.providers[at].promised++
	}
	return route.Choice(at), at >= 0
}

func (w *world) lane(r *request) *route.Lane {
	if g := w.gateways[r.gateway]; g.lanes != nil {
		return g.lanes[r.at]
	}
	return nil
}

// reach is the request at its provider.
func (w *world) reach(r *request) {
	p := w.providers[r.at]
	lane := w.lane(r)
	switch {
	case p.dead(w.now):
		w.after(refusal, func() {
			if lane != nil {
				lane.SetReach(route.Dead)
			}
			w.again(r)
		})
	case w.random.Float64() < p.failing:
		w.after(refusal, func() {
			if lane != nil {
				lane.Failed(w.clock())
			}
			w.again(r)
		})
	case p.active < p.slots:
		w.serve(p, r)
	case len(p.queue) < maxQueue*p.offered:
		p.queue = append(p.queue, r)
		try, patience := len(r.tried), w.patience(r)
		w.after(patience.Seconds(), func() { w.giveUp(p, r, try, patience) })
	default:
		if lane != nil {
			lane.Busy(w.clock().Add(time.Second))
		}
		w.again(r)
	}
}

// patience is how long a request waits for its first token.
func (w *world) patience(r *request) time.Duration {
	lane := w.lane(r)
	if lane == nil {
		return timeout
	}
	return route.Patience(lane, &w.gateways[r.gateway].waits, r.prompt, timeout)
}

// giveUp takes a request elsewhere that has waited for so long.
func (w *world) giveUp(p *provider, r *request, try int, waited time.Duration) {
	at := slices.Index(p.queue, r)
	if at < 0 || len(r.tried) != try {
		return
	}
	p.queue = slices.Delete(p.queue, at, at+1)
	if lane := w.lane(r); lane != nil {
		lane.Failed(w.clock())
		lane.Silent(w.clock(), waited)
	}
	w.again(r)
}

func (w *world) again(r *request) {
	if lane := w.lane(r); lane != nil {
		lane.End()
	}
	w.send(r)
}

// serve gives a request a slot.
func (w *world) serve(p *provider, r *request) {
	p.active++
	w.changed(r.at)
	reading, writing := float64(r.prompt)/prefill, float64(r.completion)/p.rate
	r.price = p.price
	w.after(reading, func() {
		r.first = w.now + trip
		if lane := w.lane(r); lane != nil {
			took := seconds(r.first - r.sent)
			lane.Answered(w.clock(), took)
			w.gateways[r.gateway].waits.Note(took)
		}
	})
	w.after(reading+writing, func() {
		r.end = w.now + trip
		p.busy += reading + writing
		if lane := w.lane(r); lane != nil {
			lane.Finished(w.clock(), r.completion, seconds(r.end-r.first), seconds(r.end-r.sent))
			lane.End()
		}
		w.done = append(w.done, r)
		p.active--
		p.promised--
		w.changed(r.at)
		if len(p.queue) > 0 {
			next := p.queue[0]
			p.queue = p.queue[1:]
			w.serve(p, next)
		}
	})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
