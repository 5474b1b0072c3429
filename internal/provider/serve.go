package provider

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/internal/tracing"
	"github.com/koinon/koinon/receipt"
)

// session is one stream: one request.
type session struct {
	p      *Provider
	from   caller
	stream Stream
	conn   *inference.ProviderConn
	log    *slog.Logger

	request inference.Request
	raw     []byte         // the request's bytes, for evidence
	digest  receipt.Digest // of them
	seed    receipt.Seed
	prompt  []int32
	texts   [][]int32 // to be embedded; the prompt is all of them
	vectors [][]float32
	limit   int // most tokens of the answer
	book    *book
	metered *inference.Stream
	price   receipt.Price // for this payer
	cached  int           // of the prompt's tokens, charged as such

	tokens  []int32
	leaves  []receipt.Digest
	chances []logprobs.Step  // what the engine says of each token; of class statistical
	said    []receipt.Digest // of each token, or none; see [Evidence]
	started time.Time
	first   time.Time
	kept    func() error // waits for evidence; nil before there is any
	acked   chan error   // nil when the gateway acknowledged the end, else why not
}

func (p *Provider) publicKey() ed25519.PublicKey { return p.out.Key.Public().(ed25519.PublicKey) }

// Handle serves one stream and returns when it is over. It is safe to call from
// any number of goroutines; whatever a stream holds, only that stream ends.
func (p *Provider) Handle(stream Stream) {
	s := &session{p: p, stream: stream, conn: inference.NewProviderConn(stream), log: p.log, started: p.now(), acked: make(chan error, 1)}
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("a stream panicked", "panic", r, "stack", string(debug.Stack()))
			s.abandon()
			stream.Reset()
		}
	}()
	if err := p.enter(); err != nil {
		s.send(err.Frame())
		s.count(string(err.Code))
		stream.Close()
		return
	}
	defer p.leave()
	s.run()
}

// enter takes a place among the open streams.
func (p *Provider) enter() *inference.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.closedTo(); err != nil {
		return err
	}
	select {
	case p.streams <- struct{}{}:
	default:
		return inference.Errorf(inference.CodeBusy, "%d streams are open, which is the most", cap(p.streams))
	}
	p.serving.Add(1)
	p.metrics.streams.Inc()
	return nil
}

func (p *Provider) leave() {
	p.metrics.streams.Dec()
	<-p.streams
	p.serving.Done()
}

// run takes the request in, serves it, and settles how it ended.
func (s *session) run() {
	open, err := s.open()
	if err == nil {
		err = s.accept(open)
	}
	if err != nil {
		s.refuse(err)
		return
	}
	base, span := s.trace(open.TraceParent)
	ctx, cancel := context.WithCancelCause(base)
	defer cancel(nil)
	left := time.Unix(s.book.signed.Expiry, 0).Sub(s.p.now())
	ctx, stop := context.WithTimeoutCause(ctx, left, errExpired)
	defer stop()
	defer s.book.runs(s, cancel)()
	go s.listen(cancel)

	finish, err := s.answer(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // the engine says only that it was stopped
		}
	}
	tracing.End(span, len(s.prompt), len(s.tokens), finish, failure(err))
	s.conclude(finish, err)
}

// trace begins the span of this provider's part, of the gateway's trace if it has one.
func (s *session) trace(parent string) (context.Context, tracing.Span) {
	r := s.request
	g := tracing.Generation{Model: r.Model.String(), Embedding: r.Embed != nil, MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopP: r.TopP}
	return g.Serve(tracing.WithParent(s.p.base, parent))
}

// failure is why an answer failed, in a code of the protocol; empty if it did not.
func failure(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errBroken), errors.Is(err, errCancelled):
		return finishCancelled
	}
	return string(inference.AsError(err).Code)
}

// refuse ends a stream before anything was served.
func (s *session) refuse(err error) {
	if errors.Is(err, errBroken) {
		s.count("broken")
		s.stream.Reset()
		return
	}
	e := inference.AsError(err)
	if e.Code == inference.CodeInternal {
		s.log.Error("a request failed", "error", err)
	} else {
		s.log.Debug("request refused", "code", e.Code, "reason", e.Message)
	}
	s.count(string(e.Code))
	s.send(e.Frame())
	s.stream.Close()
}

