package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/onledger"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// seller is a provider whose engine is the mock: everything else of it, its
// books on disk, its receipts, its place on the ledger, is a provider's.
type seller struct {
	mock
	home    string
	ledger  string // gRPC address
	keyFile string
	name    string // of the model version
	price   receipt.Price
}

// slots are enough that the mock is never waited for.
const slots = 1024

// sell registers, offers and serves until the context ends.
func (s seller) sell(ctx context.Context, ready func(digest string) error) (err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	key, err := client.LoadKey(s.keyFile, "seller")
	if err != nil {
		return err
	}
	ledger, err := client.Dial(ctx, s.ledger, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	identity, err := process.Identity(filepath.Join(s.home, "identity.pem"))
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: identity, Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}, MaxStreamsPerPeer: 2 * slots, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	model, engine, swarm, err := s.load(ctx, host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, swarm.Close()) }()
	p, err := provider.New(provider.Config{
		Home: s.home, Moniker: s.name, Bond: 100_000_000, Price: s.price, Slots: slots, MaxStreams: 2 * slots,
		Policy: modelv1.Policy{ProviderBps: 9000, AppBps: 300, TreasuryBps: 700}, RedeemEvery: time.Minute,
	}, provider.Outside{
		Ledger: onledger.New(ledger, key), Model: model, Key: identity, Addrs: host.Addrs, Log: log,
		Metrics: prometheus.NewRegistry(), Engine: engine,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	host.Handle(inference.Protocol, func(stream p2p.Stream, _ ed25519.PublicKey) { p.Handle(stream) })
	if err := ready(model.Digest.String()); err != nil {
		return err
	}
	return p.Run(ctx)
}

// load makes the shipped model's file a version of the seller's own, whose
// vocabulary gateways fetch from it.
func (s seller) load(ctx context.Context, host *p2p.Host) (provider.Model, *behind, *weights.Swarm, error) {
	fail := func(err error) (provider.Model, *behind, *weights.Swarm, error) {
		return provider.Model{}, nil, nil, err
	}
	file, err := trivium.Install(s.home)
	if err != nil {
		return fail(err)
	}
	engine, err := newBehind(s.mock, file)
	if err != nil {
		return fail(err)
	}
	store, err := weights.Open(filepath.Join(s.home, "weights"))
	if err != nil {
		return fail(err)
	}
	m, digest, err := store.Publish(ctx, file, weights.Card{Name: s.name, Version: "1", Class: receipt.Exact})
	if err != nil {
		return fail(err)
	}
	return provider.Model{
		Digest: digest, Name: m.Name, Version: m.Version, Class: m.Class, License: m.License, Architecture: m.Architecture,
		Parameters: m.Parameters, SizeBytes: m.Weights.Size, ContextLength: m.ContextLength, Quantization: m.Quantization, Root: m.Root,
	}, engine, weights.Join(host, store, weights.Limits{}), nil
}
