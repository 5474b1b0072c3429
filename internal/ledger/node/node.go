// Package node runs the ledger in this process: CometBFT, the application, and
// their servers for RPC, REST and gRPC.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/rpc/client/local"
	dbm "github.com/cosmos/cosmos-db"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	cmtdb "github.com/cometbft/cometbft-db"
	cmtcfg "github.com/cometbft/cometbft/config"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/server/api"
	"github.com/cosmos/cosmos-sdk/server/config"
	servergrpc "github.com/cosmos/cosmos-sdk/server/grpc"
	serverlog "github.com/cosmos/cosmos-sdk/server/log"
	"github.com/cosmos/cosmos-sdk/types/mempool"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/ledger/app"
)

// Config is one node of the ledger.
type Config struct {
	// Home holds the node's keys, configuration and state.
	Home string `yaml:"home"`
	// RPCAddr, RESTAddr and GRPCAddr are where clients are served, host:port;
	// port 0 takes a free one.
	RPCAddr  string `yaml:"rpc_addr"`
	RESTAddr string `yaml:"rest_addr"`
	GRPCAddr string `yaml:"grpc_addr"`
	// P2PAddr is where other nodes of the ledger connect, host:port.
	P2PAddr string `yaml:"p2p_addr"`
	// Peers are other nodes to connect to: id@host:port.
	Peers []string `yaml:"peers"`
	// PeerExchange learns of further nodes from those it is connected to. A
	// node that is alone, or knows all others, does without.
	PeerExchange bool `yaml:"peer_exchange"`
	// MetricsAddr is where metrics and readiness are served, host:port; instruments.json
	// in home says which port was taken if none is asked for.
	MetricsAddr string `yaml:"metrics_addr"`
	// Version is the program's.
	Version string `yaml:"-"`
	// BlockTime is the least time between blocks.
	BlockTime time.Duration `yaml:"block_time"`
	// OptimisticExecution begins to execute a block while it is voted on. It
	// shortens blocks where execution takes long; a block that is not agreed
	// on is executed in vain. Off until measured on a network of its own.
	OptimisticExecution bool `yaml:"optimistic_execution"`
	// ParallelExecution runs a block's transactions side by side (Block-STM,
	// which the SDK calls experimental). It helps where many payers and
	// providers act in one block, as their state is apart; fees are not, they
	// all go to one account. Off until measured.
	ParallelExecution bool `yaml:"parallel_execution"`
}

// DefaultConfig serves clients on loopback.
func DefaultConfig() Config {
	return Config{
		RPCAddr: "127.0.0.1:26657", RESTAddr: "127.0.0.1:1317", GRPCAddr: "127.0.0.1:9090",
		P2PAddr: "0.0.0.0:26656", MetricsAddr: instrument.DefaultListen, PeerExchange: true, BlockTime: time.Second,
	}
}

// Node is a running node.
type Node struct {
	// RPC, REST and GRPC are where clients are served, host:port; P2P is where
	// other nodes connect.
	RPC, REST, GRPC, P2P string
	// ChainID names the ledger.
	ChainID string

	app    *app.App
	began  int64 // height at Start
	db     dbm.DB
	comet  *node.Node
	index  cmtdb.DB
	grpc   *grpc.Server
	http   *http.Server
	client *grpc.ClientConn
	local  *local.Local
	hush   func() error // ends the serving of metrics
}

// Start runs the node whose home Init has prepared, and resumes where it was,
// however it ended.
func Start(ctx context.Context, c Config, logger *slog.Logger) (_ *Node, err error) {
	n := &Node{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
		}
	}()
	genesis, err := cmttypes.GenesisDocFromFile(filepath.Join(c.Home, "config", "genesis.json"))
	if err != nil {
		return nil, fmt.Errorf("the node's home %s has no usable genesis (was it initialised?): %w", c.Home, err)
	}
	n.ChainID = genesis.ChainID
	if n.db, err = dbm.NewGoLevelDB("application", filepath.Join(c.Home, "data"), nil); err != nil {
		return nil, fmt.Errorf("cannot open the ledger's state (is another node using %s?): %w", c.Home, err)
	}
	log := ledgerLogger{logger}
	options := []func(*baseapp.BaseApp){baseapp.SetChainID(n.ChainID), baseapp.SetMempool(mempool.NoOpMempool{})}
	if c.OptimisticExecution {
		options = append(options, baseapp.SetOptimisticExecution())
	}
	if n.app, err = app.New(log, n.db, c.Home, options...); err != nil {
		return nil, fmt.Errorf("cannot load the ledger's state: %w", err)
	}
	n.began = n.Height()
	if c.ParallelExecution {
		n.app.ExecuteInParallel()
	}
	if err := n.startComet(ctx, c, genesis, log); err != nil {
		return nil, err
	}
	if err := n.serve(c); err != nil {
		return nil, err
	}
	n.hush, err = n.instruments(c, logger)
	return n, err
}

