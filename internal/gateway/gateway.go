// Package gateway serves OpenAI's HTTP API from providers that it finds on the
// ledger, pays by the token and checks by their receipts.
//
// The ledger is never in a request's path: offers are polled, grants are signed
// off it, and only deposits are transactions of the gateway's own. What an
// answer says is decoded here from token ids; nothing but those, their
// log-probabilities and the receipt is taken from a provider.
package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/once"
	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/receipts"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/route"
)

// Surroundings are what a gateway works with.
type Surroundings struct {
	Ledger       Ledger
	Network      Network
	Vocabularies Vocabularies
	// Gossip hears providers' heartbeats; nil for a gateway that goes by what it
	// sees itself.
	Gossip Gossip
	Log    *slog.Logger
	// Pages, unless nil, are served at all paths that the API does not have.
	Pages http.Handler
	// Version is the program's, for GET /version.
	Version string
	// Registry takes the gateway's metrics, and is what GET /metrics shows; nil for
	// one of its own.
	Registry *prometheus.Registry
	// Now is the clock for grants, receipts and suspensions; nil for the
	// system's.
	Now func() time.Time
}

// Gateway is one gateway on its home directory.
type Gateway struct {
	config  Config
	ledger  Ledger
	network Network
	log     *slog.Logger
	pages   http.Handler // nil for none
	version string
	now     func() time.Time
	process uint64 // tells this run from earlier ones

	signer       ed25519.PrivateKey // of grants
	lock         *store.Lock
	store        *store.Store
	wallet       *pay.Wallet
	budgets      *keys.Budgets
	ring         *keys.Ring
	rates        *keys.Rates
	callers      *pay.Callers
	directory    *directory
	peers        *peerBook
	affinity     *route.Affinity
	heartbeats   *heartbeat.Listener
	ear          io.Closer // ends the hearing of them
	vocabularies *vocabularyCache
	metrics      *metrics
	known        *receipts.Known
	lots         receipts.Lots  // of seeds
	settling     sync.WaitGroup // ends of answers that are on their way to the disk
	unstored     atomic.Bool    // the last of them could not be stored
	concurrency  *concurrency
	once         *once.Keeper
	funded       atomic.Bool // the escrow was in order when last looked at

	life context.Context // ends with Close
	end  context.CancelFunc
}

// Open prepares a gateway: it takes its home directory, resumes its wallet and
// listens to nothing yet. A second start finds everything as the first left it,
// however that ended.
func Open(ctx context.Context, c Config, s Surroundings) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Registry == nil {
		s.Registry = prometheus.NewRegistry()
	}
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return nil, fmt.Errorf("making the gateway's home: %w", err)
	}
	g := &Gateway{
		config: c, ledger: s.Ledger, network: s.Network, log: s.Log, version: s.Version, pages: s.Pages, now: s.Now,
		process: rand.Uint64() | 1, // 0 would be none
		budgets: keys.NewBudgets(), rates: keys.NewRates(), peers: newPeerBook(), affinity: &route.Affinity{},
		metrics: newMetrics(s.Registry), concurrency: newConcurrency(c.MaxInFlight),
	}
	g.heartbeats = heartbeat.NewListener(c.ChainID, g.providerKey, s.Now)
	g.directory = &directory{ledger: s.Ledger, peers: g.peers, now: s.Now, scores: scores{}, log: s.Log}
	var err error
	if g.lock, err = store.Acquire(ctx, filepath.Join(c.Home, "gateway.lock")); err != nil {
		return nil, err
	}
	if err := g.load(ctx); err != nil {
		return nil, errors.Join(err, g.lock.Close())
	}
	g.metrics.open(g.wallet)
	g.life, g.end = context.WithCancel(context.WithoutCancel(ctx))
	g.vocabularies = newVocabularyCache(g.life, s.Vocabularies, c.Probe, s.Now)
	if g.ear, err = g.listen(s.Gossip); err != nil {
		g.end()
		return nil, errors.Join(err, g.store.Close(), g.lock.Close())
	}
	return g, nil
}

// load opens what lies in the home directory.
func (g *Gateway) load(ctx context.Context) error {
	var err error
	if g.signer, err = grantKey(g.config.Home); err != nil {
		return err
	}
	if g.store, err = OpenStore(ctx, g.config.Home); err != nil {
		return err
	}
	g.ring, g.known = keys.NewRing(g.store, g.now), receipts.NewKnown(storedReceipts{g.store})
	g.callers = pay.NewCallers(g.store, g.now)
	c := g.config
	g.wallet, err = pay.Open(ctx, pay.Config{
		ChainID: c.ChainID, Payer: g.ledger.Payer(), App: c.App, TicketValue: c.TicketValue, Cap: c.GrantCap,
		MaxTickets: c.MaxTickets, Lifetime: c.GrantLifetime, RevealEvery: c.RevealEvery,
	}, g.store, g.signer, g.log, g.now)
	if err != nil {
		return errors.Join(err, g.store.Close())
	}
	g.once = once.NewKeeper(g.store, g.log, g.now)
	suspensions, err := g.store.Suspensions(ctx, g.now())
	if err != nil {
		return errors.Join(err, g.store.Close())
	}
	for _, s := range suspensions {
		g.peers.provider(s.Provider).Suspend(s.Until)
	}
	return nil
}

// OpenStore opens the database of the gateway whose home is given, beside a
// gateway that runs there or without one: `koinon keys` makes keys with it.
func OpenStore(ctx context.Context, home string) (*store.Store, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("making the gateway's home: %w", err)
	}
	return store.Open(ctx, filepath.Join(home, storeName))
}

// storeName is the database's file in a gateway's home.
const storeName = "gateway.db"

// HasStore says whether a folder is a gateway's home.
func HasStore(home string) bool {
	_, err := os.Stat(filepath.Join(home, storeName))
	return err == nil
}

// Store is the gateway's database, for the making of keys.
func (g *Gateway) Store() *store.Store { return g.store }

// Close ends what runs in the background and releases the home directory.
func (g *Gateway) Close() error {
	g.end()
	g.settling.Wait()
	return errors.Join(g.ear.Close(), g.store.Close(), g.lock.Close())
}

// Run serves at the configured address until the context ends. Ready, if not nil, is
// called with the address once requests are taken.
func (g *Gateway) Run(ctx context.Context, ready func(net.Addr)) error {
	listener, err := net.Listen("tcp", g.config.Listen)
	if err != nil {
		return fmt.Errorf("listening for the API: %w; choose another address with listen", err)
	}
	if ready != nil {
		ready(listener.Addr())
	}
	return g.Serve(ctx, listener)
}

// Serve answers requests and works in the background until the context ends;
// running answers then have a while to finish.
func (g *Gateway) Serve(ctx context.Context, listener net.Listener) error {
	background, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { g.watch(background) })
	wg.Go(func() { g.keepFunded(background) })
	wg.Go(func() { g.accuse(background) })

	err := g.endpoints().Serve(ctx, listener, g.Handler(), g.config.Shutdown, sendWithin)
	stop()
	wg.Wait()
	return err
}
