package main

import "github.com/spf13/cobra"

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check what providers sold, and plan what that takes",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditRunCommand(), newAuditStatusCommand(), newAuditListCommand(), newAuditPlanCommand())
	return cmd
}