func (n *Node) startComet(ctx context.Context, c Config, genesis *cmttypes.GenesisDoc, log ledgerLogger) error {
	cfg, err := cometConfig(c)
	if err != nil {
		return err
	}
	n.RPC, n.P2P = trimScheme(cfg.RPC.ListenAddress), trimScheme(cfg.P2P.ListenAddress)
	key, err := p2p.LoadOrGenNodeKey(cfg.NodeKeyFile())
	if err != nil {
		return err
	}
	validator := privval.LoadOrGenFilePV(cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile())
	consensusKey, ok := validator.Key.PrivKey.(ed25519.PrivKey)
	if !ok {
		return fmt.Errorf("the validator's key in %s is of type %s: the beacon needs ed25519", cfg.PrivValidatorKeyFile(), validator.Key.PrivKey.Type())
	}
	n.app.Contribute(consensusKey)
	n.comet, err = node.NewNodeWithContext(ctx, cfg, validator, key,
		proxy.NewLocalClientCreator(server.NewCometABCIWrapper(n.app)),
		func() (*cmttypes.GenesisDoc, error) { return genesis, nil },
		n.openCometDB, node.DefaultMetricsProvider(cfg.Instrumentation),
		serverlog.CometLoggerWrapper{Logger: log.With("part", "consensus")})
	if err != nil {
		return fmt.Errorf("cannot prepare consensus: %w", err)
	}
	if err := n.comet.Start(); err != nil {
		return fmt.Errorf("cannot start consensus: %w", err)
	}
	return nil
}

// openCometDB opens one of CometBFT's databases. It closes them all when it
// stops, but for that of the transaction index, which Stop closes.
func (n *Node) openCometDB(c *cmtcfg.DBContext) (cmtdb.DB, error) {
	db, err := cmtcfg.DefaultDBProvider(c)
	if c.ID == "tx_index" {
		n.index = db
	}
	return db, err
}

// serve answers clients over gRPC and REST.
func (n *Node) serve(c Config) error {
	listener, err := net.Listen("tcp", c.GRPCAddr)
	if err != nil {
		return fmt.Errorf("cannot serve gRPC: %w", err)
	}
	n.GRPC = listener.Addr().String()
	n.client, err = grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(n.app.Registry).GRPCCodec())))
	if err != nil {
		return err
	}
	n.local = local.New(n.comet)
	cc := client.Context{}.WithChainID(n.ChainID).WithCodec(n.app.Codec).WithInterfaceRegistry(n.app.Registry).
		WithTxConfig(n.app.TxConfig).WithLegacyAmino(n.app.Amino).WithAccountRetriever(authtypes.AccountRetriever{}).
		WithClient(n.local).WithGRPCClient(n.client)
	n.app.RegisterTxService(cc)
	n.app.RegisterTendermintService(cc)
	n.app.RegisterNodeService(cc, config.Config{})
	if n.grpc, err = servergrpc.NewGRPCServer(cc, n.app, config.GRPCConfig{}); err != nil {
		return err
	}
	go n.grpc.Serve(listener) // ends with Stop

	rest := api.New(cc, ledgerLogger{slog.New(slog.DiscardHandler)}, n.grpc)
	n.app.RegisterAPIRoutes(rest, config.APIConfig{})
	if listener, err = net.Listen("tcp", c.RESTAddr); err != nil {
		return fmt.Errorf("cannot serve REST: %w", err)
	}
	n.REST = listener.Addr().String()
	n.http = &http.Server{Handler: rest.GRPCGatewayRouter, ReadHeaderTimeout: 10 * time.Second}
	go n.http.Serve(listener) // ends with Stop
	return nil
}

// Stop ends the node cleanly. It may be called once.
func (n *Node) Stop() error {
	var failed []error
	if n.hush != nil {
		failed = append(failed, n.hush())
	}
	if n.http != nil {
		failed = append(failed, n.http.Close())
	}
	if n.grpc != nil {
		n.grpc.Stop()
	}
	if n.client != nil {
		failed = append(failed, n.client.Close())
	}
	if n.comet != nil && n.comet.IsRunning() {
		failed = append(failed, n.comet.Stop())
		n.comet.Wait()
	}
	if n.index != nil {
		failed = append(failed, n.index.Close())
	}
	if n.app != nil {
		failed = append(failed, n.app.Close())
	} else if n.db != nil {
		failed = append(failed, n.db.Close())
	}
	return errors.Join(failed...)
}

// Done is closed when consensus has stopped, by Stop or because it cannot go on.
func (n *Node) Done() <-chan struct{} { return n.comet.Quit() }

// Ready waits for a block made since Start: before that the ledger answers
// nothing.
func (n *Node) Ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n.Height() <= n.began {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the ledger made no block: %w", ctx.Err())
		case <-n.Done():
			return errors.New("the ledger stopped before it made a block: see its log")
		case <-tick.C:
		}
	}
	return nil
}

// Height is that of the last block.
func (n *Node) Height() int64 { return n.app.LastBlockHeight() }

// ID is the name under which other nodes know this one.
func (n *Node) ID() string { return string(n.comet.NodeInfo().ID()) }

// cometConfig is CometBFT's configuration; there is no file of it, so that
// there is one place where a node is described.
func cometConfig(c Config) (*cmtcfg.Config, error) {
	cfg := cmtcfg.DefaultConfig()
	cfg.SetRoot(c.Home)
	rpc, err := freePort(c.RPCAddr)
	if err != nil {
		return nil, fmt.Errorf("cannot serve RPC: %w", err)
	}
	cfg.RPC.ListenAddress = "tcp://" + rpc
	p2p, err := freePort(c.P2PAddr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for other nodes: %w", err)
	}
	cfg.P2P.ListenAddress = "tcp://" + p2p
	cfg.P2P.PexReactor = c.PeerExchange
	cfg.P2P.AddrBookStrict = false
	cfg.P2P.AllowDuplicateIP = true
	cfg.P2P.PersistentPeers = strings.Join(c.Peers, ",")
	cfg.Consensus.TimeoutCommit = c.BlockTime
	cfg.Instrumentation.Prometheus = false
	return cfg, cfg.ValidateBasic()
}

func trimScheme(address string) string { return address[len("tcp://"):] }

// freePort replaces port 0 by one that is free now.
func freePort(address string) (string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return address, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// exists says whether a path is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
