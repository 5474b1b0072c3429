// Package devnet runs a whole network in one process on loopback: a ledger with
// one validator, providers of the model that ships, and a gateway with an API
// key. It only composes the roles; they meet as they would across the world.
package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	auditorprocess "github.com/koinon/koinon/internal/auditor/process"
	"github.com/koinon/koinon/internal/console"
	"github.com/koinon/koinon/internal/gateway"
	gatewayprocess "github.com/koinon/koinon/internal/gateway/process"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/provider"
	providerprocess "github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/models/trivium"
)

// Config is a devnet.
type Config struct {
	// Home holds all of its state.
	Home string
	// Providers is how many sell inference, Auditors how many check what they sold.
	Providers, Auditors int
	// BlockTime is the least time between the ledger's blocks.
	BlockTime time.Duration
	// GatewayAddr, RPCAddr, RESTAddr and GRPCAddr are host:port.
	GatewayAddr, RPCAddr, RESTAddr, GRPCAddr string
	// Justice is how fast a new network's audits and courts are. By default an
	// epoch of either kind is ten minutes, a step in court half a minute.
	Justice Justice
	// Public lets the gateway serve whoever pays, without a key.
	Public bool
	// Version is the program's.
	Version string
	Log     *slog.Logger
}

// Info is what a user needs to know of a running devnet; koinon up prints it.
type Info struct {
	Gateway  string    `json:"gateway"` // base URL
	APIKey   string    `json:"api_key"`
	RPC      string    `json:"rpc"`
	REST     string    `json:"rest"`
	GRPC     string    `json:"grpc"` // host:port
	ChainID  string    `json:"chain_id"`
	Accounts []Account `json:"accounts"`
	Models   []Model   `json:"models"`
}

// Account is a funded account.
type Account struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Mnemonic string `json:"mnemonic"`
}

// Model is a version that is served.
type Model struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// InfoFile is where, in its home, a network writes its Info for other commands.
const InfoFile = "network.json"

// Network is a running devnet.
type Network struct {
	Info

	config Config
	lock   *os.File
	node   *node.Node

	roles  sync.WaitGroup
	stops  []context.CancelFunc // of the roles, the gateway's first
	failed chan error           // a role that ended by itself
}

// Start brings a devnet up, new or as it was left, and returns when it serves.
// Progress, if not nil, is told what is under way.
func Start(ctx context.Context, c Config, progress func(string)) (_ *Network, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	if c.Providers < 1 {
		return nil, errors.New("a network needs at least one provider")
	}
	c.Justice = c.Justice.withDefaults()
	if err := c.Justice.Validate(); err != nil {
		return nil, err
	}
	n := &Network{config: c, failed: make(chan error, c.Providers+c.Auditors+1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
		}
	}()
	if n.lock, err = takeHome(c.Home); err != nil {
		return nil, err
	}
	progress("starting the ledger")
	accounts, err := n.startLedger(ctx)
	if err != nil {
		return nil, err
	}
	progress("starting providers")
	if err := n.startProviders(ctx, accounts); err != nil {
		return nil, err
	}
	progress("starting the gateway")
	if err := n.startGateway(ctx, accounts); err != nil {
		return nil, err
	}
	progress("waiting until a provider can be paid")
	if err := n.awaitReady(ctx); err != nil {
		return nil, err
	}
	n.startAuditors(ctx)
	return n, WriteInfo(c.Home, n.Info)
}

// takeHome makes the home and locks it for this process.
func takeHome(home string) (*os.File, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the network's home: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(home, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another koinon runs with the home %s: stop it, or choose another with --home", home)
	}
	return lock, nil
}

// Fresh removes a devnet's state. It refuses a folder that is none.
func Fresh(home string) error {
	entries, err := os.ReadDir(home)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(home, "lock")); err != nil {
		return fmt.Errorf("%s does not look like a network that koinon up made: remove it yourself, or choose another with --home", home)
	}
	lock, err := takeHome(home)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(home), lock.Close())
}

