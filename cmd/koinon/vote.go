package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
)

func newVoteCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "vote",
		Short: "Decide about a model with those who own its shares",
		Long: `Shareholders of a model decide what its name stands for, its highest price, how its
earnings are split, how it is to behave, what it learns from, what its treasury
pays, and when money that was raised is paid out. Votes count by the shares held a
second before a proposal was made, and those whose holders delegated their vote.
What passes is done by the ledger, after a wait.`,
		Example: `  koinon vote propose @ada/bard 'Cheaper answers' --max-output '$0.40' --from me
  koinon vote cast 0 yes --from me
  koinon vote show 0 --wait
  koinon vote settings @ada/bard`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newProposeCommand(p), newVoteCastCommand(p), newVoteShowCommand(p), newVoteListCommand(p), newVoteSettingsCommand(p))
	return cmd
}

// choices are what a vote says.
var choices = map[string]assemblyv1.Choice{
	"yes": assemblyv1.Choice_CHOICE_YES, "no": assemblyv1.Choice_CHOICE_NO, "abstain": assemblyv1.Choice_CHOICE_ABSTAIN,
}

func newVoteCastCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     "cast ID yes|no|abstain",
		Short:   "Vote, or change your vote",
		Example: "  koinon vote cast 0 yes --from me",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			choice, known := choices[args[1]]
			if !known {
				return usageError("CHOICE: say yes, no or abstain, not %q", args[1])
			}
			return p.pay(cmd, o, "vote cast", func(c *client.Client, key client.Key) (plan, error) {
				proposal, err := c.Proposal(cmd.Context(), id)
				return plan{
					what: fmt.Sprintf("vote %s on %q for %s", args[1], proposal.Title, proposal.Model), to: proposal.Model,
					msgs: []sdk.Msg{&assemblyv1.MsgVote{Voter: key.Address(), Proposal: id, Choice: choice}},
				}, err
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newVoteShowCommand(p *purse) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a proposal, its votes, and what became of it",
		Long: `Shows a proposal. With --wait it waits until it is rejected or done, and exits 4 if
it was rejected or could not be done.`,
		Example: "  koinon vote show 0\n  koinon vote show 0 --wait --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			var v assemblyv1.Proposal
			err = await(cmd.Context(), cmd.ErrOrStderr(), "the vote's end", func() (bool, error) {
				v, err = c.Proposal(cmd.Context(), id)
				open := v.Status == assemblyv1.Status_STATUS_VOTING || v.Status == assemblyv1.Status_STATUS_WAITING
				return !wait || !open, err
			})
			if err != nil {
				return missing(err)
			}
			if p.asJSON {
				err = printJSON(cmd.OutOrStdout(), v)
			} else {
				err = printProposal(cmd.OutOrStdout(), v)
			}
			if err == nil && wait && v.Status != assemblyv1.Status_STATUS_DONE {
				err = &exitError{exitInvalid, fmt.Errorf("proposal %d was %s: %s", id, stage(v.Status), v.Why)}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is decided and done")
	return cmd
}

func printProposal(out io.Writer, v assemblyv1.Proposal) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\t%s\t%s\n", stage(v.Status), v.Model, v.Title)
	action, err := json.Marshal(v.Action.What)
	if err != nil {
		return err
	}
	fmt.Fprintf(table, "decides\t%s\n", action)
	if v.Why != "" {
		fmt.Fprintf(table, "failed\t%s\n", v.Why)
	}
	for _, h := range v.Houses {
		fmt.Fprintf(table, "%s\tyes %d, no %d, abstained %d, of %d\n", h.Name, h.Yes, h.No, h.Abstain, h.Total)
		fmt.Fprintf(table, "\tneeds %s of all to vote, %s of them yes\n", percent(h.QuorumBps), percent(h.ThresholdBps))
	}
	fmt.Fprintf(table, "closes\t%s\ndone at\t%s\n", utc(v.ClosesAt), utc(v.EffectAt))
	return table.Flush()
}

func newVoteListCommand(p *purse) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List proposals",
		Example: "  koinon vote list --model @ada/bard\n  koinon vote list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Proposals(cmd.Context(), model)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]assemblyv1.Proposal{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tSTATUS\tCLOSES\tMODEL\tTITLE")
			for _, v := range list {
				fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", v.Id, stage(v.Status), utc(v.ClosesAt), v.Model, v.Title)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "only those of this model")
	return cmd
}

func newVoteSettingsCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "settings MODEL",
		Short:   "Show what a model's shareholders decided, how they decide, and its treasury",
		Example: "  koinon vote settings @ada/bard",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			s, err := c.Decided(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			most := func(ucredit uint64) string {
				if ucredit == 0 {
					return "any price"
				}
				return "at most " + credit.Dollars(ucredit)
			}
			fmt.Fprintf(table, "%s\tfor a million tokens of input\n%s\tof output\n", most(s.Settings.Ceiling.InputPrice), most(s.Settings.Ceiling.OutputPrice))
			fmt.Fprintf(table, "%q\tsystem prompt\n%v\tfilters\n", s.Settings.Conduct.SystemPrompt, s.Settings.Conduct.Filters)
			for _, d := range s.Settings.Datasets {
				state := "out"
				if d.Allowed {
					state = "in"
				}
				fmt.Fprintf(table, "%s\tdataset %s\n", state, d.Digest)
			}
			if r := s.Settings.Retraining; r.Recipe != "" {
				fmt.Fprintf(table, "%s\tretraining, from %s\n", r.Recipe, r.Base)
			}
			fmt.Fprintf(table, "%s\tof all must vote, %s of them yes\n", percent(s.Charter.QuorumBps), percent(s.Charter.ThresholdBps))
			fmt.Fprintf(table, "%s\tof voting, then %s of waiting\n", seconds(s.Charter.VotingSeconds), seconds(s.Charter.WaitSeconds))
			fmt.Fprintf(table, "%s\ttreasury\n", s.Treasury)
			return table.Flush()
		},
	}
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
