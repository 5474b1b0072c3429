// Package cli is the ledger on the command line: `query` and `tx`, made from
// the modules' own descriptions of their messages and queries.
package cli

import (
	"fmt"
	"log/slog"
	"os"
	"slices"

	"cosmossdk.io/log/v2"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cobra"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/version"
	authcli "github.com/cosmos/cosmos-sdk/x/auth/client/cli"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
)

// Target is the ledger that commands speak to, and who signs.
type Target struct {
	// RPC is a node's RPC address, host:port; ChainID names its ledger.
	RPC, ChainID string
	// Keys are put into the home's keyring if they are not there.
	Keys []client.Key
}

// Commands makes `query` and `tx`. Their flag --home begins as home; find
// learns from it where the ledger is, when a command runs.
//
// Keys are kept under the home in the keyring's "test" backend, in clear: it
// is for networks to try. --keyring-backend chooses another.
//
// Describing every message takes a while, so that the commands are only made
// once one of them is called.
func Commands(home string, find func(home string) (Target, error)) []*cobra.Command {
	later := func(use, short string, aliases ...string) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Aliases: aliases, DisableFlagParsing: true,
			RunE: func(cmd *cobra.Command, args []string) error {
				root, err := newRoot(cmd.Root().Name(), home, find)
				if err != nil {
					return err
				}
				root.SetArgs(append([]string{cmd.Name()}, args...))
				root.SetIn(cmd.InOrStdin())
				root.SetOut(cmd.OutOrStdout())
				root.SetErr(cmd.ErrOrStderr())
				return root.ExecuteContext(cmd.Context())
			},
		}
	}
	return []*cobra.Command{
		later("query", "Ask the ledger", "q"),
		later("tx", "Send a transaction to the ledger"),
	}
}

