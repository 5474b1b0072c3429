package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/indexer"
	"github.com/koinon/koinon/internal/indexer/onledger"
	"github.com/koinon/koinon/internal/ledger/client"
)

// indexFile is the index's name in a home.
const indexFile = "index.db"

func newIndexCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "The tables from which pages about the ledger are made",
		Long: `The web console reads an index: tables made from what the ledger did, and from
nothing else. Whoever doubts them makes them again, and gets the same.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newIndexRebuildCommand())
	return cmd
}

func newIndexRebuildCommand() *cobra.Command {
	ledger, file := "127.0.0.1:9090", filepath.Join(defaultHome(), indexFile)
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the index again, from the first block",
		Long: `Empties the index and reads every block of the ledger again. Stop what follows the
ledger into the same file first. The node must have all blocks.`,
		Example: `  koinon index rebuild
  koinon index rebuild --ledger 10.0.0.1:9090 --index /tmp/index.db --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			c, err := client.Dial(ctx, ledger, "")
			if err != nil {
				return err
			}
			defer c.Close()
			x, err := indexer.Open(ctx, file)
			if err != nil {
				return err
			}
			defer x.Close()
			began, told := time.Now(), time.Now()
			err = x.Rebuild(ctx, onledger.New(c), func(height, latest int64) {
				if time.Since(told) > 2*time.Second {
					told = time.Now()
					fmt.Fprintf(cmd.ErrOrStderr(), "block %d of %d\n", height, latest)
				}
			})
			if err != nil {
				return err
			}
			height, err := x.Height(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"index": file, "height": height, "seconds": time.Since(began).Seconds()})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has %d blocks, read in %s\n", file, height, time.Since(began).Round(100*time.Millisecond))
			return err
		},
	}
	cmd.Flags().StringVar(&ledger, "ledger", ledger, "gRPC address of a node")
	cmd.Flags().StringVar(&file, "index", file, "file of the index")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
