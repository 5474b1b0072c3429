// Package process joins an auditor's parts, ledger, network, shop and court,
// into one that runs.
package process

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	koinonclient "github.com/koinon/koinon/client"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/auditor"
	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/auditor/onledger"
	"github.com/koinon/koinon/internal/auditor/prompts"
	"github.com/koinon/koinon/internal/auditor/shop"
	"github.com/koinon/koinon/internal/auditor/store"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// Config is everything that the owner of an auditor decides. Zero means the
// default where one is given.
type Config struct {
	// Home holds the auditor's keys, weights and database.
	Home string `yaml:"home"`
	// Ledger is the gRPC address of a node.
	Ledger string `yaml:"ledger"`
	// KeyFile is the account. Default account.json in Home, made at the first start.
	KeyFile string `yaml:"key_file"`
	// Bond is the bond to register with, in ukoin. Default what the ledger asks
	// for at least.
	Bond uint64 `yaml:"bond"`
	// Ties are the accounts of providers that this auditor's owner owns or is paid
	// by: it does not judge them.
	Ties []string `yaml:"ties"`
	// Gateways are those to buy at: base URLs with their /v1, open to strangers.
	Gateways []string `yaml:"gateways"`
	// Prompts are files or folders of more prompts, one a line.
	Prompts []string `yaml:"prompts"`
	// MaxCost is the most that an answer may cost, in ucredit. Default 50,000.
	MaxCost uint64 `yaml:"max_cost"`
	// Purse is what to keep in escrow to buy with, in ucredit. Default 500,000.
	Purse uint64 `yaml:"purse"`
	// Bootstrap are peers by which providers are found, to fetch weights from.
	Bootstrap []string `yaml:"bootstrap"`
	// Listen are libp2p multiaddrs. Default any port.
	Listen []string `yaml:"listen"`
	// Threads of recomputing. Default the machine's cores.
	Threads int `yaml:"threads"`
	// MetricsAddr is where metrics and readiness are served, host:port. Default
	// loopback, at any port; instruments.json in home says which.
	MetricsAddr string `yaml:"metrics_addr"`
	// Version is the program's.
	Version string `yaml:"-"`
	// Every is how often to look for work. Default 5s.
	Every time.Duration `yaml:"every"`
}

// ErrConfig says that a configuration cannot work.
var ErrConfig = errors.New("auditor configuration")

func (c Config) withDefaults() Config {
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.Home, "account.json")
	}
	if c.MaxCost == 0 {
		c.MaxCost = 50_000
	}
	if c.Purse == 0 {
		c.Purse = 500_000
	}
	if c.Threads == 0 {
		c.Threads = runtime.NumCPU()
	}
	if c.Every == 0 {
		c.Every = 5 * time.Second
	}
	if len(c.Listen) == 0 {
		c.Listen = []string{"/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"}
	}
	return c
}

// Info is what is known once the auditor is about to work.
type Info struct {
	Address string
	Status  func() auditor.Status
}

