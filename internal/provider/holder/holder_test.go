package holder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cosmos/gogoproto/proto"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// chain has pins for a file, and draws as soon as one is held; a shown pin is over.
type chain struct {
	t     *testing.T
	file  possession.File
	funds bool // the account can pay a bond
	pins  map[uint64]pinv1.Pin
	holds []pinv1.Hold
	shown []uint64
}

func (c *chain) Address() string { return "holder" }

func (c *chain) Pin(_ context.Context, id uint64) (pinv1.Pin, error) {
	pin, ok := c.pins[id]
	if !ok {
		return pin, provider.ErrNotFound
	}
	return pin, nil
}

func (c *chain) Holds(context.Context) ([]pinv1.Hold, error) { return slices.Clone(c.holds), nil }

func (c *chain) Send(_ context.Context, msgs ...proto.Message) error {
	switch m := msgs[0].(type) {
	case *pinv1.MsgAccept:
		if !c.funds {
			return errors.New("the account has too few KOIN")
		}
		c.hold(m.Pin)
	case *pinv1.MsgProve:
		answer := possession.Answer{Pieces: m.Pieces}
		for _, d := range m.Proof {
			answer.Proof = append(answer.Proof, receipt.Digest(d))
		}
		if err := c.file.Check(c.drawn(m.Pin), answer); err != nil {
			c.t.Errorf("pin %d: %v", m.Pin, err)
		}
		c.shown = append(c.shown, m.Pin)
		c.holds = slices.DeleteFunc(c.holds, func(h pinv1.Hold) bool { return h.Pin == m.Pin })
	default:
		return fmt.Errorf("%T", m)
	}
	return nil
}

func (c *chain) hold(pin uint64) {
	c.holds = append(c.holds, pinv1.Hold{Pin: pin, Holder: c.Address(), Drawn: c.drawn(pin)})
}

func (c *chain) drawn(pin uint64) []uint64 {
	return c.file.Drawn(receipt.Sum([]byte("beacon")), pin, c.Address(), 4)
}

// A holder accepts what it is asked to once it can pay the bond, never for a file that
// it has not, and answers for that and for what another process accepted.
func TestAHolderAcceptsAndAnswers(t *testing.T) {
	store, err := weights.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	model := filepath.Join("..", "..", "..", "models", "trivium", "trivium.gguf")
	_, version, err := store.Publish(t.Context(), model, weights.Card{Name: "trivium", Version: "1", License: "MIT", Class: receipt.Exact})
	if err != nil {
		t.Fatal(err)
	}
	file, err := weights.Hold(model)
	if err != nil {
		t.Fatal(err)
	}
	terms := pinv1.Terms{ModelDigest: version.String(), Root: file.File.Root[:], Size_: file.File.Size, WindowSeconds: 600}
	other, absent := terms, terms
	other.Root = make([]byte, 32)
	absent.ModelDigest = receipt.Sum(nil).String()
	c := &chain{t: t, file: file.File, pins: map[uint64]pinv1.Pin{1: {Id: 1, Terms: terms}, 2: {Id: 2, Terms: terms}, 3: {Id: 3, Terms: other}, 4: {Id: 4, Terms: absent}}}
	c.hold(2) // by another process

	h := New(c, store, slog.New(slog.DiscardHandler), 1, 3, 4, 5)
	if left, err := h.Round(t.Context()); err == nil || left != 1 || !slices.Equal(c.shown, []uint64{2}) || !slices.Equal(h.wanted, []uint64{1, 4}) {
		t.Fatalf("without KOIN: %d held, shown %v, wanted %v, %v", left, c.shown, h.wanted, err)
	}
	c.funds = true
	if left, err := h.Round(t.Context()); !errors.Is(err, ErrMissing) || left != 1 || !slices.Equal(c.shown, []uint64{2, 1}) || !slices.Equal(h.wanted, []uint64{4}) {
		t.Fatalf("with KOIN: %d held, shown %v, wanted %v, %v", left, c.shown, h.wanted, err)
	}
	h.wanted = nil
	h.Run(t.Context(), false) // nothing is left
}
