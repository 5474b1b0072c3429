package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/receipts"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/internal/tracing"
	"github.com/koinon/koinon/receipt"
)

// call is one answer to be had.
type call struct {
	id         string      // of the HTTP request's answer
	key        string      // API key to charge
	caller     *pay.Caller // who pays in the key's place, or nil
	version    *version
	right      right // under which it is made, where the gateway pays
	vocabulary Vocabulary
	request    inference.Request
	prompt     []int32
	prefixes   []uint64 // of the prompt, as caches go by them
	// elsewhere says that there are providers left to go to.
	elsewhere bool
	// decoder has what was answered before, elsewhere; nil at the beginning.
	decoder *openai.Decoder
}

// answer is how a call ended.
type answer struct {
	provider string
	receipt  receipt.Digest
	finish   string
	stop     string // the stop string that ended it, or empty
	usage    tokenUsage
	vectors  [][]float32 // of embeddings
	cost     uint64      // ucredit, that the key pays
	earlier  []openai.Part
	// transcript is of the part that the receipt is of.
	transcript *receipt.Transcript
}

// tokenUsage counts what an answer took.
type tokenUsage struct{ prompt, cached, completion uint64 }

// Reasons why an attempt failed, apart from what the provider itself says
// ([inference.Error]).
var (
	errUnreachable = errors.New("the provider cannot be reached")
	errGone        = errors.New("the stream broke off")
	errSilent      = errors.New("the provider was silent for too long")
	errProtocol    = errors.New("the provider broke the protocol")
	errRecount     = errors.New("the provider counts the prompt otherwise")
	// errStore says that the gateway's own disk failed.
	errStore = errors.New("the gateway cannot store what it reveals")
)

// payment is how an attempt is paid: from the gateway's own wallet ([pay.Stream]),
// or by the caller ([pay.CallerStream]).
type payment interface {
	Grant() receipt.SignedGrant
	GrantID() receipt.Digest
	// Revealed is the highest ticket that may be shown.
	Revealed() (pay.Ticket, error)
	// Shown takes a ticket that the provider has, and refuses one that was never
	// revealed to it.
	Shown(pay.Ticket) error
	// Cached and Token count what arrived; Cost is what it owes, in ucredit.
	Cached(tokens uint64) error
	Token() error
	// Free says, before the first token, that the provider charges nothing.
	Free() error
	Cost() uint64
	// Charge is what of the cost the API key pays; Excuse, before the first token,
	// makes that nothing.
	Charge() uint64
	Excuse()
	// Pay is the next ticket, if there is one to reveal. Offered is closed when it
	// is worth asking again, though no token came; nil if never.
	Pay() (ticket pay.Ticket, due bool, err error)
	Offered() <-chan struct{}
	// Finish, Break, End and Pardon end the request: whole, broken off, by a client
	// that left, or with a false receipt.
	Finish(*store.Receipt) (pay.Due, error)
	Break(*store.Receipt) error
	End() (ticket pay.Ticket, due bool, err error)
	Pardon(r *store.Receipt, reason string) error
	// Retire takes the grant out of use.
	Retire(reason string) error
}

// purse begins to pay for a call.
func (g *Gateway) purse(c *call, o pay.Order) (payment, error) {
	if c.caller != nil {
		return c.caller.Start(o)
	}
	return g.wallet.Start(o)
}

// attempt is one try of a call at one provider.
type attempt struct {
	*Gateway
	call    *call
	offer   *offer
	request inference.Request // with the offer's price as the bound
	body    []byte            // its JSON
	pay     payment
	stream  Stream
	conn    *inference.GatewayConn
	claim   func() bool // asks, at the first token, whether to go on; nil: yes
	emit    func(openai.Delta) error

	begun   time.Time
	first   time.Time // token
	output  []int32
	vectors [][]float32
	decoder *openai.Decoder
	cached  uint64
	seed    receipt.Seed   // once the provider has accepted
	named   receipt.Digest // a good receipt of an answer that broke off
	// convicted says that the receipt was false.
	convicted bool
}

