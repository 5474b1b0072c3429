// Package holder keeps weights for those who pay for it: it shows the pieces that
// the ledger draws, in time. Nothing of it needs to be kept on disk but the weights: what
// is to be shown stands on the ledger, and a proof that is sent twice is refused the
// second time.
package holder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/cosmos/gogoproto/proto"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// Refusals.
var (
	// ErrFile: the file is another than the pin's.
	ErrFile = errors.New("the file is another than the pin's")
	// ErrMissing: the weights are not in the store.
	ErrMissing = errors.New("the weights are not in the store: 'koinon model pull' them into it first")
)

// Ledger is the chain as the holder's account sees it.
type Ledger interface {
	// Address is the account that signs.
	Address() string
	// Pin returns one.
	Pin(ctx context.Context, id uint64) (pinv1.Pin, error)
	// Holds lists the pins that the account holds.
	Holds(ctx context.Context) ([]pinv1.Hold, error)
	// Send signs one transaction and returns when it is in a block.
	Send(ctx context.Context, msgs ...proto.Message) error
}

// Holder answers for one account with the files of one store.
type Holder struct {
	ledger Ledger
	store  *weights.Store
	log    *slog.Logger
	kept   map[uint64]*keeping // by pin
	wanted []uint64            // pins that it is to accept
}

// keeping is what a pin is answered with.
type keeping struct {
	file   *weights.Holding // nil: there is no answer, as was said
	window time.Duration    // in which to answer
}

// New makes a holder that keeps nothing yet, and accepts pins that are wanted.
func New(l Ledger, store *weights.Store, log *slog.Logger, wanted ...uint64) *Holder {
	return &Holder{ledger: l, store: store, log: log, kept: map[uint64]*keeping{}, wanted: wanted}
}

// Keep answers for a pin with the store's file, which must be the pin's: whoever
// opened it may have named another. The file is read once. Refusals: [ErrMissing],
// [ErrFile].
func (h *Holder) Keep(p pinv1.Pin) error {
	version, err := receipt.ParseDigest(p.Terms.ModelDigest)
	if err != nil {
		return err
	}
	path, here, err := h.store.Weights(version)
	if err != nil {
		return err
	}
	if !here {
		return fmt.Errorf("pin %d, %s: %w", p.Id, version, ErrMissing)
	}
	file, err := weights.Hold(path)
	if err != nil {
		return err
	}
	if file.File.Size != p.Terms.Size_ || !bytes.Equal(file.File.Root[:], p.Terms.Root) {
		return fmt.Errorf("%w: pin %d is for %d bytes of root %x; %s has %d of root %x: do not accept it, nobody could answer for it",
			ErrFile, p.Id, p.Terms.Size_, p.Terms.Root, path, file.File.Size, file.File.Root[:])
	}
	h.kept[p.Id] = &keeping{file, time.Duration(max(p.Terms.WindowSeconds, 1)) * time.Second}
	return nil
}

// accept takes wanted pins on, and stakes their bonds; those that cannot be had yet
// are tried again in the next round.
func (h *Holder) accept(ctx context.Context, holds []pinv1.Hold) error {
	var failed []error
	h.wanted = slices.DeleteFunc(slices.Clone(h.wanted), func(id uint64) bool {
		if among(holds, id) {
			return true
		}
		err := h.acceptOne(ctx, id)
		if errors.Is(err, ErrFile) || errors.Is(err, provider.ErrNotFound) {
			h.log.Error("a pin that was wanted cannot be accepted", "error", err)
			return true
		}
		failed = append(failed, err)
		return err == nil
	})
	return errors.Join(failed...)
}

// among says whether a pin is held.
func among(holds []pinv1.Hold, pin uint64) bool {
	return slices.ContainsFunc(holds, func(hold pinv1.Hold) bool { return hold.Pin == pin })
}

func (h *Holder) acceptOne(ctx context.Context, id uint64) error {
	pin, err := h.ledger.Pin(ctx, id)
	if err != nil {
		return fmt.Errorf("pin %d: %w", id, err)
	}
	if err := h.Keep(pin); err != nil {
		return err
	}
	if err := h.ledger.Send(ctx, &pinv1.MsgAccept{Holder: h.ledger.Address(), Pin: id}); err != nil {
		return fmt.Errorf("pin %d: %w", id, err)
	}
	h.log.Info("accepted a pin", "pin", id, "version", pin.Terms.ModelDigest, "bond", credit.Koin(pin.Terms.Bond))
	return nil
}

// Run answers for what the account holds until ctx ends, or until that is nothing
// more, unless it stays for what will be accepted.
func (h *Holder) Run(ctx context.Context, stay bool) {
	for ctx.Err() == nil {
		left, err := h.Round(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.log.Warn("a pin is not answered for yet", "error", err)
		case left == 0 && !stay:
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(h.pace()):
		}
	}
}

// pace is how long to wait between two rounds: there are some within the shortest window.
func (h *Holder) pace() time.Duration {
	longest := time.Minute
	for _, k := range h.kept {
		if k.file != nil {
			longest = min(longest, k.window/8)
		}
	}
	return longest
}

// Round answers what is asked now, and says how many pins it still holds. What fails
// is tried again in the next round.
func (h *Holder) Round(ctx context.Context) (left int, err error) {
	holds, err := h.ledger.Holds(ctx)
	if err != nil {
		return 0, err
	}
	var failed []error
	if len(h.wanted) > 0 {
		failed = append(failed, h.accept(ctx, holds))
		if holds, err = h.ledger.Holds(ctx); err != nil {
			return 0, err
		}
	}
	maps.DeleteFunc(h.kept, func(id uint64, _ *keeping) bool { return !among(holds, id) })
	for _, hold := range holds {
		k, err := h.keeps(ctx, hold.Pin)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if k.file == nil {
			continue
		}
		left++
		if len(hold.Drawn) == 0 {
			continue
		}
		if err := h.prove(ctx, hold, k.file); err != nil {
			failed = append(failed, fmt.Errorf("pin %d, epoch %d: %w", hold.Pin, hold.Epoch, err))
		}
	}
	return left, errors.Join(failed...)
}

// keeps finds what a pin is answered with, which another process may have accepted.
// That there is no answer is said once.
func (h *Holder) keeps(ctx context.Context, id uint64) (*keeping, error) {
	if k := h.kept[id]; k != nil {
		return k, nil
	}
	pin, err := h.ledger.Pin(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("pin %d: %w", id, err)
	}
	err = h.Keep(pin)
	if errors.Is(err, ErrMissing) || errors.Is(err, ErrFile) {
		h.log.Error("this account loses by a pin that it cannot answer for; once that is mended, start again", "error", err)
		h.kept[id] = &keeping{}
		err = nil
	}
	return h.kept[id], err
}

// prove shows what was drawn.
func (h *Holder) prove(ctx context.Context, hold pinv1.Hold, file *weights.Holding) error {
	answer, err := file.Answer(hold.Drawn)
	if err != nil {
		return err
	}
	msg := &pinv1.MsgProve{Holder: h.ledger.Address(), Pin: hold.Pin, Epoch: hold.Epoch, Pieces: answer.Pieces}
	for _, d := range answer.Proof {
		msg.Proof = append(msg.Proof, d[:])
	}
	if err := h.ledger.Send(ctx, msg); err != nil {
		return err
	}
	h.log.Info("showed what was drawn", "pin", hold.Pin, "epoch", hold.Epoch, "pieces", len(hold.Drawn))
	return nil
}
