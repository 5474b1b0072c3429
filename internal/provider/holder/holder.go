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
	"time"

	"github.com/cosmos/gogoproto/proto"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/weights"
)

// ErrFile: a file is not the one that a pin is for.
var ErrFile = errors.New("the file is another than the pin's")

// Ledger is the chain as the holder's account sees it.
type Ledger interface {
	// Address is the account that signs.
	Address() string
	// Holds lists the pins that the account holds.
	Holds(ctx context.Context) ([]pinv1.Hold, error)
	// Send signs one transaction and returns when it is in a block.
	Send(ctx context.Context, msgs ...proto.Message) error
}

// Holder answers for one account.
type Holder struct {
	ledger Ledger
	log    *slog.Logger
	files  map[uint64]*weights.Holding // by pin
}

// New makes a holder that has no files yet.
func New(l Ledger, log *slog.Logger) *Holder {
	return &Holder{ledger: l, log: log, files: map[uint64]*weights.Holding{}}
}

// Keep answers for a pin with a file, which must be the pin's: whoever opened it may
// have named another. The file is read once. Refusal: [ErrFile].
func (h *Holder) Keep(p pinv1.Pin, path string) error {
	file, err := weights.Hold(path)
	if err != nil {
		return err
	}
	if file.File.Size != p.Terms.Size_ || !bytes.Equal(file.File.Root[:], p.Terms.Root) {
		return fmt.Errorf("%w: pin %d is for %d bytes of root %x; %s has %d of root %x: do not accept it, nobody could answer for it",
			ErrFile, p.Id, p.Terms.Size_, p.Terms.Root, path, file.File.Size, file.File.Root)
	}
	h.files[p.Id] = file
	return nil
}

// Run answers until ctx ends or nothing is left to hold, looking every so often.
func (h *Holder) Run(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		left, err := h.Round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			h.log.Warn("a pin is not answered for yet", "error", err)
		case left == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Round answers what is asked now, and says how many pins it still holds. What fails
// is tried again in the next round.
func (h *Holder) Round(ctx context.Context) (left int, err error) {
	holds, err := h.ledger.Holds(ctx)
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, hold := range holds {
		file := h.files[hold.Pin]
		if file == nil {
			continue
		}
		left++
		if len(hold.Drawn) == 0 {
			continue
		}
		if err := h.prove(ctx, hold, file); err != nil {
			failed = append(failed, fmt.Errorf("pin %d, epoch %d: %w", hold.Pin, hold.Epoch, err))
		}
	}
	return left, errors.Join(failed...)
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
