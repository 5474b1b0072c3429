package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/client/wallet"
)

// purse is what the commands of `koinon wallet` share: the keys, and where the
// ledger is.
type purse struct {
	dir          string
	home, ledger string
	asJSON       bool
}

func (p *purse) flags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&p.dir, "wallet", filepath.Join(filepath.Dir(defaultHome()), "wallet"), "folder of the keys")
	flags.StringVar(&p.home, "home", defaultHome(), "home of the network that koinon up, or koinon node, runs; its accounts are at hand by name")
	flags.StringVar(&p.ledger, "ledger", "", "ledger's gRPC address (default that of the home)")
	flags.BoolVar(&p.asJSON, "json", false, "print JSON, amounts in millionths (ucredit, ukoin)")
}

func newWalletCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "wallet",
		Short: "Keys, balances and payments of an account",
		Long: `Keeps keys in ~/.koinon/wallet, one file each that only you can read, and moves
money. Amounts are dollars ($5, 0.25) or KOIN ('3 KOIN'). Whatever moves money is
simulated first, shown with its fee, and asked about; --yes answers, --dry-run
only shows. A passphrase is asked for, or taken from KOINON_PASSPHRASE.`,
		Example: `  koinon wallet create me
  koinon wallet balance me
  koinon wallet send '$5' koinon1… --from me
  koinon wallet deposit '$20' --from me && koinon wallet withdraw '$1' --from me --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newWalletCreateCommand(p), newWalletImportCommand(p), newWalletListCommand(p), newWalletBalanceCommand(p),
		newWalletSendCommand(p), newWalletDepositCommand(p), newWalletWithdrawCommand(p), newWalletCashOutCommand(p),
		newWalletHistoryCommand(p))
	return cmd
}

func (p *purse) wallet() wallet.Wallet { return wallet.Wallet{Dir: p.dir} }

// connect reaches the ledger.
func (p *purse) connect(ctx context.Context) (*client.Client, error) {
	c := connection{home: p.home, ledger: p.ledger}
	if err := c.resolve(); err != nil {
		return nil, err
	}
	if c.ledger == "" {
		return nil, &exitError{exitNotFound, fmt.Errorf("no ledger known: run 'koinon up' in another terminal, or give --home or --ledger")}
	}
	return client.Dial(ctx, c.ledger, "")
}

// key opens a key of the wallet or, if the wallet has none of the name, the
// network's own.
func (p *purse) key(cmd *cobra.Command, name string) (client.Key, error) {
	if name == "" {
		return client.Key{}, usageError("--from NAME is needed: see 'koinon wallet list'")
	}
	key, err := p.wallet().Open(name, func() (string, error) { return passphrase(cmd, "Passphrase of "+name) })
	if !errors.Is(err, wallet.ErrUnknown) {
		return key, err
	}
	info, infoErr := readInfo(p.home)
	if infoErr != nil && !errors.Is(infoErr, os.ErrNotExist) {
		return client.Key{}, infoErr
	}
	for _, a := range info.Accounts {
		if a.Name == name {
			return client.KeyFromMnemonic(a.Name, a.Mnemonic)
		}
	}
	return client.Key{}, &exitError{exitNotFound, err}
}

// address is that of an account given by its address or a key's name.
func (p *purse) address(text string) (string, error) {
	if strings.HasPrefix(text, "koinon1") {
		if err := client.CheckAddress(text); err != nil {
			return "", usageError("%q is no address: %w", text, err)
		}
		return text, nil
	}
	list, err := p.all()
	if err != nil {
		return "", err
	}
	for _, k := range list {
		if k.Name == text {
			return k.Address, nil
		}
	}
	return "", &exitError{exitNotFound, fmt.Errorf("%q is neither an address nor a key's name: see 'koinon wallet list'", text)}
}

// all is the wallet's keys, then the network's own.
func (p *purse) all() ([]client.KeyInfo, error) {
	list, err := p.wallet().List()
	if err != nil {
		return nil, err
	}
	info, err := readInfo(p.home)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, a := range info.Accounts {
		list = append(list, client.KeyInfo{Name: a.Name, Address: a.Address})
	}
	return list, nil
}

// passphrase comes from KOINON_PASSPHRASE, or is asked for on a terminal.
func passphrase(cmd *cobra.Command, prompt string) (string, error) {
	if words := os.Getenv("KOINON_PASSPHRASE"); words != "" {
		return words, nil
	}
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", usageError("a passphrase is needed: set KOINON_PASSPHRASE, or run this on a terminal")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", prompt)
	words, err := term.ReadPassword(in)
	fmt.Fprintln(cmd.ErrOrStderr())
	if err == nil && len(words) == 0 {
		return "", usageError("a passphrase cannot be empty")
	}
	return string(words), err
}

// newPassphrase is empty unless one is wanted.
func newPassphrase(cmd *cobra.Command, wanted bool) (string, error) {
	if !wanted {
		return "", nil
	}
	words, err := passphrase(cmd, "New passphrase")
	if err != nil || os.Getenv("KOINON_PASSPHRASE") != "" {
		return words, err
	}
	again, err := passphrase(cmd, "The same again")
	if err == nil && again != words {
		return "", usageError("the two passphrases differ: nothing was made")
	}
	return words, err
}

func newWalletCreateCommand(p *purse) *cobra.Command {
	var protect bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key; its mnemonic is shown this once",
		Long: `Makes a key from new random words and prints them: write them down, they are the
