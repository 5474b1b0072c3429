package main

import (
	"fmt"
	"math"
	"strconv"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/ledger/client"
)

// millionths reads a score from 0 to a million million.
func millionths(name, text string) (uint64, error) {
	score, err := strconv.ParseFloat(text, 64)
	if err != nil || !(score > 0 && score <= 1e6) {
		return 0, usageError("%s: give a score above 0, such as 0.72, not %q", name, text)
	}
	return uint64(math.Round(score * 1e6)), nil
}

func newOfferingEvaluateCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:   "evaluate VERSION BENCHMARK SCORE",
		Short: "Sign what a version scores, as a member of the council",
		Long: `Puts a score on the ledger, signed by a member of the council that governance
appoints. When enough members found at least what a milestone asks for,
'koinon offering release ID MILESTONE --version VERSION' pays it.`,
		Example: "  koinon offering evaluate @ada/bard@2 mmlu 0.72 --from me",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			score, err := millionths("SCORE", args[2])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "offering evaluate", func(c *client.Client, key client.Key) (plan, error) {
				v, err := resolved(cmd.Context(), c, args[0])
				return plan{
					what: fmt.Sprintf("say that %s@%s scores %s in %s", v.Name, v.Version, args[2], args[1]), to: v.Digest,
					msgs: []sdk.Msg{&offeringv1.MsgEvaluate{Member: key.Address(), ModelDigest: v.Digest, Benchmark: args[1], Score: score}},
				}, err
			})
		},
	}
	o.flags(cmd)
	return cmd
}
