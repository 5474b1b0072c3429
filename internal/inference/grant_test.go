package inference

import (
	"errors"
	"testing"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/receipt"
)

func TestGrantRoundTrip(t *testing.T) {
	want := testGrant(10, 100)
	w := GrantToWire(want)
	got, err := GrantFromWire(&w)
	if err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestGrantAndTicketForm(t *testing.T) {
	w := GrantToWire(testGrant(10, 100))
	w.Anchor = w.Anchor[:31]
	if _, err := GrantFromWire(&w); !errors.Is(err, ErrGrantForm) {
		t.Errorf("short anchor: %v", err)
	}
	w = GrantToWire(testGrant(10, 100))
	w.ModelDigest = "latest"
	if _, err := GrantFromWire(&w); !errors.Is(err, ErrGrantForm) {
		t.Errorf("model by name: %v", err)
	}
	w = GrantToWire(testGrant(0, 100))
	if _, err := GrantFromWire(&w); !errors.Is(err, ErrGrantForm) {
		t.Errorf("ticket of nothing: %v", err)
	}
	if _, _, err := TicketFromWire(&inferencev1.Reveal{Index: 1, Ticket: []byte("short")}); !errors.Is(err, ErrTicketForm) {
		t.Errorf("short ticket: %v", err)
	}
	if i, _, err := TicketFromWire(nil); i != 0 || err != nil {
		t.Errorf("no ticket: %d, %v", i, err)
	}
	ticket := receipt.Digest{9}
	if i, got, err := TicketFromWire(TicketToWire(3, ticket)); i != 3 || got != ticket || err != nil {
		t.Errorf("ticket 3: %d %v %v", i, got, err)
	}
}
