package process

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/control"
	"github.com/koinon/koinon/internal/provider/schedule"
	"github.com/koinon/koinon/receipt"
)

// Status is what an owner wants to know of a provider that runs. Amounts are in
// ucredit.
type Status struct {
	Address string        `json:"address"`
	Model   string        `json:"model"` // name@version
	Digest  string        `json:"digest"`
	Price   receipt.Price `json:"price"` // for 1,000,000 tokens
	provider.Activity
	// Earnings are what the ledger says; nil if it does not answer.
	Earnings *Earnings `json:"earnings,omitempty"`
}

// Earnings are the provider's on the ledger, after the splits, in ucredit.
type Earnings struct {
	// Maturing is paid out once its challenge window is over.
	Maturing uint64 `json:"maturing"`
	// Paid is what the account holds.
	Paid uint64 `json:"paid"`
}

// operator does what an owner says: it keeps the schedule, and answers commands.
type operator struct {
	provider *provider.Provider
	ledger   *client.Client
	hours    schedule.Schedule
	about    Status // what does not change
	now      func() time.Time

	mu     sync.Mutex
	paused bool   // by the owner
	closed string // why the hours say so; empty while they are open
}

// attend keeps the hours and hears commands until leave is called, which is
// when the provider has ended: while it drains it can still be asked.
func (o *operator) attend(ctx context.Context, home string, log *slog.Logger) (leave func(), err error) {
	listener, err := control.Listen(home)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { o.keepHours(ctx) })
	work.Go(func() {
		if err := control.Serve(ctx, listener, o); err != nil {
			log.Error("commands are not heard", "error", err)
		}
	})
	return func() { stop(); work.Wait() }, nil
}

// Status is what the provider does now.
func (o *operator) Status(ctx context.Context) any { return o.status(ctx) }

func (o *operator) status(ctx context.Context) Status {
	s := o.about
	s.Activity = o.provider.Activity()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	payouts, err := o.ledger.Payouts(ctx, s.Address)
	if err != nil {
		return s
	}
	var e Earnings
	for _, p := range payouts {
		e.Maturing += p.Amount
	}
	if e.Paid, err = o.ledger.Balance(ctx, s.Address, credit.Denom); err == nil {
		s.Earnings = &e
	}
	return s
}

// Pause stops taking requests until Resume.
func (o *operator) Pause() { o.set(func() { o.paused = true }) }

// Resume takes requests again, within the hours.
func (o *operator) Resume() { o.set(func() { o.paused = false }) }

// Drain ends the provider when it is done with what it has.
func (o *operator) Drain() { o.provider.Drain() }

// set changes a reason to pause.
func (o *operator) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	reason := o.closed
	if o.paused {
		reason = "paused by its owner"
	}
	o.provider.Pause(reason)
}

// keepHours pauses the provider outside its hours until the context ends.
func (o *operator) keepHours(ctx context.Context) {
	for {
		now := o.now()
		next, ever := o.hours.Next(now)
		reason := ""
		if !o.hours.Open(now) {
			reason = "outside its hours"
			if ever {
				reason += " until " + next.Format("Mon 15:04")
			}
		}
		o.set(func() { o.closed = reason })
		if !ever {
			return
		}
		// A machine that slept, or whose clock was set, is noticed within a minute.
		timer := time.NewTimer(min(next.Sub(now), time.Minute))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
