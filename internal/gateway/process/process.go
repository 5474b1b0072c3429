// Package process joins a gateway's parts, ledger, network and vocabularies,
// into what `koinon gateway` runs.
package process

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/weights"
)

// Config is a gateway on its own.
type Config struct {
	gateway.Config `yaml:",inline"`
	// Ledger is the gRPC address of a node of the ledger.
	Ledger string `yaml:"ledger"`
	// KeyFile holds the account that pays. Default account.json in home; made if
	// it is not there, and then it must be given credit before anything is served.
	KeyFile string `yaml:"key_file"`
	// Bootstrap are peers by which providers are found whose addresses on the
	// ledger are out of date, as multiaddrs that end in /p2p/ID.
	Bootstrap []string `yaml:"bootstrap"`
	// MetricsAddr is where metrics and readiness are served to those who watch the
	// gateway, host:port. Default loopback, at any port; instruments.json in home says
	// which.
	MetricsAddr string `yaml:"metrics_addr"`
	// Version is the program's.
	Version string `yaml:"-"`
	// Metrics are of what is served beside the API.
	Metrics []prometheus.Collector `yaml:"-"`
	// Pages, unless nil, are served beside the API.
	Pages http.Handler `yaml:"-"`
}

// Account is the account that pays; it is made if it is not there.
func (c Config) Account() (client.Key, error) {
	file := c.KeyFile
	if file == "" {
		file = filepath.Join(c.Home, "account.json")
	}
	return client.LoadKey(file, "gateway")
}

// Run serves until the context ends. Ready, if not nil, is called with the
// address once requests are taken.
func Run(ctx context.Context, c Config, log *slog.Logger, ready func(net.Addr)) (err error) {
	if c.Home == "" {
		return fmt.Errorf("%w: home must be a directory", gateway.ErrConfig)
	}
	key, err := c.Account()
	if err != nil {
		return err
	}
	ledger, err := client.Dial(ctx, c.Ledger, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	c.ChainID = ledger.ChainID()

	// A gateway only dials, so that its identity need not outlive it.
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: identity, Logger: log, Bootstrap: c.Bootstrap})
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
	registry := instrument.Registry(c.Version)
	registry.MustRegister(instrument.Account(func(ctx context.Context) (uint64, uint64, error) { return ledger.Holds(ctx, key.Address()) }))
	registry.MustRegister(c.Metrics...)
	g, err := gateway.Open(ctx, c.Config, gateway.Surroundings{
		Ledger: gateway.OnLedger(ledger, key), Network: gateway.OnNetwork(host), Vocabularies: gateway.FromFiles(swarm),
		Gossip: gateway.OnGossip(host), Log: log, Version: c.Version, Pages: c.Pages, Registry: registry,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	role := instrument.Role{Name: "gateway", Home: c.Home, Version: c.Version, Account: key.Address(), Ready: g.Ready}
	stop, err := instrument.Serve(cmp.Or(c.MetricsAddr, instrument.DefaultListen), role, registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return g.Run(ctx, ready)
}