// Run audits until ctx ends. Ready, if not nil, is called once it is registered.
func Run(ctx context.Context, c Config, log *slog.Logger, ready func(Info)) (err error) {
	if c.Home == "" {
		return fmt.Errorf("%w: home is missing", ErrConfig)
	}
	c = c.withDefaults()
	keys, err := openKeys(c.Home)
	if err != nil {
		return err
	}
	kept, err := store.Open(c.Home)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	account, err := client.LoadKey(c.KeyFile, "auditor")
	if err != nil {
		return err
	}
	ledger, err := client.Dial(ctx, c.Ledger, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	host, err := p2p.New(p2p.Config{Key: keys.peer, Logger: log, Bootstrap: c.Bootstrap, Listen: c.Listen})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	files, err := weights.Open(filepath.Join(c.Home, "weights"))
	if err != nil {
		return err
	}
	swarm := weights.Join(host, files, weights.Limits{})
	defer func() { err = errors.Join(err, swarm.Close()) }()

	if err := register(ctx, c, ledger, account, keys, log); err != nil {
		return err
	}
	buys, err := newStall(c, ledger, account, keys)
	if err != nil {
		return err
	}
	profiles, err := statistical.Measured()
	if err != nil {
		return err
	}
	models := &library{ledger: ledger, swarm: swarm, known: map[string]party.Weights{}}
	defer models.close()
	a := auditor.New(auditor.Outside{
		Ledger: onledger.New(ledger, account), Shop: buys, Judge: judge.New(models.find, judge.Measured(profiles, models.version, c.Threads), c.Threads), Store: kept,
		Key: keys.age, VRF: keys.vrf, Log: log, Now: time.Now,
	})
	registry := instrument.Registry(c.Version)
	registry.MustRegister(
		instrument.Account(func(ctx context.Context) (uint64, uint64, error) { return ledger.Holds(ctx, account.Address()) }), figures(a.Status),
	)
	role := instrument.Role{Name: "auditor", Home: c.Home, Version: c.Version, Account: account.Address(), Ready: working(a.Status)}
	stop, err := instrument.Serve(cmp.Or(c.MetricsAddr, instrument.DefaultListen), role, registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if ready != nil {
		ready(Info{Address: account.Address(), Status: a.Status})
	}
	return a.Run(ctx, c.Every)
}

// stall is where the auditor buys, with the purse that it keeps filled.
type stall struct {
	*shop.Shop
	purse    uint64 // ucredit
	ledger   *client.Client
	account  client.Key
	grantKey ed25519.PublicKey
}

func newStall(c Config, ledger *client.Client, account client.Key, keys keys) (*stall, error) {
	pool, err := prompts.Load(c.Prompts...)
	if err != nil {
		return nil, err
	}
	signer, err := account.GrantKey()
	if err != nil {
		return nil, err
	}
	s, err := shop.New(shop.Config{
		Gateways: c.Gateways, MaxCost: c.MaxCost, Pool: pool,
		Buyer: koinonclient.Buyer{ChainID: ledger.ChainID(), Payer: account.Address(), Key: signer, Dir: filepath.Join(c.Home, "grants")},
	}, keys.secret)
	return &stall{s, c.Purse, ledger, account, signer.Public().(ed25519.PublicKey)}, err
}

// errPurse says that there is nothing to buy with. An auditor that cannot buy
// still sits in court.
var errPurse = errors.New("no credit to buy with")

// Buy implements [auditor.Shop].
func (s *stall) Buy(ctx context.Context, provider string, model receipt.Digest) (receipt.Record, error) {
	if err := s.fill(ctx); err != nil {
		return receipt.Record{}, err
	}
	return s.Shop.Buy(ctx, provider, model)
}

// fill puts credit into escrow to buy with, as far as the account has it.
func (s *stall) fill(ctx context.Context) error {
	address := s.account.Address()
	escrow, err := s.ledger.Escrow(ctx, address)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return err
	}
	known := bytes.Equal(escrow.GrantKey, s.grantKey)
	if known && escrow.Available >= s.purse/2 {
		return nil
	}
	has, err := s.ledger.Balance(ctx, address, credit.Denom)
	if err != nil {
		return err
	}
	amount := min(has, s.purse-min(s.purse, escrow.Available))
	switch {
	case amount == 0 && escrow.Available == 0:
		return fmt.Errorf("%w: send %s some dollars, up to %s; it does its other work meanwhile", errPurse, address, credit.Dollars(s.purse))
	case amount == 0 && known:
		return nil
	}
	_, err = s.ledger.Send(ctx, s.account, &escrowv1.MsgDeposit{Payer: address, Amount: amount, GrantKey: s.grantKey})
	return err
}

// register makes the account an auditor, waiting for the KOIN of its bond.
func register(ctx context.Context, c Config, ledger *client.Client, account client.Key, keys keys, log *slog.Logger) error {
	params, err := ledger.AuditParams(ctx)
	if err != nil {
		return err
	}
	bond := max(c.Bond, params.MinBond)
	for told := false; ; {
		_, _, err := ledger.Auditor(ctx, account.Address())
		if !errors.Is(err, client.ErrNotFound) {
			return err
		}
		const fees = 10_000 // ukoin, beside the bond
		has, err := ledger.Balance(ctx, account.Address(), credit.KoinDenom)
		if err != nil {
			return err
		}
		if has >= bond+fees {
			_, err := ledger.Send(ctx, account, &auditv1.MsgRegisterAuditor{
				Auditor: account.Address(), Bond: bond, AgeRecipient: keys.age.Recipient(),
				VrfKey: keys.vrf.Public().(ed25519.PublicKey), Ties: c.Ties,
			})
			return err
		}
		if !told {
			told = true
			log.Warn(fmt.Sprintf("send %s to %s: an auditor needs a bond, and this account has %s; waiting for it",
				credit.Koin(bond+fees-has), account.Address(), credit.Koin(has)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