account. With --protect the file is encrypted, and the words are nowhere else.`,
		Example: "  koinon wallet create me\n  koinon wallet create savings --protect",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			words, err := newPassphrase(cmd, protect)
			if err != nil {
				return err
			}
			key, err := p.wallet().Create(args[0], words)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"name": key.Name, "address": key.Address(), "mnemonic": key.Mnemonic, "protected": protect})
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "Write the words down: whoever has them has the account, and they are not shown again.")
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", key.Address(), key.Mnemonic)
			return nil
		},
	}
	cmd.Flags().BoolVar(&protect, "protect", false, "encrypt the file with a passphrase")
	return cmd
}

func newWalletImportCommand(p *purse) *cobra.Command {
	var protect bool
	cmd := &cobra.Command{
		Use:   "import NAME [KEYFILE]",
		Short: "Keep a key given by its mnemonic, or by a key file of koinon's",
		Long: `Reads a mnemonic of 12 to 24 words from standard input, as every Cosmos wallet
shows it, or a key file such as a provider's or a gateway's account.json.`,
		Example: "  koinon wallet import me < words.txt\n  koinon wallet import gateway ~/.koinon/gateway/account.json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			mnemonic, err := readMnemonic(cmd, args[1:])
			if err != nil {
				return err
			}
			words, err := newPassphrase(cmd, protect)
			if err != nil {
				return err
			}
			key, err := p.wallet().Import(args[0], mnemonic, words)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"name": key.Name, "address": key.Address(), "protected": protect})
			}
			fmt.Fprintln(cmd.OutOrStdout(), key.Address())
			return nil
		},
	}
	cmd.Flags().BoolVar(&protect, "protect", false, "encrypt the file with a passphrase")
	return cmd
}

// readMnemonic reads the words from a key file, or from standard input.
func readMnemonic(cmd *cobra.Command, file []string) (string, error) {
	if len(file) == 1 {
		key, err := client.OpenKey(file[0], func() (string, error) {
			return "", fmt.Errorf("%w: copy %s into the wallet's folder instead", client.ErrProtected, file[0])
		})
		return key.Mnemonic, err
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintln(cmd.ErrOrStderr(), "The mnemonic, on one line:")
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	}
	const most = 4096 // bytes; 24 words have at most 215
	data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), most))
	return string(data), err
}

func newWalletListCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys, the network's own after the wallet's",
		Example: "  koinon wallet list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := p.all()
			if err != nil {
				return err
			}
			if p.asJSON {
				rows := []map[string]any{}
				for _, k := range list {
					rows = append(rows, map[string]any{"name": k.Name, "address": k.Address, "protected": k.Protected})
				}
				return printJSON(cmd.OutOrStdout(), rows)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tADDRESS\tFILE")
			for _, k := range list {
				kept := "clear"
				if k.Protected {
					kept = "protected"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\n", k.Name, k.Address, kept)
			}
			return table.Flush()
		},
	}
}
