package inference

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/receipt"
)

func testGrant(ticketValue, tickets uint64) receipt.Grant {
	return receipt.Grant{
		ChainID: "koinon-test-1", Payer: "koinon1payer", Provider: "koinon1provider",
		Model: receipt.Digest{1}, TicketValue: ticketValue, Tickets: tickets, Expiry: 1 << 40,
		Anchor: receipt.Digest{2},
	}
}

func newMeter(t interface{ Fatal(...any) }, g receipt.Grant) *Meter {
	m, err := NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMeterOwesNothingBeforeTheFirstToken(t *testing.T) {
	m := newMeter(t, testGrant(100, 1000))
	s, err := m.Start(50, 10, receipt.Price{Input: 1_000_000, Output: 2_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if m.Owed() != 0 {
		t.Fatalf("owed %d before the first token", m.Owed())
	}
	if err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if m.Owed() != 52 {
		t.Fatalf("owed %d after the first token, want 50 of the prompt and 2", m.Owed())
	}
	if index, due := m.Due(0); index != 1 || !due {
		t.Fatalf("Due = %d, %v; 52 of 100 is more than half a ticket", index, due)
	}
	s.Break()
	if m.Owed() != 52 {
		t.Fatalf("a broken stream owes %d, want what was received", m.Owed())
	}
}

func TestMeterProviderWaitsAtOneTicket(t *testing.T) {
	m := newMeter(t, testGrant(10, 1000))
	s, err := m.Start(5, 0, receipt.Price{Input: 1_000_000, Output: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for s.Tokens() < 10 {
		if wait, err := s.MustWait(); wait || err != nil {
			t.Fatalf("waits after %d tokens, %v", s.Tokens(), err)
		}
		if err := s.Token(); err != nil {
			t.Fatal(err)
		}
	}
	if wait, _ := s.MustWait(); !wait {
		t.Fatalf("serves on with %d unpaid", m.Unpaid())
	}
	if _, err := m.Reveal(1); err != nil {
		t.Fatal(err)
	}
	if wait, _ := s.MustWait(); wait {
		t.Fatal("waits although a ticket came")
	}
}

func TestMeterRefusals(t *testing.T) {
	price := receipt.Price{Input: 1_000_000, Output: 3_000_000}
	small := newMeter(t, testGrant(2, 1000))
	if _, err := small.Start(1, 1, price); !errors.Is(err, ErrTicketValue) {
		t.Errorf("a ticket below a token's price: %v", err)
	}
	m := newMeter(t, testGrant(10, 2))
	if _, err := m.Start(18, 1, price); !errors.Is(err, ErrCap) {
		t.Errorf("prompt beyond the cap: %v", err)
	}
	if _, err := m.Start(14, 3, price); !errors.Is(err, ErrCap) {
		t.Errorf("limit beyond the cap: %v", err)
	}
	s, err := m.Start(14, 2, price)
	if err != nil {
		t.Fatal(err)
	}
	if m.Room() != 0 {
		t.Errorf("room %d beside a stream that may take all", m.Room())
	}
	if err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if err := s.Token(); !errors.Is(err, ErrCap) || s.Tokens() != 2 || m.Owed() != 20 {
		t.Errorf("third token: %v, %d counted, %d owed", err, s.Tokens(), m.Owed())
	}
	if _, err := s.MustWait(); !errors.Is(err, ErrCap) {
		t.Errorf("MustWait at the cap: %v", err)
	}
	if _, err := m.Reveal(3); !errors.Is(err, ErrCap) {
		t.Errorf("ticket beyond the chain: %v", err)
	}
	if _, err := Resume(testGrant(10, 2), Books{Revealed: 3}); !errors.Is(err, ErrCap) {
		t.Errorf("books beyond the chain: %v", err)
	}
}

func TestMeterForgiveKeepsWhatTicketsProve(t *testing.T) {
	m := newMeter(t, testGrant(10, 1000))
	s, err := m.Start(4, 0, receipt.Price{Input: 1_000_000, Output: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for range 14 { // 18 owed
		if err := s.Token(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Reveal(1); err != nil {
		t.Fatal(err)
	}
	if tokens := s.Forgive(); tokens != 0 || m.Owed() != 1 || m.Books().Forgiven != 17 {
		t.Fatalf("kept %d tokens, %d owed, %d forgiven", tokens, m.Owed(), m.Books().Forgiven)
	}
	if m.Debt() != 8 {
		t.Fatalf("debt %d, want the 18 delivered less the ticket of 10", m.Debt())
	}
	s.Forgive()
	if m.Books().Forgiven != 17 {
		t.Fatal("forgave twice")
	}
}

// network is a gateway, a provider and what is on its way between them, over
// one grant. Its fields named true count what no process knows.
type network struct {
	t            *rapid.T
	grant        receipt.Grant
	price        receipt.Price
	every        uint64
	gateway      *Meter
	provider     *Meter
	gatewayDisk  Books
	providerDisk Books
	wires        []*wire
	trueReceived uint64 // value of the tokens that reached the gateway
	lossless     bool
	outages      uint64  // how often the gateway's machine lost power
	flushed      []Books // what the gateway's disk may have had then
}

// wire is one stream: frames in order each way, "" meaning broken.
type wire struct {
	g, p      *Stream // nil once the side is done with it
	down      []string
	up        []uint64 // ticket indexes, or ack or broken
	remaining int
	cached    uint64 // of the prompt, said with the first token
	doneSent  bool
	gCost     uint64 // value that reached the gateway
}

const (
	ack    = ^uint64(0)
	broken = ^uint64(0) - 1
)

func (n *network) open(rt *rapid.T) {
	prompt := rapid.Uint64Range(0, 200).Draw(rt, "prompt")
	answer := rapid.IntRange(0, 40).Draw(rt, "answer")
	g, err := n.gateway.Start(prompt, uint64(max(answer, 1)), n.price)
	if err != nil {
		rt.Skip("gateway sees no room")
	}
	_, err = n.provider.Reveal(n.gateway.Revealed()) // in Open
	must(rt, err)
	if err := n.gateway.CatchUp(n.provider.Revealed()); err != nil { // in Accepted
		if n.outages == 0 {
			rt.Fatal(err)
		}
		g.Break()
		n.restartGateway(rt) // whatever runs ends
		return
	}
	n.gatewayDisk = n.gateway.Books()
	n.providerDisk = n.provider.Books()
	p, err := n.provider.Start(prompt, 0, n.price)
	if err != nil {
		if n.lossless {
			rt.Fatalf("the provider refuses what the gateway's books allow: %v", err)
		}
		g.Break() // the provider has yet to learn that other streams broke
		return
	}
	n.wires = append(n.wires, &wire{g: g, p: p, remaining: answer, cached: rapid.Uint64Range(0, prompt).Draw(rt, "cached")})
}

func (n *network) pick(rt *rapid.T) *wire {
	if len(n.wires) == 0 {
		rt.Skip("no stream")
	}
	return rapid.SampledFrom(n.wires).Draw(rt, "stream")
}

// serve lets the provider do its next step on a stream; it says whether it could.
func (n *network) serve(w *wire) bool {
	if w.p == nil || w.doneSent {
		return false
	}
	if w.remaining > 0 {
		if w.p.Tokens() == 0 {
			must(n.t, w.p.Cached(w.cached))
		}
		wait, err := w.p.MustWait()
		if wait {
			return false
		}
		if err == nil {
			must(n.t, w.p.Token())
			var allowed uint64
			for s := range n.provider.streams {
				allowed += s.promptCost + n.grant.TicketValue
			}
			if n.provider.Unpaid() > allowed {
				n.t.Fatalf("provider risks %d, allowed %d", n.provider.Unpaid(), allowed)
			}
			w.remaining--
			w.down = append(w.down, "token")
			return true
		}
	}
	w.doneSent = true
	w.p.Complete()
	w.down = append(w.down, "done")
	return true
}

// arrive delivers one frame to the gateway.
func (n *network) arrive(w *wire) bool {
	if len(w.down) == 0 {
		return false
	}
	frame := w.down[0]
	w.down = w.down[1:]
	if w.g == nil {
		return true
	}
	switch frame {
	case "token":
		if w.g.Tokens() == 0 {
			must(n.t, w.g.Cached(w.cached))
		}
		must(n.t, w.g.Token())
	case "done":
		w.g.Finish()
	case "":
		w.g.Break()
	}
	n.trueReceived += w.g.Cost() - w.gCost
	w.gCost = w.g.Cost()
	if index, due := n.gateway.Due(n.every); due {
		_, err := n.gateway.Reveal(index)
		must(n.t, err)
		n.gatewayDisk = n.gateway.Books()
		if frame != "" {
			w.up = append(w.up, index)
		}
	}
	switch frame {
	case "done":
		n.gatewayDisk = n.gateway.Books()
		w.up = append(w.up, ack)
		w.g = nil
	case "":
		n.gatewayDisk = n.gateway.Books()
		w.g = nil
	}
	return true
}

// land delivers one frame to the provider.
func (n *network) land(w *wire) bool {
	if len(w.up) == 0 {
		return false
	}
	frame := w.up[0]
	w.up = w.up[1:]
	if w.p == nil {
		return true
	}
	switch frame {
	case ack:
		w.p.Finish()
		w.p = nil
	case broken:
		before, was := n.provider.Books().Forgiven, n.provider.Unpaid()
		bound := w.p.promptCost
		w.p.Forgive()
		w.p = nil
		if lost := n.provider.Books().Forgiven - before; lost > was+bound+n.grant.TicketValue {
			n.t.Fatalf("a broken stream cost the provider %d with %d unpaid", lost, was)
		}
	default:
		_, err := n.provider.Reveal(frame)
		must(n.t, err)
	}
	n.providerDisk = n.provider.Books()
	return true
}

// cut loses an unknown part of what is on its way, and the rest ends broken.
func (n *network) cut(rt *rapid.T, w *wire) {
	n.lossless = false
	w.down = append(w.down[:rapid.IntRange(0, len(w.down)).Draw(rt, "down")], "")
	w.up = append(w.up[:rapid.IntRange(0, len(w.up)).Draw(rt, "up")], broken)
}

func (n *network) restartGateway(rt *rapid.T) {
	for _, w := range n.wires {
		n.cut(rt, w)
		w.g = nil
	}
	var err error
	n.gateway, err = Resume(n.grant, n.gatewayDisk)
	must(n.t, err)
}

// outage takes from the gateway what its disk did not have yet.
func (n *network) outage(rt *rapid.T) {
	n.outages++
	n.lossless = false
	n.gatewayDisk = rapid.SampledFrom(append(n.flushed, Books{})).Draw(rt, "flushed")
	n.restartGateway(rt)
}

func (n *network) restartProvider(rt *rapid.T) {
	for _, w := range n.wires {
		n.cut(rt, w)
		w.p = nil
	}
	var err error
	n.provider, err = Resume(n.grant, n.providerDisk)
	must(n.t, err)
}

func (n *network) check(rt *rapid.T) {
	// What a lost ticket paid ahead is not known any more.
	ahead := (n.grant.TicketValue - 1) * (n.outages + 1)
	if paid := n.gateway.Paid(); paid > 0 && paid > n.trueReceived+ahead {
		rt.Fatalf("the gateway paid %d for %d received", paid, n.trueReceived)
	}
	n.flushed = append(n.flushed, n.gatewayDisk)
	if n.outages == 0 && n.provider.Revealed() > n.gatewayDisk.Revealed {
		rt.Fatalf("ticket %d left the gateway before it was stored", n.provider.Revealed())
	}
	if n.provider.Owed() > n.provider.Cap() {
		rt.Fatalf("owed %d beyond the cap", n.provider.Owed())
	}
}

// settle delivers everything and serves every stream to its end: an honest pair
// must get there, and must then agree.
func (n *network) settle(rt *rapid.T) {
	for progress := true; progress; {
		progress = false
		for _, w := range n.wires {
			for n.arrive(w) || n.land(w) || n.serve(w) {
				progress = true
			}
		}
	}
	for _, w := range n.wires {
		if w.g != nil || w.p != nil && !w.doneSent {
			rt.Fatalf("both sides wait: gateway owes %d of %d paid, provider %d of %d",
				n.gateway.Owed(), n.gateway.Paid(), n.provider.Owed(), n.provider.Paid())
		}
	}
	n.check(rt)
	// Of what it lost with the power, a gateway learns with its next stream what
	// tickets prove.
	var unknown uint64
	if n.outages > 0 {
		unknown = n.grant.TicketValue - 1
	}
	caughtUp := n.outages == 0 || n.provider.Revealed() <= n.gateway.Revealed()
	if caughtUp && n.provider.Owed() > n.gateway.Owed()+unknown {
		rt.Fatalf("provider claims %d, gateway admits %d", n.provider.Owed(), n.gateway.Owed())
	}
	if n.lossless && n.provider.Owed() != n.gateway.Owed() {
		rt.Fatalf("nothing was lost, yet provider claims %d and gateway admits %d", n.provider.Owed(), n.gateway.Owed())
	}
	if n.lossless && n.provider.Unpaid() != 0 {
		rt.Fatalf("%d unpaid at the end", n.provider.Unpaid())
	}
	n.wires = nil
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// TestBothSidesAgree runs streams of one grant in random interleavings with
// loss and restarts of either side (DESIGN section 4, promises about tickets).
func TestBothSidesAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		price := receipt.Price{
			Input:  rapid.Uint64Range(0, 3_000_000).Draw(rt, "input price"),
			Output: rapid.Uint64Range(0, 5_000_000).Draw(rt, "output price"),
		}
		price.CachedInput = rapid.Uint64Range(0, price.Input).Draw(rt, "cached input price")
		token, err := price.Cost(0, 0, 1)
		must(rt, err)
		grant := testGrant(
			rapid.Uint64Range(max(1, token), 60).Draw(rt, "ticket value"),
			rapid.Uint64Range(1, 400).Draw(rt, "tickets"))
		n := &network{
			t: rt, grant: grant, price: price, lossless: true,
			every:    rapid.Uint64Range(0, 8).Draw(rt, "every"),
			gateway:  newMeter(rt, grant),
			provider: newMeter(rt, grant),
		}
		rt.Repeat(map[string]func(*rapid.T){
			"open":             n.open,
			"serve":            func(rt *rapid.T) { n.serve(n.pick(rt)) },
			"serve more":       func(rt *rapid.T) { n.serve(n.pick(rt)) },
			"arrive":           func(rt *rapid.T) { n.arrive(n.pick(rt)) },
			"arrive more":      func(rt *rapid.T) { n.arrive(n.pick(rt)) },
			"land":             func(rt *rapid.T) { n.land(n.pick(rt)) },
			"cut":              func(rt *rapid.T) { n.cut(rt, n.pick(rt)) },
			"settle":           n.settle,
			"restart gateway":  n.restartGateway,
			"restart provider": n.restartProvider,
			"outage":           n.outage,
			"":                 n.check,
		})
		n.settle(rt)
	})
}

// TestDiscount charges the cached part of a prompt at its own price, if that is
// said in time; until then the grant must cover the whole.
func TestDiscount(t *testing.T) {
	m, err := NewMeter(testGrant(10, 10)) // 100 ucredit
	if err != nil {
		t.Fatal(err)
	}
	price := receipt.Price{Input: 1_000_000, CachedInput: 100_000, Output: 1_000_000}
	if _, err := m.Start(99, 2, price); !errors.Is(err, ErrCap) {
		t.Errorf("a grant that covers the request only if it is cached: %v", err)
	}
	s, err := m.Start(90, 10, price)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Cached(91); !errors.Is(err, receipt.ErrCached) {
		t.Errorf("more cached than there is: %v", err)
	}
	if err := errors.Join(s.Cached(80), s.Token()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Cost(), uint64(10+8+1); got != want {
		t.Errorf("it costs %d, want %d", got, want)
	}
	if err := s.Cached(90); !errors.Is(err, ErrLateDiscount) {
		t.Errorf("a discount after the first token: %v", err)
	}
}

// What is free costs nothing, reserves nothing, and says so before the first token.
func TestFree(t *testing.T) {
	m, err := NewMeter(testGrant(10, 10)) // 100 ucredit
	if err != nil {
		t.Fatal(err)
	}
	price := receipt.Price{Input: 1_000_000, Output: 1_000_000}
	s, err := m.Start(90, 10, price)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Free(), s.Cached(80), s.Token()); err != nil {
		t.Fatal(err)
	}
	if s.Cost() != 0 || s.Prompt() != 0 || m.Room() != 100 {
		t.Errorf("it costs %d, its prompt %d, and leaves room for %d", s.Cost(), s.Prompt(), m.Room())
	}
	if err := s.Free(); !errors.Is(err, ErrLateDiscount) {
		t.Errorf("after the first token: %v", err)
	}
	if s.Finish(); m.Owed() != 0 {
		t.Errorf("%d owed", m.Owed())
	}
	paid, err := m.Start(90, 10, price)
	if err != nil {
		t.Fatal(err)
	}
	if err := paid.Token(); err != nil || m.Owed() != 91 {
		t.Errorf("after it, %d owed, %v", m.Owed(), err)
	}
	if err := paid.Free(); !errors.Is(err, ErrLateDiscount) {
		t.Errorf("what is charged became free: %v", err)
	}
}