// open reads the first frame.
func (s *session) open() (*inferencev1.Open, error) {
	s.stream.SetReadDeadline(time.Now().Add(s.p.config.OpenTimeout))
	frame, err := s.conn.Receive()
	if errors.Is(err, inference.ErrFrame) || errors.Is(err, inference.ErrFrameTooLarge) {
		return nil, inference.Errorf(inference.CodeInvalidRequest, "%v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	open := frame.GetOpen()
	if open == nil {
		return nil, inference.Errorf(inference.CodeInvalidRequest, "the first frame must be open")
	}
	s.stream.SetReadDeadline(time.Time{})
	return open, nil
}

// accept checks the request and its grant, and tells the gateway.
func (s *session) accept(open *inferencev1.Open) error {
	p := s.p
	var err error
	if s.request, err = inference.ParseRequest(open.Request); err != nil {
		return inference.Errorf(inference.CodeInvalidRequest, "%v", err)
	}
	s.raw, s.digest = open.Request, receipt.Sum(open.Request)
	s.from = callerOf(open)
	if s.request.Model != p.out.Model.Digest {
		return inference.Errorf(inference.CodeModelNotFound, "this provider serves %s", p.out.Model.Digest)
	}
	if s.price = p.priceFor(open.Grant.Payer); !s.request.MaxPrice.Allows(s.price) {
		return inference.Errorf(inference.CodePaymentRequired, "the price is %d for input, %d for cached input and %d for output, above max_price",
			s.price.Input, s.price.CachedInput, s.price.Output)
	}
	if err := s.fit(); err != nil {
		return err
	}
	if err := s.pay(open); err != nil {
		return err
	}
	if err := s.draw(); err != nil {
		s.drop()
		return err
	}
	digest := receipt.TokensDigest(s.prompt)
	err = s.send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Accepted{Accepted: &inferencev1.Accepted{
		PromptTokens: uint32(len(s.prompt)), PromptDigest: digest[:], Free: p.owns(open.Grant.Payer), SeedProof: s.seed.Proof,
		Revealed: s.book.above(open.Reveal),
	}}})
	if err != nil {
		s.drop()
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// draw settles the seed: the payer's, or one drawn with the payer's nonce.
func (s *session) draw() error {
	if s.request.Nonce.IsZero() {
		s.seed = receipt.NameSeed(s.request.Seed)
		return nil
	}
	lot, err := s.book.draw(s.p.out.Key)
	if err != nil {
		return err
	}
	s.seed = lot.Seed(s.request.Nonce)
	s.request.Seed = s.seed.Value
	return nil
}

// fit encodes the prompt and bounds the answer by the model's context.
func (s *session) fit() error {
	if s.request.Embed != nil {
		return s.fitTexts()
	}
	var err error
	if err = s.p.out.Engine.Check(s.request); err == nil {
		s.prompt, err = s.p.out.Engine.Prompt(s.request)
	} else if !errors.Is(err, ErrUnsupported) {
		return inference.Errorf(inference.CodeInvalidRequest, "%v", err)
	}
	if errors.Is(err, ErrUnsupported) {
		e := inference.Errorf(inference.CodeInvalidRequest, "%v", err)
		e.Retryable = true // by another provider
		return e
	}
	if err != nil {
		return inference.Errorf(inference.CodeInvalidRequest, "the model's template refuses the messages")
	}
	room := s.p.out.Engine.ContextLength() - len(s.prompt)
	s.limit = int(s.request.MaxTokens)
	if s.limit == 0 {
		s.limit = room
	}
	if len(s.prompt) == 0 {
		return inference.Errorf(inference.CodeInvalidRequest, "the prompt has no tokens")
	}
	if room < 1 || s.limit > room {
		return inference.Errorf(inference.CodeContextLength, "the prompt has %d tokens and max_tokens is %d; the context holds %d",
			len(s.prompt), s.request.MaxTokens, s.p.out.Engine.ContextLength())
	}
	return nil
}

// pay admits the grant, takes the ticket that came along, and begins a stream
// in its books.
func (s *session) pay(open *inferencev1.Open) error {
	p := s.p
	grant, err := inference.GrantFromWire(&open.Grant)
	if err != nil {
		return refuse("%v", err)
	}
	s.book, err = p.admit(p.base, receipt.SignedGrant{Grant: grant, Signature: open.GrantSignature}, s.from)
	if err != nil {
		return err
	}
	s.log = s.log.With("grant", s.book.id.Hex())
	count, err := s.reveal(open.Reveal)
	if err != nil {
		return err
	}
	if !s.book.admits(s.from, open.Reveal) {
		return refuse("somebody else showed it here first: show its highest ticket, before that is redeemed, or open a new grant")
	}
	go count() // the request goes on meanwhile; a disk that fails ends the provider
	s.metered, err = s.book.start(uint64(len(s.prompt)), s.price)
	switch {
	case errors.Is(err, inference.ErrCap):
		return inference.Errorf(inference.CodePaymentRequired, "%v", err)
	case err != nil:
		return refuse("%v", err)
	}
	if err := s.book.ready(p.base, s.metered, p.exposure, p.config); err != nil {
		s.drop()
		return s.explain(err)
	}
	return nil
}

// reveal takes a ticket from a frame. It counts when what is returned has said so.
func (s *session) reveal(w *inferencev1.Reveal) (count func() error, err error) {
	index, ticket, err := inference.TicketFromWire(w)
	if err == nil && index == 0 {
		return func() error { return nil }, nil
	}
	var counted func() error
	if err == nil {
		counted, err = s.book.reveal(index, ticket)
	}
	if err != nil {
		s.p.metrics.tickets.WithLabelValues("refused").Inc()
		return nil, inference.Errorf(inference.CodePaymentRequired, "ticket refused: %v", err)
	}
	return func() error {
		before := s.book.revealed()
		if err := counted(); err != nil {
			return err
		}
		if after := s.book.revealed(); after > before {
			s.p.metrics.revealed.Add(float64((after - before) * s.book.signed.TicketValue))
		} else {
			s.log.Debug("a ticket came again and pays nothing", "ticket", index)
		}
		s.p.metrics.tickets.WithLabelValues("ok").Inc()
		s.p.reached("ticket stored")
		if s.book.rich(s.p.config.RedeemAbove) {
			signal(s.p.redeem)
		}
		return nil
	}, nil
}

// listen reads the gateway's frames until the stream ends. It ends the answer
// on Cancel, on a false ticket, and when the gateway leaves.
func (s *session) listen(cancel context.CancelCauseFunc) {
	for {
		frame, err := s.conn.Receive()
		switch {
		case err != nil:
			cancel(errBroken)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			s.acked <- err
			return
		case frame.GetCancel() != nil:
			cancel(errCancelled)
		case frame.GetReveal() != nil:
			count, err := s.reveal(frame.GetReveal())
			if err == nil {
				err = count()
			}
			if err != nil {
				cancel(err)
				s.acked <- err
				return
			}
		default:
			err := inference.Errorf(inference.CodeInvalidRequest, "a second open on one stream")
			cancel(err)
			s.acked <- err
			return
		}
	}
}

// answer generates a text, or embeds some.
func (s *session) answer(ctx context.Context) (finish string, err error) {
	ctx, span := tracing.Engine(ctx)
	defer span.End()
	if s.request.Embed != nil {
		return s.embed(ctx)
	}
	return s.generate(ctx)
}

// generate runs the engine and sends each token when it may be sent.
func (s *session) generate(ctx context.Context) (finish string, err error) {
	job := Job{Request: s.request, Prompt: s.prompt, MaxTokens: s.limit, Scope: scope(s.book.signed.Payer, s.request)}
	sending := s.startSending()
	defer func() { err = errors.Join(err, sending.end()) }()
	return s.p.out.Engine.Generate(ctx, job, func(t Token) error {
		cached := 0
		if len(s.tokens) == 0 {
			cached = min(t.Cached, len(s.prompt))
			if err := s.book.discount(s.metered, uint64(cached)); err != nil {
				return err
			}
			s.cached = cached
		}
		owed, err := s.book.token(ctx, s.metered, s.p.exposure, s.p.config)
		if err != nil {
			return err
		}
		if len(s.tokens) == 0 {
			s.first = s.p.now()
			s.keepRequest()
			s.p.metrics.ttft.Observe(s.first.Sub(s.started).Seconds())
			tracing.FirstToken(ctx)
		}
		s.p.tally.token(s.p.now())
		s.tokens = append(s.tokens, t.ID)
		s.leaves = append(s.leaves, t.Leaf)
		if s.p.out.Model.Class == receipt.Statistical {
			s.chances = append(s.chances, chance(t))
		}
		if !t.Said.IsZero() {
			s.said = append(s.said, t.Said)
		}
		return sending.add(step{t, cached, owed})
	})
}

// scope is whose cache a request uses: the payer's, or the part of it that the
// request names.
func scope(payer string, q inference.Request) receipt.Digest {
	digest := receipt.Sum([]byte(payer))
	return receipt.Sum(append(digest[:], q.CacheScope...))
}

// send writes a frame, waiting no longer than a gateway may take to read.
func (s *session) send(f *inferencev1.ServerFrame) error {
	s.stream.SetWriteDeadline(time.Now().Add(s.p.config.WriteTimeout))
	return s.conn.Send(f)
}

func (s *session) count(outcome string) { s.p.metrics.requests.WithLabelValues(outcome).Inc() }
