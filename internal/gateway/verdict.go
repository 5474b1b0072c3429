package gateway

import (
	"errors"
	"fmt"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/receipts"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

// judge reads and checks the receipt of an answer that is whole, or failed. It returns what is to be stored in either case.
func (a *attempt) judge(body []byte, failed bool) (*store.Receipt, receipt.Receipt, error) {
	stored := &store.Receipt{
		ID: receipt.Sum(body), Key: a.call.key, Request: a.call.id, Grant: a.pay.GrantID(),
		Provider: a.offer.provider, Received: a.now(), Body: body,
	}
	if a.config.KeepTranscripts {
		stored.Transcript = a.transcript()
	}
	r, err := receipt.Decode(body)
	if err != nil {
		return stored, r, fmt.Errorf("%w: %w", receipts.ErrFalse, err)
	}
	stored.ID, stored.Sequence = r.Hash(), r.Sequence
	ticket, err := a.pay.Revealed()
	if err != nil {
		return stored, r, fmt.Errorf("%w: %w", errStore, err)
	}
	grant := a.pay.Grant()
	err = receipts.Seen{
		ChainID: grant.ChainID, Grant: stored.Grant, Provider: a.offer.provider, ProviderKey: a.offer.peer.Key,
		Payer: grant.Payer, App: grant.App, Right: grant.Right, Model: a.call.version.digest, Class: a.call.version.class,
		Request: receipt.Sum(a.body), Prompt: a.call.prompt, Cached: a.cached, Output: a.output, Vectors: a.vectors,
		Sampling: a.request.Sampling(a.sampler(r), a.request.MaxTokens), Seed: a.seed,
		Price: a.offer.price, Ticket: ticket.Index, Failed: failed, At: stored.Received,
	}.Check(r)
	if err != nil {
		if a.request.Embed == nil {
			stored.Counts = receipt.Convict(r, a.call.prompt, a.output)
		}
		return stored, r, err
	}
	if err = a.known.Check(r); err != nil && !errors.Is(err, receipts.ErrFalse) {
		err = fmt.Errorf("%w: %w", errStore, err)
	}
	return stored, r, err
}

// sampler is the kind that a receipt has to name: of the statistical class, the one
// that its provider does.
func (a *attempt) sampler(r receipt.Receipt) string {
	if a.call.version.class == receipt.Exact {
		return receipt.Categorical
	}
	return r.Sampling.Kind
}

// convict keeps the evidence of a false receipt, stops paying on its grant and
// leaves the provider out for a while.
func (a *attempt) convict(stored *store.Receipt, why error) {
	if errors.Is(why, errStore) {
		return
	}
	a.metrics.receipts.WithLabelValues("false").Inc()
	a.convicted = true
	stored.Problem = why.Error()
	err := a.pay.Pardon(stored, "false receipt")
	until := a.now().Add(a.config.Suspend)
	a.offer.lane.Suspend(until)
	err = errors.Join(err, a.store.Suspend(store.Suspension{Provider: a.offer.provider, Reason: why.Error(), Until: until}))
	a.log.Error("provider suspended", "provider", a.offer.provider, "until", until, "receipt", stored.ID, "reason", why, "error", err)
}

// abandon ends a stream that came to no proper end.
func (a *attempt) abandon(why error) {
	var said *inference.Error
	switch {
	case errors.Is(why, openai.ErrClient):
		a.leave()
		return
	case errors.As(why, &said):
		if said.Code == inference.CodeGrantRefused || said.Code == inference.CodePaymentRequired || said.Code == inference.CodeAccessDenied {
			a.retire("the provider: " + string(said.Code))
		}
		if len(said.Receipt) > 0 && a.failed(said.Receipt) {
			return
		}
	case errors.Is(why, errRecount), errors.Is(why, errProtocol):
		a.retire(why.Error())
	}
	_ = a.stream.Reset()
}

// leave stops a generation that nobody reads. The last ticket pays for what was
// received, and closing without waiting for a receipt tells the provider to
// claim no more than tickets prove: both sides' books stay the same, whatever
// was still on its way.
func (a *attempt) leave() {
	if ticket, due, err := a.pay.End(); err != nil {
		a.log.Error("settling with a provider", "provider", a.offer.provider, "error", err)
	} else if due {
		_ = a.reveal(ticket)
	}
	_ = a.stream.Close() // a reset could overtake the ticket
}

// failed settles an answer that its provider broke off with a receipt for what
// it sent. It says whether the receipt was good.
func (a *attempt) failed(body []byte) bool {
	stored, r, err := a.judge(body, true)
	if err != nil {
		a.convict(stored, err)
		return false
	}
	a.named = r.Hash()
	if err := a.settle(stored); err != nil {
		a.log.Error("settling with a provider", "provider", a.offer.provider, "error", err)
	}
	return true
}

func (a *attempt) retire(reason string) {
	if err := a.pay.Retire(reason); err != nil {
		a.log.Error("retiring a grant", "error", err)
	}
}

func (a *attempt) reveal(t pay.Ticket) error {
	a.metrics.tickets.Inc()
	return a.send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Reveal{Reveal: inference.TicketToWire(t.Index, t.Preimage)}})
}
