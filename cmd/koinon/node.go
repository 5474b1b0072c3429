package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
)

func newNodeCommand() *cobra.Command {
	config := node.DefaultConfig()
	config.Home, config.Version = nodeHome(), version
	var file, genesis string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run a node of the ledger",
		Long: `Runs one node of the ledger. Its home needs a genesis: 'koinon node init' makes
that of a new ledger, and --genesis puts another node's in place the first time.
Its keys are made when they are not there. koinon query and koinon tx find the
node by its --home.`,
		Example: `  koinon node init && koinon node
  koinon node --genesis genesis.json --peers ID@10.0.0.1:26656
  koinon node --config node.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, file, &config); err != nil {
				return err
			}
			if err := prepareNode(config.Home, genesis); err != nil {
				return err
			}
			return runNode(cmd, config, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "YAML file of settings")
	flags.StringVar(&genesis, "genesis", "", "genesis to begin with")
	flags.StringVar(&config.Home, "home", config.Home, "where the node's keys and state live")
	flags.StringVar(&config.RPCAddr, "rpc-addr", config.RPCAddr, "RPC address")
	flags.StringVar(&config.RESTAddr, "rest-addr", config.RESTAddr, "REST address")
	flags.StringVar(&config.GRPCAddr, "grpc-addr", config.GRPCAddr, "gRPC address")
	flags.StringVar(&config.P2PAddr, "p2p-addr", config.P2PAddr, "where other nodes connect")
	flags.StringVar(&config.MetricsAddr, "metrics-addr", config.MetricsAddr, metricsUsage)
	flags.StringSliceVar(&config.Peers, "peers", nil, "nodes to connect to, id@host:port")
	flags.DurationVar(&config.BlockTime, "block-time", time.Second, "least time between blocks")
	flags.BoolVar(&config.OptimisticExecution, "optimistic-execution", false, "execute blocks while they are voted on")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object once the ledger moves")
	cmd.AddCommand(newNodeInitCommand())
	return cmd
}

// nodeHome is ~/.koinon/node.
func nodeHome() string { return filepath.Join(filepath.Dir(defaultHome()), "node") }

// prepareNode sees that a home has keys and a genesis, if need be that of a file.
func prepareNode(home, genesis string) error {
	if !node.Initialised(home) {
		if genesis == "" {
			return &exitError{exitNotFound, fmt.Errorf("%s has no genesis: make a new ledger's with 'koinon node init --home %s', or join one with --genesis FILE --peers ID@HOST:PORT", home, home)}
		}
		doc, err := cmttypes.GenesisDocFromFile(genesis)
		if err != nil {
			return fmt.Errorf("cannot use the genesis: %w", err)
		}
		if err := node.WriteGenesis(home, doc); err != nil {
			return err
		}
	}
	_, _, err := node.Keys(home)
	return err
}

// runNode runs a node until it is asked to stop, or cannot go on.
func runNode(cmd *cobra.Command, config node.Config, asJSON bool) error {
	ctx := cmd.Context()
	log, file, err := daemonLog(cmd, config.Home)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := node.Start(ctx, config, log)
	if err != nil {
		return ended(ctx, err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "node %s of %s: RPC http://%s, REST http://%s, gRPC %s, other nodes at %s@%s\n",
		n.ID(), n.ChainID, n.RPC, n.REST, n.GRPC, n.ID(), n.P2P)
	err = ended(ctx, serveNode(ctx, cmd, n, config.Home, asJSON))
	return errors.Join(err, n.Stop())
}

// serveNode says where the node is once the ledger moves, and waits.
func serveNode(ctx context.Context, cmd *cobra.Command, n *node.Node, home string, asJSON bool) error {
	info, err := nodeInfo(n, home)
	if err != nil {
		return err
	}
	if err := devnet.WriteInfo(home, info); err != nil {
		return err
	}
	if err := n.Ready(ctx); err != nil {
		return err
	}
	if asJSON {
		err := printJSON(cmd.OutOrStdout(), map[string]string{
			"id": n.ID(), "chain_id": n.ChainID, "rpc": info.RPC, "rest": info.REST, "grpc": info.GRPC, "p2p": n.ID() + "@" + n.P2P,
		})
		if err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case <-n.Done():
		return errors.New("consensus stopped by itself: see the log")
	}
}

// nodeInfo is what query and tx need to know of a node: where it is and, if the
// ledger was made here, the founder's account.
func nodeInfo(n *node.Node, home string) (devnet.Info, error) {
	info := devnet.Info{RPC: "http://" + n.RPC, REST: "http://" + n.REST, GRPC: n.GRPC, ChainID: n.ChainID}
	file := founderFile(home)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return info, nil
	}
	key, err := client.LoadKey(file, founder)
	if err != nil {
		return info, err
	}
	info.Accounts = []devnet.Account{{Name: founder, Address: key.Address(), Mnemonic: key.Mnemonic}}
	return info, nil
}