func (n *Network) startLedger(ctx context.Context) (map[string]client.Key, error) {
	c := n.config
	accounts, err := loadAccounts(filepath.Join(c.Home, "accounts"), c.Providers, c.Auditors)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(c.Home, "node")
	if !node.Initialised(home) {
		if err := initLedger(home, accounts, c.Justice); err != nil {
			return nil, err
		}
	}
	n.node, err = node.Start(ctx, node.Config{
		Home: home, RPCAddr: c.RPCAddr, RESTAddr: c.RESTAddr, GRPCAddr: c.GRPCAddr, P2PAddr: "127.0.0.1:0", BlockTime: c.BlockTime, Version: c.Version,
	}, c.Log.With("role", "node"))
	if err != nil {
		return nil, err
	}
	n.RPC, n.REST, n.GRPC, n.ChainID = "http://"+n.node.RPC, "http://"+n.node.REST, n.node.GRPC, n.node.ChainID
	for _, name := range names(c.Providers, c.Auditors) {
		key := accounts[name]
		n.Accounts = append(n.Accounts, Account{name, key.Address(), key.Mnemonic})
	}
	return accounts, n.node.Ready(ctx)
}

// startProviders starts the first provider with the model's file, and the
// others with its digest alone: they fetch it from the first.
func (n *Network) startProviders(ctx context.Context, accounts map[string]client.Key) error {
	file, err := trivium.Install(n.config.Home)
	if err != nil {
		return err
	}
	var model provider.Model
	for i := range n.config.Providers {
		name := providerName(i)
		c := providerprocess.Config{
			Config: provider.Config{
				Home: filepath.Join(n.config.Home, name), Moniker: name, Bond: 100_000_000, Price: prices[i%len(prices)],
				Policy: policy(accounts), RedeemEvery: time.Minute, Slots: 4,
				ChallengeEvery: n.config.Justice.ChallengeEpoch / 40,
			},
			Ledger: n.GRPC, KeyFile: keyFile(n.config.Home, name), Name: trivium.Name, Version: "1", Threads: 1, Program: n.config.Version,
			Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"},
		}
		if i == 0 {
			c.Weights = file
		} else {
			c.Model = model.Digest.String()
		}
		ready := make(chan providerprocess.Info, 1)
		failed := n.role(ctx, name, func(ctx context.Context, log *slog.Logger) error {
			return providerprocess.Run(ctx, c, log, func(i providerprocess.Info) { ready <- i })
		})
		select {
		case info := <-ready:
			model = info.Model
		case err := <-failed:
			return fmt.Errorf("%s: %w", name, err)
		case <-ctx.Done():
			return ctx.Err()
		}
		if i == 0 && n.config.Providers > 1 {
			// The others find the first by its offer.
			if err := n.awaitOffer(ctx, model.Digest.String()); err != nil {
				return err
			}
		}
	}
	n.Models = []Model{{model.Name, model.Version, model.Digest.String()}}
	return nil
}

func (n *Network) awaitOffer(ctx context.Context, digest string) error {
	ledger, err := client.Dial(ctx, n.GRPC, n.ChainID)
	if err != nil {
		return err
	}
	defer ledger.Close()
	return n.poll(ctx, func() (bool, error) {
		offers, err := ledger.Offers(ctx, digest, "")
		return len(offers) > 0, err
	})
}

