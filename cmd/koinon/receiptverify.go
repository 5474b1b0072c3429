package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/receipt"
)

func newReceiptVerifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check receipts, and how those of one grant follow each other, without any network",
		Long: `Checks of each receipt its form, its signature, the arithmetic of its price, what
it commits to, and that its seed came about as it says; of one with a transcript,
also that it states what was asked and answered; and of several of one grant that
they form a chain. Says each thing that is wrong in a sentence, and exits 4.
What it cannot check offline is that the provider's key is registered, and that
the answer really came from the model: for that, koinon receipt audit.`,
		Example: `  koinon receipt show --json ID > answer.json
  koinon receipt verify answer.json
  koinon receipt verify receipts/*.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var records []receipt.Record
			for _, file := range args {
				some, err := readRecords(file)
				if err != nil {
					return err
				}
				records = append(records, some...)
			}
			problems := judgeRecords(records)
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), verified{len(problems) == 0, len(records), problems}); err != nil {
					return err
				}
			} else if len(problems) == 0 {
				for _, r := range records {
					explainReceipt(cmd.OutOrStdout(), r.Receipt)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "valid: signature, seed, form and price hold")
			}
			var failures []error
			for _, p := range problems {
				failures = append(failures, errors.New(p))
			}
			if len(failures) > 0 {
				return &exitError{exitInvalid, errors.Join(failures...)}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// verified is what came of verifying.
type verified struct {
	Valid    bool     `json:"valid"`
	Receipts int      `json:"receipts"`
	Problems []string `json:"problems,omitempty"`
}

// judgeRecords says in a sentence each what is wrong with receipts.
func judgeRecords(records []receipt.Record) (problems []string) {
	grants := map[receipt.Digest][]receipt.Receipt{}
	for i, record := range records {
		r := record.Receipt
		err := r.Verify()
		if err == nil && record.Transcript != nil {
			_, err = proof.Consistent(r, *record.Transcript)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("receipt %d of %d (sequence %d of grant %s) is not valid: %v", i+1, len(records), r.Sequence, r.Grant, err))
			continue
		}
		grants[r.Grant] = append(grants[r.Grant], r)
	}
	for _, record := range records { // in the order given
		id := record.Receipt.Grant
		if chain := grants[id]; len(chain) > 1 {
			problems = append(problems, judgeChain(chain)...)
			delete(grants, id)
		}
	}
	return problems
}

// judgeChain says what is wrong between receipts of one grant.
func judgeChain(chain []receipt.Receipt) (problems []string) {
	slices.SortStableFunc(chain, func(a, b receipt.Receipt) int {
		switch {
		case a.Sequence < b.Sequence:
			return -1
		case a.Sequence > b.Sequence:
			return 1
		}
		return 0
	})
	chain = slices.CompactFunc(chain, func(a, b receipt.Receipt) bool { return a.Hash() == b.Hash() })
	for i := 1; i < len(chain); i++ {
		if receipt.Equivocates(chain[i-1], chain[i]) == nil {
			return []string{fmt.Sprintf("%s signed two receipts for sequence %d of grant %s, %s and %s: that is fraud, and these two prove it",
				chain[i].Provider, chain[i].Sequence, chain[i].Grant, chain[i-1].Hash(), chain[i].Hash())}
		}
	}
	if err := receipt.VerifyChain(chain); err != nil {
		return []string{fmt.Sprintf("the receipts of grant %s are no chain: %v", chain[0].Grant, err)}
	}
	return nil
}

// readRecords reads a file with one receipt or a list of them, each alone or with
// its transcript.
func readRecords(file string) ([]receipt.Record, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &exitError{exitNotFound, fmt.Errorf("cannot read the receipt: %w", err)}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		list = []json.RawMessage{data}
	}
	if len(list) == 0 {
		return nil, &exitError{exitInvalid, fmt.Errorf("%s holds no receipt", file)}
	}
	records := make([]receipt.Record, len(list))
	for i, one := range list {
		var wrapped struct {
			Receipt json.RawMessage `json:"receipt"`
		}
		into := any(&records[i].Receipt)
		if err := json.Unmarshal(one, &wrapped); err == nil && wrapped.Receipt != nil {
			into = &records[i]
		}
		if err := json.Unmarshal(one, into); err != nil {
			return nil, &exitError{exitInvalid, fmt.Errorf("%s is no receipt: %w", file, err)}
		}
	}
	return records, nil
}

// saveRecord writes a receipt with its transcript, for its owner's eyes alone.
func saveRecord(file string, r receipt.Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(file, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot save the receipt: %w", err)
	}
	return nil
}
