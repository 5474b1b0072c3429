// Package process joins a provider's parts, ledger, engine, network and
// weights, into what `koinon provide` runs and a devnet runs several of.
package process

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/defend"
	"github.com/koinon/koinon/internal/provider/forecast"
	"github.com/koinon/koinon/internal/provider/holder"
	"github.com/koinon/koinon/internal/provider/onledger"
	"github.com/koinon/koinon/internal/provider/schedule"
	"github.com/koinon/koinon/internal/region"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// Config is a provider on its own.
type Config struct {
	provider.Config `yaml:",inline"`
	// Ledger is the gRPC address of a node of the ledger.
	Ledger string `yaml:"ledger"`
	// KeyFile holds the provider's account. Default account.json in home; made
	// if it is not there, and then it must be given KOIN before it can bond.
	KeyFile string `yaml:"key_file"`
	// Listen are the libp2p multiaddrs to serve at. Default QUIC and TCP on all
	// interfaces, on ports of the system's choice that are kept in home.
	Listen []string `yaml:"listen"`
	// Bootstrap are peers by which others are found, as multiaddrs that end in
	// /p2p/ID. None: only those are found who are on the ledger.
	Bootstrap []string `yaml:"bootstrap"`
	// Traverse makes the provider reachable behind NAT: it asks peers how they see
	// it, its router for a port, and keeps places at relays.
	Traverse bool `yaml:"traverse"`
	// Relays are where it keeps a place while it cannot be reached, as multiaddrs
	// that end in /p2p/ID. Default: the bootstrap peers, if it may traverse NATs.
	Relays []string `yaml:"relays"`
	// ServeRelay keeps places for others; it must be reachable itself.
	ServeRelay bool `yaml:"serve_relay"`
	// Reachability is "public" or "private" where that is known; by default it is
	// found out.
	Reachability p2p.Reachability `yaml:"reachability"`
	// Weights is the GGUF file to serve. Without it the version named by Model
	// is fetched from the providers who offer it.
	Weights string `yaml:"weights"`
	// Plain is an address such as :0 at which whole files are served in plain HTTP
	// too, several times faster than by libp2p. Default: none.
	Plain string `yaml:"plain"`
	// Hold are pins to accept and to answer for, as for all that the account holds;
	// their weights must be in home/weights.
	Hold []uint64 `yaml:"hold"`
	// Model is the digest of a registered version, "sha256:…"; with Upstream, the
	// engine's name for its model.
	Model string `yaml:"model"`
	// Upstream is the base URL of an engine that runs already and serves OpenAI's
	// API, http://127.0.0.1:11434/v1; empty to serve with the reference engine.
	// Weights is then the file that it serves, if it does not say so itself.
	Upstream string `yaml:"upstream"`
	// UpstreamKey is that engine's API key, if it wants one.
	UpstreamKey string `yaml:"upstream_key"`
	// UpstreamSeeded says that the engine is vLLM with the logits processor of
	// deploy/vllm, so that its answers can be judged above temperature 0.
	UpstreamSeeded bool `yaml:"upstream_seeded"`
	// UpstreamStall is the longest silence of that engine. Default 2m.
	UpstreamStall time.Duration `yaml:"upstream_stall"`
	// Context bounds prompt and answer together, in tokens, at an engine that runs
	// already. Default what it says, and at most what the model has.
	Context int `yaml:"context"`
	// Name, Version and License name the version that Weights becomes. They
	// default to the file's own name and license, and to 1, or 1-statistical where
	// an engine runs already.
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	License string `yaml:"license"`
	// Threads for each answer. Default: the machine's cores.
	Threads int `yaml:"threads"`
	// Queue is how many requests may wait for a slot. Default 64.
	Queue int `yaml:"queue"`
	// Pricing is how the price is found: auto, market or break-even, as
	// [forecast.Propose] has it. Empty for the price given.
	Pricing string `yaml:"pricing"`
	// PowerCost is what electricity costs, in ucredit for a kWh. Default 200,000.
	PowerCost uint64 `yaml:"power_cost"`
	// PowerWatts is what the machine draws while it serves. Default a guess from
	// its processors.
	PowerWatts uint64 `yaml:"power_watts"`
	// Schedule are the hours, in the local time zone, at which it serves, as
	// [schedule.Parse] reads them. Default: always.
	Schedule string `yaml:"schedule"`
	// Program is the program's version.
	Program string `yaml:"-"`
	// MetricsAddr is where metrics and readiness are served, host:port. Default
	// loopback, at any port; instruments.json in home says which.
	MetricsAddr string `yaml:"metrics_addr"`
}