func (n *Network) startGateway(ctx context.Context, accounts map[string]client.Key) error {
	c := gatewayprocess.Config{Config: gateway.DefaultConfig(), Ledger: n.GRPC, KeyFile: keyFile(n.config.Home, buyer), Version: n.config.Version}
	c.Home, c.Listen, c.App = filepath.Join(n.config.Home, "gateway"), n.config.GatewayAddr, accounts[app].Address()
	c.Poll, c.Probe, c.TicketValue = time.Second, 2*time.Second, 10
	c.GrantLifetime, c.MaxTickets = grantLifetime, c.GrantCap/c.TicketValue
	c.Public = n.config.Public
	key, err := apiKey(ctx, n.config.Home, c.Home)
	if err != nil {
		return err
	}
	n.APIKey = key
	ready := make(chan net.Addr, 1)
	failed := n.role(ctx, "gateway", func(ctx context.Context, log *slog.Logger) (err error) {
		pages, err := console.Open(ctx, console.Config{
			Ledger: n.GRPC, Index: filepath.Join(n.config.Home, "index.db"), Key: key, Names: n.namesOfAccounts(), People: n.people(), RPC: n.RPC, REST: n.REST,
			Hosted:  filepath.Join(n.config.Home, console.HostedFile),
			Version: n.config.Version, Log: log.With("part", "console"),
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pages.Close()) }()
		c := c
		c.Pages, c.Metrics = pages, pages.Metrics()
		return gatewayprocess.Run(ctx, c, log, func(a net.Addr) { ready <- a })
	})
	select {
	case address := <-ready:
		n.Gateway = "http://" + address.String() + "/v1"
		return nil
	case err := <-failed:
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startAuditors starts those who buy of the providers, at the gateway, and check.
// What they need they wait for.
func (n *Network) startAuditors(ctx context.Context) {
	for i := range n.config.Auditors {
		name := auditorName(i)
		c := auditorprocess.Config{
			Home: filepath.Join(n.config.Home, name), Ledger: n.GRPC, KeyFile: keyFile(n.config.Home, name), Gateways: []string{n.Gateway},
			Threads: 1, Every: min(5*time.Second, n.config.Justice.CourtStep/4), Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"}, Version: n.config.Version,
		}
		n.role(ctx, name, func(ctx context.Context, log *slog.Logger) error {
			return auditorprocess.Run(ctx, c, log, nil)
		})
	}
}

// namesOfAccounts are the devnet's own names for its accounts.
func (n *Network) namesOfAccounts() map[string]string {
	names := map[string]string{}
	for _, a := range n.Accounts {
		names[a.Address] = a.Name
	}
	return names
}

// people are the accounts as the pages' wallet has them.
func (n *Network) people() []console.Person {
	list := make([]console.Person, len(n.Accounts))
	for i, a := range n.Accounts {
		list[i] = console.Person(a)
	}
	return list
}

// role runs one role until Stop. If it ends before, Failed says so.
func (n *Network) role(ctx context.Context, name string, run func(context.Context, *slog.Logger) error) <-chan error {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stops = append([]context.CancelFunc{stop}, n.stops...)
	ended := make(chan error, 1)
	n.roles.Go(func() {
		err := run(own, n.config.Log.With("role", name))
		if err == nil && own.Err() == nil {
			err = errors.New("it stopped by itself")
		}
		if own.Err() == nil || err != nil && !errors.Is(err, context.Canceled) {
			n.failed <- fmt.Errorf("%s: %w", name, err)
		}
		ended <- err
	})
	return ended
}

// Failed tells of a role that could not go on.
func (n *Network) Failed() <-chan error { return n.failed }

// Stop ends the network cleanly: the gateway lets answers end, the providers
// redeem what they are owed, and the ledger makes it final.
func (n *Network) Stop() error {
	for _, stop := range n.stops {
		stop()
	}
	n.roles.Wait()
	var failed []error
	if n.node != nil {
		failed = append(failed, n.node.Stop())
	}
	if n.lock != nil {
		failed = append(failed, n.lock.Close())
	}
	return errors.Join(failed...)
}

// poll asks until the answer is yes, a role fails, or ctx ends. Errors are
// taken for trouble that passes.
func (n *Network) poll(ctx context.Context, ask func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		yes, err := ask()
		if yes && err == nil {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case err := <-n.failed:
			return err
		case <-tick.C:
		}
	}
}

// WriteInfo tells the commands that are given a home where its network is. The
// file has the accounts' words, so that only its owner can read it.
func WriteInfo(home string, i Info) error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(home, InfoFile), append(data, '\n'), 0o600)
}
