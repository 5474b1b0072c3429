// Package process joins a provider's parts, ledger, engine, network and
// weights, into what `koinon provide` runs and a devnet runs several of.
package process

import (
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
	"time"

	"github.com/google/renameio/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/onledger"
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
	// Listen are the libp2p multiaddrs to serve at. Default QUIC and TCP on
	// ports of the system's choice, on all interfaces.
	Listen []string `yaml:"listen"`
	// Weights is the GGUF file to serve. Without it the version named by Model
	// is fetched from the providers who offer it.
	Weights string `yaml:"weights"`
	// Model is the digest of a registered version, "sha256:…".
	Model string `yaml:"model"`
	// Name, Version and License name the version that Weights becomes. They
	// default to the file's own name and license, and to 1.
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	License string `yaml:"license"`
	// Threads for each answer. Default: the machine's cores.
	Threads int `yaml:"threads"`
	// Queue is how many requests may wait for a slot. Default 64.
	Queue int `yaml:"queue"`
	// MetricsRegistry collects the provider's metrics; nil for none.
	MetricsRegistry prometheus.Registerer `yaml:"-"`
}

// Info is what a provider that serves is known by.
type Info struct {
	Address string         // its account
	Model   provider.Model // what it serves
	Peer    p2p.Peer       // where
}

// Run serves until the context ends, then drains and redeems. Ready, if not
// nil, is called when the engine is loaded and the provider is about to register.
func Run(ctx context.Context, c Config, log *slog.Logger, ready func(Info)) (err error) {
	if c.Home == "" {
		return fmt.Errorf("%w: home is missing", provider.ErrConfig)
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
	listen := c.Listen
	if len(listen) == 0 {
		listen = []string{"/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"}
	}
	host, err := p2p.New(p2p.Config{Key: identity, Listen: listen, Logger: log})
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

	path, model, err := obtain(ctx, c, ledger, store, swarm, log)
	if err != nil {
		return err
	}
	loaded, err := engine.Load(path)
	if err != nil {
		return fmt.Errorf("cannot load the weights: %w", err)
	}
	return serve(ctx, c, log, host, ledger, key, identity, model, loaded, ready)
}

func account(ctx context.Context, c Config) (*client.Client, client.Key, error) {
	file := c.KeyFile
	if file == "" {
		file = filepath.Join(c.Home, "account.json")
	}
	key, err := client.LoadKey(file, "provider")
	if err != nil {
		return nil, client.Key{}, err
	}
	ledger, err := client.Dial(ctx, c.Ledger, "")
	return ledger, key, err
}

// obtain makes the weights be here and says what version they are.
func obtain(ctx context.Context, c Config, ledger *client.Client, store *weights.Store, swarm *weights.Swarm, log *slog.Logger) (string, provider.Model, error) {
	if c.Weights != "" {
		version := c.Version
		if version == "" {
			version = "1"
		}
		m, digest, err := store.Publish(ctx, c.Weights, weights.Card{Name: c.Name, Version: version, License: c.License, Class: receipt.Exact})
		if err != nil {
			return "", provider.Model{}, err
		}
		return c.Weights, modelOf(m, digest), nil
	}
	digest, err := receipt.ParseDigest(c.Model)
	if err != nil {
		return "", provider.Model{}, fmt.Errorf("%w: give weights, a GGUF file, or model, a version's digest: %w", provider.ErrConfig, err)
	}
	// Whoever has the weights may be starting, too, and the ledger may not know
	// yet where they are now.
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		path, m, err := fetch(ctx, c, ledger, swarm, digest, log)
		if !errors.Is(err, weights.ErrUnavailable) {
			return path, m, err
		}
		log.Warn("the weights cannot be fetched yet; trying again", "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return "", provider.Model{}, errors.Join(ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

func fetch(ctx context.Context, c Config, ledger *client.Client, swarm *weights.Swarm, digest receipt.Digest, log *slog.Logger) (string, provider.Model, error) {
	peers, err := offering(ctx, ledger, c.Model)
	if err != nil {
		return "", provider.Model{}, err
	}
	log.Info("fetching weights", "model", c.Model, "peers", len(peers))
	path, err := swarm.Weights(ctx, digest, peers, nil)
	if err != nil {
		return "", provider.Model{}, err
	}
	m, err := swarm.Manifest(ctx, digest, peers)
	return path, modelOf(m, digest), err
}

// offering lists where a version's providers can be reached.
func offering(ctx context.Context, ledger *client.Client, digest string) ([]p2p.Peer, error) {
	offers, err := ledger.Offers(ctx, digest, "")
	if err != nil {
		return nil, err
	}
	var peers []p2p.Peer
	for _, o := range offers {
		p, err := ledger.Provider(ctx, o.Provider)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p2p.Peer{Key: p.PublicKey, Addrs: p.Addrs})
	}
	return peers, nil
}

func modelOf(m weights.Manifest, digest receipt.Digest) provider.Model {
	return provider.Model{
		Digest: digest, Name: m.Name, Version: m.Version, Class: m.Class, License: m.License, Architecture: m.Architecture,
		Parameters: m.Parameters, SizeBytes: m.Weights.Size, ContextLength: m.ContextLength, Quantization: m.Quantization,
	}
}

func serve(ctx context.Context, c Config, log *slog.Logger, host *p2p.Host, ledger *client.Client, key client.Key,
	identity ed25519.PrivateKey, model provider.Model, loaded *engine.Model, ready func(Info),
) (err error) {
	threads, queue, slots := c.Threads, c.Queue, c.Slots
	if threads == 0 {
		threads = runtime.NumCPU()
	}
	if queue == 0 {
		queue = 64
	}
	if slots == 0 {
		slots = 4
	}
	registry := c.MetricsRegistry
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	p, err := provider.New(c.Config, provider.Outside{
		Ledger: onledger.New(ledger, key), Model: model, Key: identity, Addrs: host.Addrs, Log: log, Metrics: registry,
		Engine: provider.Reference(engine.New(loaded, engine.Options{Slots: slots, Queue: queue, Threads: threads})),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	host.Handle(inference.Protocol, func(s p2p.Stream, _ ed25519.PublicKey) { p.Handle(s) })
	defer host.Unhandle(inference.Protocol)
	if ready != nil {
		ready(Info{Address: key.Address(), Model: model, Peer: host.Peer()})
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
