// Package provider sells inference: it serves one model version to gateways
// over /koinon/inference/1, is paid with tickets while it streams, signs
// receipts, and collects on the ledger.
//
// What it must not forget is on disk before it acts on it: a grant before it is
// activated, a ticket before more is served on it, a receipt before it leaves.
// After a crash it resumes from there; what the ledger has done meanwhile it
// asks the ledger. See [Config] for what an owner decides, and package
// inference for the books that it keeps with each gateway.
package provider

import (
	"context"
	"crypto/cipher"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/receipt"
)

// Outside is what a provider works with. Every field but Metrics, Gossip and
// Version is needed.
type Outside struct {
	Ledger Ledger
	Engine Engine
	Model  Model
	// Key signs receipts; the provider's peer identity derives from it.
	Key ed25519.PrivateKey
	// Addrs are the libp2p multiaddrs at which gateways reach it, without /p2p.
	Addrs   func() []string
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Gossip publishes a heartbeat; nil for none. Version is the program's.
	Gossip  func(ctx context.Context, message []byte) error
	Version string
}

// Provider serves one model version. Create it with [New], hand it streams with
// [Provider.Handle], and let [Provider.Run] do the rest.
type Provider struct {
	config  Config
	out     Outside
	store   *store
	seal    cipher.AEAD // of evidence
	metrics *metrics
	tally   tally
	pulse   pulse
	log     *slog.Logger
	now     func() time.Time

	params   escrowv1.Params // of the ledger, read once in Run
	exposure *exposure
	streams  chan struct{} // a semaphore
	lookups  chan struct{} // a semaphore on questions to the ledger
	admits   singleflight.Group
	activate chan struct{} // wakes the activation loop
	redeem   chan struct{} // wakes the redemption loop
	standing chan struct{} // wakes the loop that tells the ledger of pauses
	leaving  chan struct{} // ends Run

	base    context.Context // of every stream; ends when draining ends
	stop    context.CancelCauseFunc
	serving sync.WaitGroup

	mu       sync.Mutex
	ready    bool // registered; grants may be admitted
	draining bool
	paused   string        // why; empty if it is not
	price    receipt.Price // that is asked; the configured one, or what shareholders allow
	dear     bool          // it is above what shareholders allow
	books    map[receipt.Digest]*book
	opening  map[receipt.Digest]*book // not yet on disk

	// reached is called at named points between a store and what follows;
	// tests end the provider there.
	reached func(point string)
}

// New opens the provider's database and resumes its grants. [Provider.Close]
// releases it.
func New(config Config, out Outside) (*Provider, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	m, err := newMetrics(out.Metrics)
	if err != nil {
		return nil, err
	}
	seal, err := sealer(out.Key)
	if err != nil {
		return nil, err
	}
	s, err := openStore(config.Home)
	if err != nil {
		return nil, err
	}
	base, stop := context.WithCancelCause(context.Background())
	p := &Provider{
		config: config, out: out, store: s, seal: seal, metrics: m, now: time.Now,
		log:      out.Log.With("provider", out.Ledger.Address()),
		exposure: newExposure(config.InitialExposure),
		streams:  make(chan struct{}, config.MaxStreams),
		lookups:  make(chan struct{}, 8),
		activate: make(chan struct{}, 1),
		redeem:   make(chan struct{}, 1),
		standing: make(chan struct{}, 1),
		leaving:  make(chan struct{}, 1),
		base:     base, stop: stop,
		books:   map[receipt.Digest]*book{},
		opening: map[receipt.Digest]*book{},
		price:   config.Price,
		reached: func(string) {},
	}
	if err := p.resume(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return p, nil
}

// resume opens the books that the database holds. What a grant that is still
// pending was served counts against its payer's exposure, as before.
func (p *Provider) resume() error {
	records, err := p.store.open(p.base)
	if err != nil {
		return err
	}
	for _, r := range records {
		b, err := newBook(r, p.store)
		if err != nil {
			return fmt.Errorf("resuming grant %s: %w", r.signed.ID().Hex(), err)
		}
		if served := b.meter.Owed(); b.state == pending && p.exposure.take(b.signed.Payer, served) {
			b.provisional = served
		}
		p.books[b.id] = b
	}
	if len(records) > 0 {
		p.log.Info("resumed grants", "count", len(records))
	}
	return nil
}

// Close releases the database. Streams still running fail.
func (p *Provider) Close() error {
	p.stop(errDrained)
	p.serving.Wait()
	return errors.Join(p.leaveBooks(), p.store.Close())
}

// leaveBooks writes each open book as it is, so that the next process goes on
// where this one stopped.
func (p *Provider) leaveBooks() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.books {
		if err := b.leave(); err != nil {
			return err
		}
	}
	return nil
}

