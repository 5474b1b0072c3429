package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	koinonclient "github.com/koinon/koinon/client"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
)

func newCallCommand() *cobra.Command {
	p := &purse{}
	var from, gateway, model, maxCost, save string
	var maxTokens uint32
	cmd := &cobra.Command{
		Use:   "call MESSAGE",
		Short: "Ask a public gateway, paying from your own wallet",
		Long: `Asks any gateway that is open to strangers, without a key to it: takes the
cheapest offer it quotes, signs a grant with the escrow's key, pays ticket by
ticket for what has arrived, and verifies the receipt against the ledger. The
account needs credit in escrow: koinon wallet deposit '$1' --from NAME.`,
		Example: `  koinon call "Sing, O goddess," --pay-from bob --max-cost '$0.01'
  koinon call "hello" --pay-from bob --save answer.json && koinon receipt audit answer.json --gguf model.gguf
  koinon call "hello" --pay-from me --gateway https://gateway.example/v1 --ledger 10.0.0.1:9090`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn := connection{home: p.home, gateway: gateway}
			if err := conn.needGateway(); err != nil {
				return err
			}
			most, err := credit.Parse(maxCost)
			if err != nil {
				return usageError("--max-cost: %w", err)
			}
			key, err := p.key(cmd, from)
			if err != nil {
				return err
			}
			ledger, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			b, err := strangerBuyer(cmd.Context(), ledger, key, conn.gateway, filepath.Join(p.dir, "grants"))
			if err == nil && model == "" {
				model, err = b.FirstModel(cmd.Context())
			}
			if err == nil {
				b.Right, b.Calls, err = rightOf(cmd.Context(), ledger, model, key.Address())
			}
			if err == nil {
				err = p.call(cmd, b, ledger, koinonclient.Request{
					Model: model, Messages: []koinonclient.Message{{Role: "user", Content: args[0]}}, MaxTokens: maxTokens, MaxCost: most, Transcript: save != "",
				}, save)
			}
			return errors.Join(err, ledger.Close())
		},
	}
	p.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&from, "pay-from", "", "key of the wallet whose escrow pays")
	flags.StringVar(&gateway, "gateway", "", "gateway's base URL (default $OPENAI_BASE_URL, else that of koinon up)")
	flags.StringVar(&model, "model", "", "model (default the gateway's first)")
	flags.StringVar(&maxCost, "max-cost", "0.05", "dollars that the answer may cost at most")
	flags.StringVar(&save, "save", "", "file for the receipt and what an audit needs: the prompt and the answer's tokens")
	flags.Uint32Var(&maxTokens, "max-tokens", 200, "longest answer, in tokens")
	return cmd
}

// strangerBuyer pays from a key's escrow, if there is one that the key can pay from.
func strangerBuyer(ctx context.Context, ledger *client.Client, key client.Key, gateway, dir string) (*koinonclient.Buyer, error) {
	signer, err := key.GrantKey()
	if err != nil {
		return nil, err
	}
	escrow, err := ledger.Escrow(ctx, key.Address())
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return nil, err
	}
	deposit := fmt.Sprintf("koinon wallet deposit '$1' --from %s", key.Name)
	switch {
	case escrow.Available+escrow.Locked == 0:
		return nil, fmt.Errorf("%s has no credit in escrow: %s", key.Address(), deposit)
	case !bytes.Equal(escrow.GrantKey, signer.Public().(ed25519.PublicKey)):
		return nil, fmt.Errorf("the escrow of %s is paid from with another grant key, maybe a gateway's: use another account, or replace it with %s --grant-key %x",
			key.Address(), deposit, signer.Public().(ed25519.PublicKey))
	}
	return &koinonclient.Buyer{Gateway: gateway, ChainID: ledger.ChainID(), Payer: key.Address(), Key: signer, Dir: dir}, nil
}

// call asks, prints the answer as it comes, saves it to a file, if one is named, and
// checks the provider's key.
func (p *purse) call(cmd *cobra.Command, b *koinonclient.Buyer, ledger *client.Client, r koinonclient.Request, save string) error {
	out := cmd.OutOrStdout()
	show := func(text string) { fmt.Fprint(out, text) }
	if p.asJSON {
		show = nil
	}
	answer, err := b.Chat(cmd.Context(), r, show)
	if !p.asJSON && answer.Text != "" {
		fmt.Fprintln(out)
	}
	if save != "" && len(answer.Receipt.Signature) > 0 { // a false receipt is worth keeping, too
		if failed := saveRecord(save, answer.Record()); failed != nil {
			return errors.Join(err, failed)
		}
	}
	var dear *koinonclient.DearError
	if errors.As(err, &dear) {
		return fmt.Errorf("the answer may cost %s, and --max-cost is %s: allow more, or ask for fewer with --max-tokens",
			credit.Dollars(dear.Asked), credit.Dollars(dear.Most))
	}
	if errors.Is(err, koinonclient.ErrReceipt) {
		return &exitError{exitInvalid, err}
	}
	if err != nil {
		return err
	}
	provider, err := ledger.Provider(cmd.Context(), answer.Receipt.Provider)
	if err != nil {
		return err
	}
	if !bytes.Equal(provider.PublicKey, answer.Receipt.ProviderKey) {
		return &exitError{exitInvalid, fmt.Errorf("the receipt is signed with a key that is not its provider's on the ledger")}
	}
	if p.asJSON {
		return printJSON(out, map[string]any{"text": answer.Text, "cost": answer.Cost, "paid_on_grant": answer.Paid, "receipt": answer.Body})
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s to %s; receipt %s verified\n", credit.Dollars(answer.Cost), answer.Receipt.Provider, answer.Receipt.Hash())
	return nil
}
