package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/receipts"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

// outcome is how one provider did with a call.
type outcome struct {
	answer         // as far as it came
	offer  *offer  // whose
	output []int32 // tokens that reached the client
	// decoder holds what of them is not text yet.
	decoder *openai.Decoder
	seed    receipt.Seed
	err     error
}

// errLost says that another provider was sooner.
var errLost = errors.New("another provider was sooner")

// answer gets one call answered by the best provider that manages to. Emit is
// called with what arrives; until its first call, a provider that fails is
// replaced without the client noticing. Later another goes on with the answer,
// if the version's class is exact, so that it continues as it would have. Errors
// are [*openai.Error], or [openai.ErrClient] when there is nobody left to tell.
func (g *Gateway) answer(ctx context.Context, j *job, c *call, emit func(openai.Delta) error) (answer, error) {
	rest, had := c, answer{}
	busy, last := 0, error(nil)
	for offers := j.offers(); len(offers) > 0; {
		rest.elsewhere = len(offers) > 1
		outs := g.ask(ctx, rest, offers, emit)
		offers = offers[len(outs):]
		for _, out := range outs {
			if errors.Is(out.err, errLost) {
				continue
			}
			had.add(c, out)
			if out.err == nil {
				return had, nil
			}
			if s := strangerOf(ctx); s != nil && len(out.output) == 0 {
				if refusal := g.unpaid(j, s, out.err); refusal != nil {
					return had, refusal
				}
			}
			if err := g.explain(c, out, &busy); err != nil {
				return had, err
			}
			last = out.err
			if len(out.output) == 0 {
				continue
			}
			if rest = rest.rest(out); rest == nil {
				return had, broken(last)
			}
		}
	}
	if had.usage.completion > 0 {
		return had, broken(last)
	}
	return had, g.exhausted(j, busy, last)
}

func broken(err error) *openai.Error {
	return openai.Broken("The provider failed in the middle of the answer (%s). You pay only for what you received. Please try again.", reason(err))
}

// add appends what a provider gave to an answer that others may have begun.
func (a *answer) add(c *call, out outcome) {
	before := *a
	*a = out.answer
	a.cost += before.cost
	a.usage.prompt = uint64(len(c.prompt))
	a.usage.completion = before.usage.completion + uint64(len(out.output))
	a.earlier = before.earlier
	if before.usage.completion > 0 {
		a.usage.cached = before.usage.cached
	}
	if out.err != nil && len(out.output) > 0 {
		part := openai.Part{Provider: out.provider, Tokens: uint64(len(out.output))}
		if out.receipt != (receipt.Digest{}) {
			part.Receipt, part.Transcript = out.receipt.String(), out.transcript
		}
		a.earlier = append(a.earlier, part)
	}
}

// explain notes a failure, and says if it is the last one.
func (g *Gateway) explain(c *call, out outcome, busy *int) error {
	err := out.err
	g.metrics.failures.WithLabelValues(reason(err)).Inc()
	switch {
	case errors.Is(err, openai.ErrClient):
		return err
	case errors.Is(err, errStore):
		g.log.Error("the gateway's store failed", "request", c.id, "error", err)
		return openai.Internal(c.id)
	}
	g.log.Warn("provider failed", "request", c.id, "provider", out.offer.provider, "started", len(out.output) > 0, "error", err)
	var said *inference.Error
	if errors.As(err, &said) {
		switch said.Code {
		case inference.CodeInvalidRequest:
			return openai.Invalid("", "The provider refused the request as invalid.")
		case inference.CodeAccessDenied:
			return barred(c.version, said.Message)
		case inference.CodeBusy, inference.CodeDraining:
			*busy++
			out.offer.lane.Busy(g.now().Add(time.Second))
		default:
			if c.caller == nil || !stale(err) { // a caller who does not pay says nothing of the provider
				out.offer.lane.Failed(g.now())
			}
		}
	} else if !errors.Is(err, pay.ErrTooDear) && !errors.Is(err, pay.ErrNoCalls) {
		out.offer.lane.Failed(g.now())
	}
	return nil
}