// try asks one provider for an answer.
func (g *Gateway) try(ctx context.Context, c *call, o *offer, fresh bool, claim func() bool, emit func(openai.Delta) error) outcome {
	a := &attempt{Gateway: g, call: c, offer: o, request: c.request, claim: claim, emit: emit, begun: g.now(), decoder: c.decoder}
	if a.decoder == nil {
		a.decoder = openai.NewDecoder(c.vocabulary, c.request.Stop)
	}
	result, err := a.answer(ctx, fresh)
	return outcome{result, o, a.output, a.decoder, a.seed, err}
}

// answer pays for what it gets, however that ends.
func (a *attempt) answer(ctx context.Context, fresh bool) (result answer, err error) {
	g, c, o := a.Gateway, a.call, a.offer
	a.request.MaxPrice, a.request.CacheScope = inference.Bound(o.price), cacheScope(c.key)
	if a.body, err = a.request.Encode(); err != nil {
		return answer{}, err
	}
	a.pay, err = g.purse(c, pay.Order{
		Provider: o.provider, Model: c.version.digest, Price: o.price,
		Prompt: uint64(len(c.prompt)), Limit: max(1, uint64(c.request.MaxTokens)), Key: c.key, Fresh: fresh,
		Right: c.right.name, Metered: c.right.metered, Calls: c.right.calls(),
		Resumed: len(c.request.Resume) > 0,
	})
	if err != nil {
		return answer{}, err
	}
	o.lane.Begin(g.now())
	defer o.lane.End()

	var span tracing.Span
	ctx, span = generation(a.request).Ask(ctx, o.provider)
	result, err = a.run(ctx)
	failure := ""
	if err != nil {
		failure = reason(err)
	}
	tracing.End(span, len(c.prompt), len(a.output), result.finish, failure)
	// Does nothing where the answer ended well.
	if broken := a.pay.Break(nil); broken != nil {
		err = errors.Join(err, errStore, broken)
	}
	if a.convicted && !errors.Is(err, receipts.ErrFalse) {
		err = fmt.Errorf("%w, after %w", receipts.ErrFalse, err)
	}
	if result.provider, result.cost = o.provider, a.pay.Charge(); err != nil {
		result.receipt = a.named
	}
	if !result.receipt.IsZero() {
		result.transcript = a.transcript()
	}
	return result, err
}

// transcript is what an audit of the answer needs; nil of embeddings.
func (a *attempt) transcript() *receipt.Transcript {
	if a.request.Embed != nil {
		return nil
	}
	return &receipt.Transcript{Request: string(a.body), Output: append([]int32{}, a.output...)}
}

// cacheScope keeps API keys from learning what others asked, by what of it is
// cached. Providers see a pseudonym of the key.
func cacheScope(key string) string {
	return receipt.Sum([]byte("koinon/cache-scope/" + key)).Hex()[:32]
}