// Run registers the provider and its offer, settles with the ledger what a
// crash left open, and then activates and redeems until ctx ends. It drains:
// streams that run may end within the configured time, then what they earned is
// redeemed. It returns nil after that, and an error only if the provider cannot
// go on.
func (p *Provider) Run(ctx context.Context) error {
	if err := p.register(ctx); err != nil {
		return err
	}
	if err := p.reconcile(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.ready = true
	p.mu.Unlock()

	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	loops.Go(func() { p.activateLoop(work) })
	loops.Go(func() { p.redeemLoop(work) })
	loops.Go(func() { p.standingLoop(work) })
	loops.Go(func() { p.beatLoop(work) })
	loops.Go(func() { p.followAddrs(work) })
	loops.Go(func() { p.followCeiling(work) })
	loops.Go(func() { p.forgetLoop(work) })
	loops.Go(func() { p.dutyLoop(work) })
	var fatal error
	select {
	case <-ctx.Done():
	case <-p.leaving:
	case <-p.store.failed:
		fatal = p.store.failure
		p.log.Error("the database failed: no more is served", "error", fatal)
	}
	cancel()
	loops.Wait()
	p.drain(ctx)
	if fatal != nil {
		return fatal
	}
	final, done := context.WithTimeout(context.WithoutCancel(ctx), p.config.DrainTimeout)
	defer done()
	p.settle(final)
	return nil
}

// settle collects what was earned. What was served before its grant was active,
// perhaps a moment ago, waits for the activation.
func (p *Provider) settle(ctx context.Context) {
	p.redeemDue(ctx, true)
	if !p.earnedPending() {
		return
	}
	for wait := 250 * time.Millisecond; !p.activatePending(ctx); wait = min(2*wait, 5*time.Second) {
		select {
		case <-ctx.Done():
			p.log.Warn("stopped before the ledger took a grant: start again before it expires to be paid")
			return
		case <-time.After(wait):
		}
	}
	p.redeemDue(ctx, true)
}

// earnedPending says whether a grant that is not active yet holds earnings.
func (p *Provider) earnedPending() bool {
	return slices.ContainsFunc(p.inState(pending), func(b *book) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.unredeemed() > 0
	})
}

// drain refuses new requests, here and on the ledger, and waits for those that
// run.
func (p *Provider) drain(ctx context.Context) {
	p.Drain()
	done := make(chan struct{})
	go func() { p.bow(ctx); p.serving.Wait(); close(done) }()
	timer := time.NewTimer(p.config.DrainTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.log.Warn("requests were still running when draining ended")
	case <-p.store.failed:
	}
	p.stop(errDrained)
	<-done
}

// maxAmount bounds a grant's cap: SQLite's integers have a sign.
const maxAmount = math.MaxInt64

// retry calls try until it succeeds, ctx ends, or the error is one that time
// does not mend; it waits longer each time, up to a bound.
func (p *Provider) retry(ctx context.Context, what string, try func() error) error {
	wait := 200 * time.Millisecond
	for {
		err := try()
		if err == nil || errors.Is(err, errHopeless) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.log.Warn(what+" failed, trying again", "error", err, "in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", what, err)
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// errHopeless marks errors that trying again does not mend.
var errHopeless = errors.New("only the owner can mend this")