// newRoot makes the commands themselves.
func newRoot(name, home string, find func(home string) (Target, error)) (*cobra.Command, error) {
	version.AppName = name // stands in the SDK's examples
	machine, err := app.New(log.NewNopLogger(), dbm.NewMemDB(), "")
	if err != nil {
		return nil, fmt.Errorf("cannot describe the ledger's commands: %w", err)
	}
	c := &commands{encoding: machine.Encoding, find: find}
	query := &cobra.Command{
		Use: "query", Aliases: []string{"q"}, Short: "Ask the ledger", PersistentPreRunE: c.prepare, RunE: help,
		Example: fmt.Sprintf("  %[1]s query escrow escrow koinon1…\n  %[1]s query provider offers -o json", name),
	}
	tx := &cobra.Command{
		Use: "tx", Short: "Send a transaction to the ledger", PersistentPreRunE: c.prepare, RunE: help,
		Example: fmt.Sprintf("  %[1]s tx escrow withdraw 5000000 --from me -y\n  %[1]s tx bank send me koinon1… 1000000ukoin -y", name),
	}
	query.AddCommand(authcli.QueryTxCmd(), authcli.QueryTxsByEventsCmd())
	tx.AddCommand(authcli.GetSignCommand(), authcli.GetBroadcastCommand())
	root := &cobra.Command{Use: name, SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().String(flags.FlagHome, home, "home of the network, with its keyring")
	root.AddCommand(query, tx)

	options := machine.AutoCLI()
	options.ClientCtx = c.context(home)
	if err := options.EnhanceRootCommand(root); err != nil {
		return nil, fmt.Errorf("cannot describe the ledger's commands: %w", err)
	}
	eachLeaf(query, presetQuery)
	eachLeaf(tx, presetTx)
	return root, nil
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func eachLeaf(cmd *cobra.Command, do func(*cobra.Command)) {
	if !cmd.HasSubCommands() {
		do(cmd)
	}
	for _, sub := range cmd.Commands() {
		eachLeaf(sub, do)
	}
}

func preset(cmd *cobra.Command, name, value string) {
	if f := cmd.Flags().Lookup(name); f != nil && f.Value.Set(value) == nil {
		f.DefValue = value
	}
}

func presetQuery(cmd *cobra.Command) {
	preset(cmd, flags.FlagKeyringBackend, keyring.BackendTest)
	preset(cmd, flags.FlagNode, "")
}

// freeCommands are those of the messages that cost no gas.
var freeCommands = []string{"escrow deposit", "escrow withdraw", "escrow cash-out", "escrow swap-in", "escrow swap-out", "curation rate"}

// presetTx makes transactions pay what they cost, unless told otherwise.
func presetTx(cmd *cobra.Command) {
	presetQuery(cmd)
	if slices.Contains(freeCommands, cmd.Parent().Name()+" "+cmd.Name()) {
		preset(cmd, flags.FlagGas, "300000")
		return
	}
	preset(cmd, flags.FlagGas, flags.GasFlagAuto)
	preset(cmd, flags.FlagGasAdjustment, "1.5")
	preset(cmd, flags.FlagGasPrices, app.GasPrice)
}

// commands is what the commands share.
type commands struct {
	encoding app.Encoding
	find     func(home string) (Target, error)
}

func (c *commands) context(home string) sdkclient.Context {
	return sdkclient.Context{}.
		WithCodec(c.encoding.Codec).WithInterfaceRegistry(c.encoding.Registry).WithLegacyAmino(c.encoding.Amino).
		WithTxConfig(c.encoding.TxConfig).WithAccountRetriever(authtypes.AccountRetriever{}).
		WithInput(os.Stdin).WithHomeDir(home).WithKeyringDir(home)
}

// prepare connects a command to its ledger and keyring just before it runs.
func (c *commands) prepare(cmd *cobra.Command, _ []string) error {
	if cmd.HasSubCommands() {
		return nil // prints its help
	}
	home, err := cmd.Flags().GetString(flags.FlagHome)
	if err != nil {
		return err
	}
	// A fee that was asked for stands instead of a price.
	if cmd.Flags().Changed(flags.FlagFees) && !cmd.Flags().Changed(flags.FlagGasPrices) {
		preset(cmd, flags.FlagGasPrices, "")
	}
	cc := c.context(home).WithCmdContext(cmd.Context()).WithOutput(cmd.OutOrStdout())
	target, err := c.find(home)
	given := func(flag string) bool { return cmd.Flags().Changed(flag) }
	if err != nil && !given(flags.FlagNode) && !given(flags.FlagGRPC) && !given(flags.FlagOffline) {
		return err
	}
	cc = cc.WithChainID(target.ChainID)
	if target.RPC != "" && !given(flags.FlagNode) {
		cc = cc.WithNodeURI("tcp://" + target.RPC)
		if cc.Client, err = sdkclient.NewClientFromNode(cc.NodeURI); err != nil {
			return fmt.Errorf("cannot reach the ledger at %s: %w", target.RPC, err)
		}
	}
	if cmd.Flags().Lookup(flags.FlagFrom) != nil && !given(flags.FlagKeyringBackend) && !given(flags.FlagKeyringDir) {
		if cc.Keyring, err = c.keyring(cc, target.Keys); err != nil {
			return err
		}
	}
	return sdkclient.SetCmdClientContextHandler(cc, cmd)
}

// keyring opens the home's keyring and adds keys that it lacks.
func (c *commands) keyring(cc sdkclient.Context, keys []client.Key) (keyring.Keyring, error) {
	ring, err := sdkclient.NewKeyringFromBackend(cc, keyring.BackendTest)
	if err != nil {
		return nil, fmt.Errorf("cannot open the keyring in %s: %w", cc.KeyringDir, err)
	}
	for _, key := range keys {
		if _, err := ring.Key(key.Name); err == nil {
			continue
		}
		path := hd.CreateHDPath(app.CoinType, 0, 0).String()
		if _, err := ring.NewAccount(key.Name, key.Mnemonic, "", path, hd.Secp256k1); err != nil {
			return nil, fmt.Errorf("cannot keep the key %q in the keyring: %w", key.Name, err)
		}
		slog.Debug("added a key to the keyring", "name", key.Name, "address", key.Address())
	}
	return ring, nil
}