// withDefaults fills in what is zero and the process needs.
func (c Config) withDefaults() Config {
	c.Threads = cmp.Or(c.Threads, runtime.NumCPU())
	c.Queue = cmp.Or(c.Queue, 64)
	c.Slots = cmp.Or(c.Slots, 4)
	if c.Upstream != "" {
		c.Version = cmp.Or(c.Version, "1-statistical") // beside the same weights' exact version
	}
	c.Version = cmp.Or(c.Version, "1")
	return c
}

// Info is what a provider that serves is known by.
type Info struct {
	Address string         // its account
	Model   provider.Model // what it serves
	Peer    p2p.Peer       // where
	Price   receipt.Price  // in ucredit for 1,000,000 tokens
	// Status is what it does now; it asks the ledger.
	Status func(context.Context) Status
}

// Run serves until the context ends, then drains and redeems. Ready, if not
// nil, is called when the engine is loaded and the provider is about to register.
func Run(ctx context.Context, c Config, log *slog.Logger, ready func(Info)) (err error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return err
	}
	ledger, key, err := account(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	identity, err := Identity(filepath.Join(c.Home, "identity.pem"))
	if err != nil {
		return err
	}
	host, err := join(c, p2p.Config{
		Key: identity, Logger: log, Bootstrap: c.Bootstrap, Relays: c.Relays, ServeRelay: c.ServeRelay,
		Traverse: c.Traverse, Reachability: c.Reachability,
	}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	store, err := weights.Open(filepath.Join(c.Home, "weights"))
	if err != nil {
		return err
	}
	swarm := weights.Join(host, store, weights.Limits{})
	defer func() { err = errors.Join(err, swarm.Close()) }()
	if c.Plain != "" {
		if err := swarm.ServePlain(c.Plain); err != nil {
			return fmt.Errorf("plain: %w", err)
		}
	}

	g, err := obtain(ctx, c, ledger, store, swarm, log)
	if err != nil {
		return err
	}
	if c.Price, err = priced(ctx, c, ledger, key.Address(), g.model, g.engine, log); err != nil {
		return err
	}
	return serve(ctx, c, log, host, ledger, key, identity, store, g, ready)
}

// check finds what cannot work before anything is measured, fetched or joined.
func (c Config) check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", provider.ErrConfig, fmt.Errorf(format, args...))
	}
	if c.Home == "" {
		return wrong("home is missing")
	}
	if _, err := schedule.Parse(c.Schedule); err != nil {
		return wrong("schedule: %w", err)
	}
	if !slices.Contains([]string{"", forecast.Auto, forecast.AtMarket, forecast.AtBreakEven}, c.Pricing) {
		return wrong("price: it is %s, %s or %s, not %q", forecast.Auto, forecast.AtMarket, forecast.AtBreakEven, c.Pricing)
	}
	if c.Region != "" && !region.Valid(c.Region) {
		return wrong("region: it is a country such as DE, or a part of one such as US-CA (ISO 3166), not %q", c.Region)
	}
	return nil
}

// accountFile is where the provider's account is, or will be.
func accountFile(c Config) string { return cmp.Or(c.KeyFile, filepath.Join(c.Home, "account.json")) }

