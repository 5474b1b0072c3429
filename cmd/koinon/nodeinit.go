package main

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/ledger/x/assembly"
	"github.com/koinon/koinon/internal/ledger/x/pin"
	"github.com/koinon/koinon/internal/ledger/x/provider"
)

// founder is the name of the account that a new ledger begins with: its first
// validator's operator and its first issuer of credit.
const founder = "founder"

func founderFile(home string) string { return filepath.Join(home, founder+".json") }

// newLedger is what a founder decides.
type newLedger struct {
	home, chainID string
	koin, credit  uint64 // whole ones
	whitelist     []string
	fund          uint64 // whole dollars, of the founder's
	justice       devnet.Justice
	// vote is how long shareholders of a model vote, wait how long what passed waits.
	vote, wait time.Duration
	// pin is how long holders of pinned weights have to show pieces of them.
	pin time.Duration
}

// unit is how many micro-units make one KOIN or one credit.
const unit = 1_000_000

// most bounds what a founder may have of either, so that no sum overflows.
const most = 1_000_000_000_000

func newNodeInitCommand() *cobra.Command {
	c := newLedger{home: nodeHome(), chainID: "koinon-private-1", koin: 1_000_000, credit: 10_000}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the genesis of a new ledger with this node as its validator",
		Long: `Makes a new ledger's genesis in the node's home. This node is its one validator;
its founder, an account made here, has all KOIN and credit there is and may issue
more credit. Others join with a copy of the genesis; the founder sends them what
they need, as in the examples. A genesis that is there is never replaced.`,
		Example: `  koinon node init --chain-id koinon-friends-1
  koinon node init --whitelist koinon1…,koinon1…    # members only
  koinon node init --court-step 1m --audit-epoch 10m --challenge-epoch 10m    # to watch
  koinon node
  koinon tx bank send founder koinon1… 200000000ukoin --home ~/.koinon/node -y     # a provider
  koinon tx bank send founder koinon1… 20000000ucredit --home ~/.koinon/node -y    # a gateway`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", &c); err != nil {
				return err
			}
			key, id, err := c.found(time.Now())
			if err != nil {
				return err
			}
			genesis := filepath.Join(c.home, "config", "genesis.json")
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]string{
					"chain_id": c.chainID, "genesis": genesis, "id": id, "founder": key.Address(), "key_file": founderFile(c.home),
				})
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(table, "chain\t%s\ngenesis\t%s\nnode\t%s\nfounder\t%s\nits key\t%s\n", c.chainID, genesis, id, key.Address(), founderFile(c.home))
			return table.Flush()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.home, "home", c.home, "where the node's keys and state live")
	flags.StringVar(&c.chainID, "chain-id", c.chainID, "name of the ledger, unlike any other's")
	flags.Uint64Var(&c.koin, "koin", c.koin, "KOIN that the founder has; a hundredth of it on top is the validator's stake")
	flags.Uint64Var(&c.credit, "credit", c.credit, "credit, in dollars, that the founder has; it may issue a hundred times as much")
	flags.StringSliceVar(&c.whitelist, "whitelist", nil, "accounts that alone may provide and pay, beside the founder; none: anybody may")
	flags.Uint64Var(&c.fund, "audit-fund", 0, "credit, in dollars, that auditors are paid of until there are fees")
	flags.DurationVar(&c.vote, "model-vote", 3*24*time.Hour, "how long shareholders of a model vote, unless all have voted")
	flags.DurationVar(&c.wait, "model-wait", 2*24*time.Hour, "how long what they passed waits until it is done")
	flags.DurationVar(&c.pin, "pin-window", 10*time.Minute, "how long holders of pinned weights have to show pieces of them")
	justiceFlags(flags, &c.justice, "1 day", "hours")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// found makes the ledger, and returns the founder's key and the node's id.
func (c newLedger) found(start time.Time) (client.Key, string, error) {
	switch {
	case c.koin < 100 || c.koin > most:
		return client.Key{}, "", usageError("--koin %d: give from 100 to %d", c.koin, uint64(most))
	case c.credit < 1 || c.credit > most/100:
		return client.Key{}, "", usageError("--credit %d: give from 1 to %d", c.credit, uint64(most/100))
	case c.fund > most/100:
		return client.Key{}, "", usageError("--audit-fund %d: give at most %d", c.fund, uint64(most/100))
	case c.justice.Validate() != nil:
		return client.Key{}, "", usageError("%w", c.justice.Validate())
	case c.vote != 0 && c.vote < time.Second || c.vote > 60*24*time.Hour || c.wait < 0 || c.wait > 60*24*time.Hour:
		return client.Key{}, "", usageError("--model-vote %s and --model-wait %s: give a second to 60 days, and at most 60 days", c.vote, c.wait)
	case c.pin != 0 && c.pin < time.Second || c.pin > 7*24*time.Hour:
		return client.Key{}, "", usageError("--pin-window %s: give a second to 7 days", c.pin)
	case c.chainID == "" || len(c.chainID) > 50:
		return client.Key{}, "", usageError("--chain-id must have from 1 to 50 characters")
	case node.Initialised(c.home):
		return client.Key{}, "", fmt.Errorf("%s has a genesis already: 'koinon node --home %s' runs it; choose another --home for a new ledger", c.home, c.home)
	}
	consensus, id, err := node.Keys(c.home)
	if err != nil {
		return client.Key{}, "", err
	}
	key, err := client.LoadKey(founderFile(c.home), founder)
	if err != nil {
		return client.Key{}, "", err
	}
	genesis := app.GenesisConfig{
		Accounts:   []app.Account{{Address: key.Address(), Koin: c.koin * unit, Credit: c.credit * unit}},
		Validators: []app.Validator{{Operator: key.Address(), ConsensusKey: consensus, Stake: c.koin * unit / 100, Moniker: founder}},
		Issuer:     escrowv1.Issuer{Address: key.Address(), Name: founder, Cap: 100 * max(c.credit, c.fund) * unit},
		Audit:      c.justice.Audit(), AuditFund: c.fund * unit, Challenge: c.justice.Challenge(),
	}
	if c.vote > 0 {
		genesis.Assembly = assembly.Paced(c.vote, c.wait)
	}
	if c.pin > 0 {
		genesis.Pin = pin.Paced(uint64(c.pin / time.Second))
	}
	if len(c.whitelist) > 0 {
		params := provider.DefaultGenesis().Params
		params.Whitelist = append([]string{key.Address()}, c.whitelist...)
		genesis.Provider = &params
	}
	return key, id, node.Init(c.home, c.chainID, genesis, start.UTC())
}
