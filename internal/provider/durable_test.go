package provider

import (
	"sync"
	"testing"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// BenchmarkTicketsDurable is how many tickets a second one goroutine verifies and
// has on disk: the streams of many grants share each flush, as they do under load.
func BenchmarkTicketsDurable(b *testing.B) {
	s, err := openStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const grants, tickets = 64, 1 << 16
	books := make([]*book, grants)
	chains := make([]*receipt.Chain, grants)
	for i := range books {
		chains[i] = receipt.NewChain([32]byte{byte(i), 1}, tickets)
		signed := receipt.SignedGrant{Signature: []byte("none is checked here"), Grant: receipt.Grant{
			ChainID: "c", Payer: "p", Provider: "q", Model: receipt.Sum(nil), TicketValue: 1, Tickets: tickets, Expiry: 1 << 40, Anchor: chains[i].Anchor(),
		}}
		r := record{signed: signed, ticket: signed.Anchor, books: inference.Books{}, places: ahead}
		if books[i], err = newBook(r, s); err != nil {
			b.Fatal(err)
		}
		if err := <-s.addGrant(signed.ID(), r); err != nil {
			b.Fatal(err)
		}
	}
	const waiting = 1024 // tickets on their way to the disk
	counts := make(chan func() error, waiting)
	done := make(chan error, 1)
	go func() {
		for count := range counts {
			if err := count(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	n := 0
	for b.Loop() {
		i, index := n%grants, uint64(n/grants)+1
		if index > tickets {
			b.Fatal("more tickets than the grants have")
		}
		ticket, err := chains[i].Ticket(index)
		if err != nil {
			b.Fatal(err)
		}
		count, err := books[i].reveal(index, ticket)
		if err != nil {
			b.Fatal(err)
		}
		counts <- count
		n++
	}
	close(counts)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tickets/s")
}

// More answers end at once on one grant than places were taken ahead: each gets
// one of its own, and none is refused.
func TestPlacesForManyAnswersAtOnce(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	signed := receipt.SignedGrant{Signature: []byte("none is checked here"), Grant: receipt.Grant{
		ChainID: "c", Payer: "p", Provider: "q", Model: receipt.Sum(nil), TicketValue: 1, Tickets: 1, Expiry: 1 << 40, Anchor: receipt.Sum([]byte("a")),
	}}
	r := record{signed: signed, ticket: signed.Anchor, places: ahead}
	b, err := newBook(r, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-s.addGrant(signed.ID(), r); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 5 * ahead {
		all.Go(func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if err := b.place(); err != nil {
				t.Error(err)
			}
			b.sequence++
		})
	}
	all.Wait()
	if b.sequence != 5*ahead || b.sequence > b.places {
		t.Errorf("%d answers, places up to %d", b.sequence, b.places)
	}
}
