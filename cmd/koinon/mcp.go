package main

import (
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/mcp"
)

func newMCPCommand() *cobra.Command {
	var conn connection
	var spend string
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Let an assistant search models, check receipts and read usage",
		Long: `Serves the Model Context Protocol on standard input and output, for assistants that
start it: search_models, show_model, list_receipts, verify_receipt, read_usage. With
--spend there is also ask, which pays: a session spends at most that much, by the
highest that each answer could cost, and the API key's own budget holds besides.`,
		Example: `  koinon mcp
  koinon mcp --spend '$0.50' --api-key sk-koinon-…
  claude mcp add koinon -- koinon mcp`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := mcp.Config{Version: version}
			if spend != "" {
				amount, err := credit.Parse(spend)
				if err != nil {
					return usageError("--spend: %w", err)
				}
				c.Budget = amount
			}
			if err := conn.needGateway(); err != nil {
				return err
			}
			c.Gateway, c.APIKey = conn.gateway, conn.apiKey
			return ended(cmd.Context(), mcp.Run(cmd.Context(), c, &sdk.StdioTransport{}))
		},
	}
	conn.flags(cmd)
	cmd.Flags().StringVar(&spend, "spend", "", "dollars that a session may spend; without it, nothing that costs is offered")
	return cmd
}