// run opens the stream, takes the answer and ends the stream one way or another.
func (a *attempt) run(ctx context.Context) (answer, error) {
	dial, cancel := context.WithTimeout(ctx, a.config.FirstToken)
	defer cancel()
	var err error
	if a.stream, err = a.network.Open(dial, a.offer.peer); err != nil {
		if ctx.Err() != nil {
			return answer{}, openai.ErrClient
		}
		a.offer.lane.SetReach(route.Dead)
		return answer{}, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	a.conn = inference.NewGatewayConn(a.stream)
	// A client that leaves wakes whoever reads.
	stop := context.AfterFunc(ctx, func() { _ = a.stream.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	payer := a.startPaying()
	done, err := a.converse(ctx, payer)
	if failure := payer.stop(); failure != nil {
		err = failure
	}
	if err != nil {
		a.abandon(err)
		return answer{}, err
	}
	return a.conclude(done)
}

// converse sends the request and takes everything up to Done.
func (a *attempt) converse(ctx context.Context, payer *payer) (*inferencev1.Done, error) {
	if err := a.open(tracing.Parent(ctx)); err != nil {
		return nil, err
	}
	for {
		frame, err := a.receive(ctx)
		if err != nil {
			return nil, err
		}
		if a.seed.Origin == "" && frame.GetAccepted() == nil && frame.GetError() == nil {
			return nil, fmt.Errorf("%w: it answers what it has not accepted", errProtocol)
		}
		switch f := frame.Frame.(type) {
		case *inferencev1.ServerFrame_Accepted:
			if err := a.accepted(f.Accepted); err != nil {
				return nil, err
			}
		case *inferencev1.ServerFrame_Tokens:
			if err := a.tokens(f.Tokens); err != nil {
				return nil, err
			}
			payer.wake()
		case *inferencev1.ServerFrame_Vectors:
			if err := a.embedded(f.Vectors.Vectors); err != nil {
				return nil, err
			}
		case *inferencev1.ServerFrame_Done:
			if e := a.request.Embed; e != nil && len(a.vectors) != e.Len() {
				return nil, fmt.Errorf("%w: %d vectors of %d texts", errProtocol, len(a.vectors), e.Len())
			}
			return f.Done, nil
		case *inferencev1.ServerFrame_Error:
			return nil, inference.ErrorFromWire(f.Error)
		}
	}
}

// generation is what a trace says of a request.
func generation(r inference.Request) tracing.Generation {
	return tracing.Generation{
		Model: r.Model.String(), Embedding: r.Embed != nil, MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopP: r.TopP,
	}
}

// open sends the request with its grant and the last ticket.
func (a *attempt) open(traceParent string) error {
	ticket, err := a.pay.Revealed()
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	grant := a.pay.Grant()
	var owner []byte
	if a.call.caller == nil { // a caller takes its grant to other gateways, too
		owner = a.owner(a.pay.GrantID())
	}
	err = a.send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Open{Open: &inferencev1.Open{
		Grant:          inference.GrantToWire(grant.Grant),
		GrantSignature: grant.Signature,
		Request:        a.body,
		Reveal:         inference.TicketToWire(ticket.Index, ticket.Preimage),
		TraceParent:    traceParent,
		Owner:          owner,
		Process:        a.process,
	}}})
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// owner is what a provider knows this gateway by, on one grant, after a crash, too:
// a secret that nobody else can make.
func (g *Gateway) owner(grant receipt.Digest) []byte {
	secret := receipt.Sum(slices.Concat([]byte("koinon owner of a grant"), g.signer.Seed(), grant[:]))
	return secret[:]
}

// sendWithin bounds the sending of one frame: they are small, and a provider
// that does not read them is not worth waiting for.
const sendWithin = 10 * time.Second

func (a *attempt) send(frame *inferencev1.ClientFrame) error {
	if err := a.stream.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
		return err
	}
	return a.conn.Send(frame)
}

// patience is how long the first token may take: where another can answer in its
// place, no longer than is usual, by far.
func (a *attempt) patience() time.Duration {
	if !a.call.elsewhere || a.request.Embed != nil {
		return a.config.FirstToken
	}
	return route.Patience(a.offer.lane, a.peers.waits(a.call.version.digest), len(a.call.prompt), a.config.FirstToken)
}

// receive reads one frame in the time that the provider has.
func (a *attempt) receive(ctx context.Context) (*inferencev1.ServerFrame, error) {
	limit := a.config.NextToken
	if len(a.output) == 0 {
		limit = a.patience()
	}
	if err := a.stream.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	if ctx.Err() != nil { // its AfterFunc may have run before the line above
		return nil, openai.ErrClient
	}
	frame, err := a.conn.Receive()
	switch {
	case err == nil:
		return frame, nil
	case ctx.Err() != nil:
		return nil, openai.ErrClient
	case errors.Is(err, os.ErrDeadlineExceeded):
		if len(a.output) == 0 {
			a.offer.lane.Silent(a.now(), limit)
		}
		return nil, errSilent
	case errors.Is(err, inference.ErrFrame), errors.Is(err, inference.ErrFrameTooLarge):
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return nil, fmt.Errorf("%w: %w", errGone, err)
}

// accepted compares the provider's count of the prompt with the gateway's own, and
// checks the seed that they drew together.
func (a *attempt) accepted(f *inferencev1.Accepted) error {
	if a.seed.Origin != "" {
		return fmt.Errorf("%w: it accepted twice", errProtocol)
	}
	digest := receipt.TokensDigest(a.call.prompt)
	if int(f.PromptTokens) != len(a.call.prompt) || string(f.PromptDigest) != string(digest[:]) {
		return fmt.Errorf("%w: %d tokens, not %d, or others", errRecount, f.PromptTokens, len(a.call.prompt))
	}
	a.seed = receipt.NameSeed(a.request.Seed)
	if !a.request.Nonce.IsZero() {
		lot, err := a.lots.Prove(a.offer.peer.Key, f.SeedProof, a.pay.GrantID())
		if err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		a.seed = lot.Seed(a.request.Nonce)
	}
	if err := a.shown(f.Revealed); errors.Is(err, inference.ErrCap) {
		return inference.Errorf(inference.CodePaymentRequired, "%v", err) // on this grant
	} else if err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	if !f.Free {
		return nil
	}
	if err := a.pay.Free(); err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	return nil
}

// shown takes the ticket that the provider has, where this gateway may have lost
// its last moments.
func (a *attempt) shown(f *inferencev1.Reveal) error {
	index, preimage, err := inference.TicketFromWire(f)
	if err != nil || index == 0 {
		return err
	}
	return a.pay.Shown(pay.Ticket{Index: index, Preimage: preimage})
}

// tokens counts what arrived, turns it into text and passes it on.
func (a *attempt) tokens(f *inferencev1.Tokens) error {
	if f.CachedTokens > 0 {
		if err := a.pay.Cached(uint64(f.CachedTokens)); err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		a.cached = uint64(f.CachedTokens)
	}
	d := openai.Delta{Provider: a.offer.provider, Cached: a.cached}
	for _, t := range f.Tokens {
		if _, ok := a.call.vocabulary.Piece(int32(t.Id)); t.Id > math.MaxInt32 || !ok {
			return fmt.Errorf("%w: token %d is not in the vocabulary", errProtocol, t.Id)
		}
		if len(a.output) >= int(a.call.request.MaxTokens) {
			return fmt.Errorf("%w: more tokens than were asked for", errProtocol)
		}
		if len(a.output) == 0 {
			a.began()
			if a.claim != nil && !a.claim() {
				a.pay.Excuse()
				return fmt.Errorf("%w: %w", openai.ErrClient, errors.Join(errLost, a.pay.Token()))
			}
		}
		if err := a.pay.Token(); err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		a.output = append(a.output, int32(t.Id))
		d.Text += a.decoder.Push(int32(t.Id))
		d.Tokens = append(d.Tokens, t)
	}
	if len(d.Tokens) == 0 {
		return nil
	}
	if err := a.emit(d); err != nil {
		return fmt.Errorf("%w: %w", openai.ErrClient, err)
	}
	return nil
}

// began notes how long the first token took.
func (a *attempt) began() {
	a.first = a.now()
	took := a.first.Sub(a.begun)
	a.offer.lane.Answered(a.first, took)
	a.peers.waits(a.call.version.digest).Note(took)
	a.metrics.firstToken.Observe(took.Seconds())
}

// conclude checks the receipt of a whole answer and settles.
func (a *attempt) conclude(done *inferencev1.Done) (answer, error) {
	stored, r, err := a.judge(done.Receipt, false)
	if err != nil {
		a.convict(stored, err)
		_ = a.stream.Reset()
		return answer{}, err
	}
	if rest := a.decoder.Flush(); rest != "" {
		if err := a.emit(openai.Delta{Provider: a.offer.provider, Text: rest}); err != nil {
			a.log.Debug("the client left at the end", "request", a.call.id) // the answer is whole, and owed
		}
	}
	if err := a.settle(stored); err != nil {
		return answer{}, err
	}
	a.learn()
	return answer{
		provider: a.offer.provider, receipt: r.Hash(), finish: r.FinishReason, stop: a.decoder.Stopped(),
		vectors: a.vectors, usage: tokenUsage{uint64(len(a.call.prompt)), a.cached, uint64(len(a.output))},
	}, nil
}

// learn notes how fast the provider was, and what is in its cache now.
func (a *attempt) learn() {
	now := a.now()
	a.offer.lane.Finished(now, len(a.output), now.Sub(a.first), now.Sub(a.begun))
	a.affinity.Remember(a.call.prefixes, a.offer.lane, true)
}
