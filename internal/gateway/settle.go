package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/receipt"
)

// settle has a good receipt stored and pays the rest. The client's answer does
// not wait for the disk: it ends here, while the ticket is revealed, as ever,
// only once it is on disk. Where the last write failed, this one is waited for,
// so that a gateway whose disk is broken does not go on as if it were not.
func (a *attempt) settle(stored *store.Receipt) error {
	a.metrics.receipts.WithLabelValues("good").Inc()
	due, err := a.pay.Finish(stored)
	if err != nil {
		_ = a.stream.Reset()
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if a.unstored.Load() {
		return a.acknowledge(due)
	}
	a.settling.Go(func() {
		if err := a.acknowledge(due); err != nil {
			a.log.Error("an answer's end could not be stored", "request", a.call.id, "provider", a.offer.provider, "error", err)
		}
	})
	return nil
}

// acknowledge tells the provider that its receipt has arrived, by a ticket for
// what is still owed or by closing the stream alone.
func (a *attempt) acknowledge(due pay.Due) error {
	ticket, owing, err := due.Ready()
	a.unstored.Store(err != nil)
	if err != nil {
		_ = a.stream.Reset()
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if owing {
		err = a.reveal(ticket)
	}
	if err = errors.Join(err, a.stream.CloseWrite(), a.stream.Close()); err != nil {
		// The ticket goes with the next request's opening.
		a.log.Debug("the provider left before its last ticket", "provider", a.offer.provider, "error", err)
	}
	return nil
}

// storedReceipts are the receipts of the database, for checking new ones.
type storedReceipts struct{ *store.Store }

func (s storedReceipts) Last(grant receipt.Digest) (uint64, error) {
	return s.LastSequence(context.Background(), grant)
}

func (s storedReceipts) Neighbours(grant receipt.Digest, sequence uint64) ([]receipt.Receipt, error) {
	rows, err := s.Store.Neighbours(context.Background(), grant, sequence)
	if err != nil {
		return nil, err
	}
	found := make([]receipt.Receipt, len(rows))
	for i, row := range rows {
		if found[i], err = receipt.Decode(row.Body); err != nil {
			return nil, fmt.Errorf("the stored receipt %s is unreadable: %w", row.ID, err)
		}
	}
	return found, nil
}
