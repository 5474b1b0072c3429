package pay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// before is a store whose machine lost power: it has the grants, and knows nothing
// of what was revealed on them.
type before struct{ Store }

func (b before) OpenGrants(ctx context.Context, now time.Time) ([]store.Grant, error) {
	grants, err := b.Store.OpenGrants(ctx, now)
	for i := range grants {
		grants[i].Books = inference.Books{}
	}
	return grants, err
}

// A gateway that has forgotten what it revealed learns it from the provider, who
// cannot make tickets, and pays for no token twice.
func TestForgottenTickets(t *testing.T) {
	ctx := t.Context()
	disk, err := store.Open(ctx, filepath.Join(t.TempDir(), "gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	config := Config{ChainID: "c", Payer: "p", TicketValue: 10, Cap: 10_000, MaxTickets: 1000, Lifetime: time.Hour, RevealEvery: 1}
	begin := func(s Store) *Stream {
		w, err := Open(ctx, config, s, key, slog.New(slog.NewTextHandler(io.Discard, nil)), now)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := w.Start(Order{Provider: "q", Model: receipt.Sum(nil), Price: receipt.Price{Output: 5_000_000}, Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	take := func(s *Stream, tokens int) Ticket {
		for range tokens {
			if err := s.Token(); err != nil {
				t.Fatal(err)
			}
		}
		ticket, due, err := s.Pay()
		if err != nil || !due {
			t.Fatalf("no ticket after %d tokens: %v", tokens, err)
		}
		return ticket
	}
	last := take(begin(disk), 4) // 20 ucredit: ticket 2
	again := begin(before{disk})
	forged := last
	forged.Preimage[0]++
	if err := again.Shown(forged); !errors.Is(err, receipt.ErrTicketChain) {
		t.Errorf("a forged ticket: %v", err)
	}
	if err := again.Shown(last); err != nil {
		t.Fatal(err)
	}
	if shown, err := again.Revealed(); err != nil || shown != last {
		t.Errorf("shows ticket %d, want %d: %v", shown.Index, last.Index, err)
	}
	if next := take(again, 1); next.Index != last.Index+1 {
		t.Errorf("one token more is paid with ticket %d after %d", next.Index, last.Index)
	}
	if err := again.Break(nil); err != nil {
		t.Fatal(err)
	}
	books, err := disk.Books(ctx, again.GrantID())
	if want := (inference.Books{Settled: 25, Revealed: 3}); err != nil || books != want {
		t.Errorf("books %+v, want %+v: %v", books, want, err)
	}
	if err := begin(disk).Shown(Ticket{Index: 1_000_000}); !errors.Is(err, receipt.ErrTicketIndex) {
		t.Errorf("a ticket that no chain has: %v", err)
	}
}