func account(ctx context.Context, c Config) (*client.Client, client.Key, error) {
	key, err := client.LoadKey(accountFile(c), "provider")
	if err != nil {
		return nil, client.Key{}, err
	}
	ledger, err := client.Dial(ctx, c.Ledger, "")
	return ledger, key, err
}

// accusations is how often the court is asked for them.
const accusations = 5 * time.Second

func serve(ctx context.Context, c Config, log *slog.Logger, host *p2p.Host, ledger *client.Client, key client.Key,
	identity ed25519.PrivateKey, store *weights.Store, g goods, ready func(Info),
) (err error) {
	registry := instrument.Registry(c.Program)
	talk, hush := context.WithCancel(context.WithoutCancel(ctx))
	defer hush()
	topic, err := gossip(talk, host, ledger, key.Address(), identity.Public().(ed25519.PublicKey), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, topic.Close()) }()
	p, err := provider.New(c.Config, provider.Outside{
		Ledger: onledger.New(ledger, key), Model: g.model, Key: identity, Addrs: host.Addrs, Log: log, Metrics: registry,
		Engine: g.engine, Gossip: topic.Publish, Version: c.Program,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	host.Handle(inference.Protocol, func(s p2p.Stream, _ ed25519.PublicKey) { p.Handle(s) })
	defer host.Unhandle(inference.Protocol)
	o := &operator{provider: p, ledger: ledger, now: time.Now, about: Status{
		Address: key.Address(), Model: g.model.Name + "@" + g.model.Version, Digest: g.model.Digest.String(), Price: c.Price,
	}}
	if o.hours, err = schedule.Parse(c.Schedule); err != nil {
		return err
	}
	registry.MustRegister(
		instrument.Account(func(ctx context.Context) (uint64, uint64, error) { return ledger.Holds(ctx, key.Address()) }), figures(o.status),
	)
	watched := instrument.Role{Name: "provider", Home: c.Home, Version: c.Program, Account: key.Address(), Ready: o.ready}
	unwatch, err := instrument.Serve(cmp.Or(c.MetricsAddr, instrument.DefaultListen), watched, registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unwatch()) }()
	leave, err := o.attend(ctx, c.Home, log)
	if err != nil {
		return err
	}
	defer leave()
	if !host.AwaitAddr(ctx, 10*time.Second) {
		log.Warn("this provider has no address where others reach it yet: no relay keeps a place for it, and it listens nowhere")
	}
	// Accusations and draws of pins are answered while it drains, too: their deadlines
	// do not wait.
	defence := defend.New(onledger.New(ledger, key), p.Evidence, g.weights(), c.Threads, log)
	held := holder.New(onledger.New(ledger, key), store, log, c.Hold...)
	var answering sync.WaitGroup
	answering.Go(func() { defence.Run(talk, min(accusations, cmp.Or(c.ChallengeEvery, accusations))) })
	answering.Go(func() { held.Run(talk, true) })
	defer func() { hush(); answering.Wait() }()
	if ready != nil {
		ready(Info{Address: key.Address(), Model: g.model, Peer: host.Peer(), Price: c.Price, Status: o.status})
	}
	if err := awaitBond(ctx, c, ledger, key.Address(), log); err != nil {
		return err
	}
	return p.Run(ctx)
}

// Identity reads an Ed25519 key from a PEM file that only its owner can read,
// or makes a new one there.
func Identity(path string) (ed25519.PrivateKey, error) {
	const kind = "KOINON ED25519 SEED"
	data, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(data)
		if block == nil || block.Type != kind || len(block.Bytes) != ed25519.SeedSize {
			return nil, fmt.Errorf("%s is no identity: move it away to get a new one", path)
		}
		return ed25519.NewKeyFromSeed(block.Bytes), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: seed})
	return ed25519.NewKeyFromSeed(seed), renameio.WriteFile(path, file, 0o600)
}
