package route

import (
	"fmt"
	"testing"
	"time"
)

// A gateway that has acquaintances goes to strangers now and then, however much they
// promise; one that has none goes to them alone.
func TestStrangersGetABoundedShare(t *testing.T) {
	var offers []Offer
	for i := range 200 {
		o := priced(fmt.Sprint(i), 1e6, 1e6)
		o.Slots = 64 // they say
		o.Lane.Hear(&Report{At: start.UnixNano(), Rate: 1e6})
		offers = append(offers, o)
	}
	share := func() float64 {
		x, q, strangers := New(offers, start), query(), 0
		const tries = 4000
		for range tries {
			at, ok := x.Next(q, nil)
			if !ok {
				t.Fatal("nobody serves")
			}
			if x.entries[at].Lane.stranger() {
				strangers++
			}
		}
		return float64(strangers) / tries
	}
	if got := share(); got != 1 {
		t.Errorf("before it knows anybody it asks strangers %.2f of the time", got)
	}
	for _, o := range offers[:20] {
		for range 3 {
			o.Lane.Answered(start, 200*time.Millisecond)
			o.Lane.Finished(start, 100, 4*time.Second, 4200*time.Millisecond)
		}
	}
	if got := share(); got < 0.03 || got > 1.5/oneIn {
		t.Errorf("then %.3f, which should be about one in %d", got, oneIn)
	}
}

func TestPatience(t *testing.T) {
	known, stranger := alive("known"), alive("stranger")
	for range 3 {
		known.Answered(start, 200*time.Millisecond)
	}
	usual := &Waits{}
	for range leastWaits {
		usual.Note(time.Second)
	}
	for _, c := range []struct {
		name   string
		lane   *Lane
		waits  *Waits
		prompt int
		want   time.Duration
	}{
		{"nothing is known", known, &Waits{}, 100, 30 * time.Second},
		{"nor of a stranger", stranger, &Waits{}, 100, 8500 * time.Millisecond},
		{"sixteen times what is usual", known, usual, 0, 16 * time.Second},
		{"eight times of a stranger", stranger, usual, 0, 8 * time.Second},
		{"and time to read", stranger, usual, 1000, 13 * time.Second},
		{"but never more than the limit", stranger, usual, 1 << 40, 30 * time.Second},
	} {
		if got := Patience(c.lane, c.waits, c.prompt, 30*time.Second); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
