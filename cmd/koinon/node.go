package main

import (
	"fmt"
	"path/filepath"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/ledger/node"
)

func newNodeCommand() *cobra.Command {
	config := node.DefaultConfig()
	config.Home = filepath.Join(filepath.Dir(defaultHome()), "node")
	var file, genesis string
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run a node of the ledger",
		Long: `Runs one node of the ledger. Its home needs a genesis: --genesis puts one in
place the first time. Its keys are made when they are not there.`,
		Example: `  koinon node --genesis genesis.json --peers ID@10.0.0.1:26656
  koinon node --config node.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, file, &config); err != nil {
				return err
			}
			if _, _, err := node.Keys(config.Home); err != nil {
				return err
			}
			if genesis != "" && !node.Initialised(config.Home) {
				doc, err := cmttypes.GenesisDocFromFile(genesis)
				if err != nil {
					return fmt.Errorf("cannot use the genesis: %w", err)
				}
				if err := node.WriteGenesis(config.Home, doc); err != nil {
					return err
				}
			}
			n, err := node.Start(cmd.Context(), config, daemonLog(cmd))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "node %s of %s: RPC http://%s, REST http://%s, gRPC %s\n", n.ID(), n.ChainID, n.RPC, n.REST, n.GRPC)
			select {
			case <-cmd.Context().Done():
			case <-n.Done():
			}
			return n.Stop()
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
	flags.StringSliceVar(&config.Peers, "peers", nil, "nodes to connect to, id@host:port")
	flags.DurationVar(&config.BlockTime, "block-time", time.Second, "least time between blocks")
	flags.BoolVar(&config.OptimisticExecution, "optimistic-execution", false, "execute blocks while they are voted on")
	return cmd
}
