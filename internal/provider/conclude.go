package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Finish reasons of receipts beside the engine's "stop" and "length".
const (
	finishCancelled = "cancelled" // the gateway asked, or left
	finishError     = "error"
)

// conclude ends a stream whose request was accepted: with Done and a receipt,
// with Error and a receipt for what was sent, or, when the gateway has left, by
// keeping only what its tickets prove.
func (s *session) conclude(finish string, err error) {
	s.p.metrics.tokens.WithLabelValues("prompt").Add(float64(len(s.prompt)))
	s.p.metrics.tokens.WithLabelValues("cached").Add(float64(s.cached))
	s.p.metrics.tokens.WithLabelValues("completion").Add(float64(len(s.tokens)))
	s.p.tally.ended(len(s.prompt))
	switch {
	case err == nil && len(s.acked) > 0:
		s.count("broken") // it left before it could know of the end
		s.broken()
	case err == nil:
		s.count("ok")
		s.p.cached(s.request.CacheScope, s.prompt)
		s.done(finish)
	case errors.Is(err, errBroken):
		s.count("broken")
		s.broken()
	case errors.Is(err, errCancelled):
		s.count("cancelled")
		if len(s.tokens) == 0 {
			s.broken() // nothing was sent: nothing is owed, and no receipt
			return
		}
		s.done(finishCancelled)
	default:
		s.failed(s.explain(err))
	}
}

// done sends the receipt of a complete answer and waits until it has arrived.
func (s *session) done(finish string) {
	body, err := s.receipt(finish, len(s.tokens))
	if err != nil {
		s.failed(err)
		return
	}
	err = s.send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Done{Done: &inferencev1.Done{Receipt: body}}})
	s.settle(err)
}

// failed sends why an answer stops here, with the receipt of what was sent.
func (s *session) failed(cause error) {
	e := inference.AsError(cause)
	s.count(string(e.Code))
	if e.Code == inference.CodeInternal {
		s.p.tally.failure(cause)
		s.log.Error("a request failed", "tokens", len(s.tokens), "error", cause)
	} else {
		s.log.Info("request ended early", "tokens", len(s.tokens), "code", e.Code, "reason", e.Message)
	}
	if len(s.tokens) > 0 && !errors.Is(cause, ErrStore) {
		answer := *e
		if body, err := s.receipt(finishError, len(s.tokens)); err != nil {
			s.log.Error("a receipt could not be made", "error", err)
		} else {
			answer.Receipt = body
		}
		e = &answer
	}
	if len(s.tokens) == 0 {
		s.drop()
	}
	if e.Receipt == nil {
		s.send(e.Frame())
		s.abandon()
		s.stream.Close()
		return
	}
	s.settle(s.send(e.Frame()))
}

// settle waits for the gateway to acknowledge the end, by closing its side after
// it has stored the receipt and revealed what it still owed. Without that the
// provider keeps what the tickets prove. It does not reset a stream on which a
// last frame may still be on its way.
func (s *session) settle(sent error) {
	if sent != nil {
		s.abandon()
		s.stream.Reset()
		return
	}
	defer s.stream.Close()
	s.stream.SetReadDeadline(time.Now().Add(s.p.config.PaymentTimeout))
	if err := <-s.acked; err != nil {
		s.abandon()
		return
	}
	if err := s.book.finish(s.metered); err != nil {
		s.log.Error("the books could not be stored", "error", err)
	}
}

// broken ends the stream of a gateway that left: a receipt covers what the
// tickets pay for, and nothing more is claimed.
func (s *session) broken() {
	s.log.Info("the gateway left before the end", "tokens", len(s.tokens))
	tokens := s.abandon()
	if tokens > 0 {
		if _, err := s.receipt(finishCancelled, tokens); err != nil {
			s.log.Error("a receipt could not be made", "error", err)
		}
	}
	s.stream.Reset()
}

// abandon gives up, in the books, what no ticket proves; it returns how many
// tokens are paid for.
func (s *session) abandon() (tokens int) {
	if s.book == nil || s.metered == nil {
		return 0
	}
	before := s.metered.Cost()
	paid, kept, err := s.book.forgive(s.metered)
	if err != nil {
		s.log.Error("the books could not be stored", "error", err)
	}
	if lost := before - kept; lost > 0 {
		s.p.metrics.forgiven.Add(float64(lost))
		s.log.Info("a gateway left without paying for all", "tokens", len(s.tokens), "paid_tokens", paid, "ucredit", lost)
	}
	s.metered = nil
	return int(paid)
}

// drop ends, in the books, a stream of which nothing was sent.
func (s *session) drop() {
	s.book.drop(s.metered)
	s.metered = nil
}

// receipt signs and stores the receipt of the first n tokens. Their cost enters
// the books before it leaves.
func (s *session) receipt(finish string, n int) ([]byte, error) {
	p := s.p
	cost, err := s.price.Cost(uint64(len(s.prompt)), uint64(s.cached), uint64(n))
	if err != nil {
		return nil, err
	}
	if s.metered != nil {
		s.book.complete(s.metered)
	}
	if err := s.keepAnswer(n); err != nil {
		return nil, err
	}
	finished := p.now()
	if s.first.IsZero() {
		s.first = finished
	}
	body, r, err := s.book.sign(receipt.Receipt{
		Class: p.out.Model.Class, Request: s.digest,
		PromptTokens: uint64(len(s.prompt)), CachedTokens: uint64(s.cached), CompletionTokens: uint64(n),
		PromptDigest: receipt.TokensDigest(s.prompt), OutputDigest: s.output(n),
		Commitment: s.commitment(n), Logprobs: s.logprobs(n),
		Sampling: s.request.Sampling(p.out.Engine.Sampler(), uint32(s.limit)), Seed: s.seed,
		FinishReason: finish, Price: s.price, Cost: cost,
		Started: s.started.UnixMilli(), FirstToken: s.first.UnixMilli(), Finished: finished.UnixMilli(),
	}, p.out.Key)
	if err != nil {
		return nil, err
	}
	p.reached("receipt stored")
	s.log.Info("served", "sequence", r.Sequence, "prompt_tokens", r.PromptTokens, "cached_tokens", r.CachedTokens, "completion_tokens", r.CompletionTokens,
		"ucredit", r.Cost, "finish", finish, "ms", r.Finished-r.Started)
	return body, nil
}

// explain turns why an answer ended into what the gateway is told.
func (s *session) explain(err error) error {
	var e *inference.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, ErrEngine):
		return fmt.Errorf("%w: %w", inference.Errorf(inference.CodeInternal, "%v", ErrEngine), err)
	case errors.Is(err, ErrBusy):
		return inference.Errorf(inference.CodeBusy, "%v", ErrBusy)
	case errors.Is(err, ErrContextLength):
		return inference.Errorf(inference.CodeContextLength, "%v", ErrContextLength)
	case errors.Is(err, inference.ErrCap):
		return inference.Errorf(inference.CodePaymentRequired, "%v", inference.ErrCap)
	case errors.Is(err, errUnpaid):
		return inference.Errorf(inference.CodePaymentRequired, "%v: %s", errUnpaid, s.p.config.PaymentTimeout)
	case errors.Is(err, errUnactive), errors.Is(err, errNotGranted), errors.Is(err, errExpired):
		return inference.Errorf(inference.CodeGrantRefused, "%v", err)
	case errors.Is(err, errDrained), errors.Is(err, context.Canceled) && s.p.base.Err() != nil:
		return inference.Errorf(inference.CodeDraining, "%v", errDrained)
	}
	return fmt.Errorf("serving: %w", err)
}