// rest is the call for what is missing of an answer that its provider left in
// the middle; nil if no other can go on with it. What came with a false receipt,
// or against the protocol, is not worth going on with.
func (c *call) rest(out outcome) *call {
	var said *inference.Error
	left := int(c.request.MaxTokens) - len(out.output)
	switch {
	case c.caller != nil, c.version.class != receipt.Exact, left < 1, errors.Is(out.err, receipts.ErrFalse), len(c.request.Resume)+len(out.output) > inference.MaxResume,
		!errors.Is(out.err, errGone) && !errors.Is(out.err, errSilent) && !errors.As(out.err, &said):
		return nil
	}
	next := *c
	next.request.Resume = slices.Concat(c.request.Resume, out.output)
	next.request.MaxTokens = uint32(left)
	next.request.Nonce, next.request.Seed = receipt.Digest{}, out.seed.Value // what was drawn goes on
	next.prompt = slices.Concat(c.prompt, out.output)
	next.decoder = out.decoder
	return &next
}

// ask has the first of the offers answer a call or, with hedging, the first two.
// It returns an outcome for each that was asked, the one that counts first.
func (g *Gateway) ask(ctx context.Context, c *call, offers []*offer, emit func(openai.Delta) error) []outcome {
	wait, known := g.peers.waits(c.version.digest).P95()
	if !g.config.Hedge || c.caller != nil || !known || len(offers) < 2 || len(c.request.Resume) > 0 {
		return []outcome{g.attend(ctx, c, offers[0], nil, emit)}
	}
	return g.race(ctx, c, offers[0], offers[1], wait, emit)
}

// attend has one provider answer, with a new grant if it will not have the old.
func (g *Gateway) attend(ctx context.Context, c *call, o *offer, claim func() bool, emit func(openai.Delta) error) outcome {
	out := g.try(ctx, c, o, false, claim, emit)
	if stale(out.err) && len(out.output) == 0 && c.caller == nil {
		// The grant is spent or closed at the provider; a new one may do.
		out = g.try(ctx, c, o, true, claim, emit)
	}
	return out
}

// race asks a second provider when the first is slower than usual. Who begins
// first answers; the other is cancelled, and what it has sent by then is paid by
// the gateway.
func (g *Gateway) race(ctx context.Context, c *call, first, second *offer, wait time.Duration, emit func(openai.Delta) error) []outcome {
	var winner atomic.Pointer[offer]
	run := func(o *offer, done chan<- outcome, loses context.CancelFunc) context.CancelFunc {
		ctx, cancel := context.WithCancel(ctx)
		claim := func() bool {
			if winner.CompareAndSwap(nil, o) && loses != nil {
				loses()
			}
			return winner.Load() == o
		}
		go func() {
			out := g.attend(ctx, c, o, claim, emit)
			if w := winner.Load(); w != nil && w != o {
				out.err = errLost
			}
			done <- out
		}()
		return cancel
	}
	one, two := make(chan outcome, 1), make(chan outcome, 1)
	var stopSecond atomic.Pointer[context.CancelFunc]
	stopFirst := run(first, one, func() {
		if stop := stopSecond.Load(); stop != nil {
			(*stop)()
		}
	})
	defer stopFirst()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case out := <-one:
		return []outcome{out}
	case <-timer.C:
	}
	if winner.Load() != nil {
		return []outcome{<-one}
	}
	stop := run(second, two, stopFirst)
	defer stop()
	stopSecond.Store(&stop)
	if winner.Load() == first {
		stop() // it began in this moment
	}
	a, b := <-one, <-two
	if winner.Load() == second {
		g.metrics.hedges.WithLabelValues("second").Inc()
		return []outcome{b, a}
	}
	g.metrics.hedges.WithLabelValues("first").Inc()
	return []outcome{a, b}
}
