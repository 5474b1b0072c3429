package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/credit"
)

// grantKey loads the key that signs grants from a file that only its owner can
// read, and makes it on the first start. It can spend what is in the escrow and
// nothing else; the account's own key is not needed to serve.
func grantKey(home string) (ed25519.PrivateKey, error) {
	path := filepath.Join(home, "grant.key")
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = make([]byte, ed25519.SeedSize)
		rand.Read(seed) // never fails
		if err := renameio.WriteFile(path, seed, 0o600); err != nil {
			return nil, fmt.Errorf("making the grant key: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("reading the grant key: %w", err)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the grant key in %s has %d bytes, not %d: restore it, or move it away to have a new one made", path, len(seed), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// errUnfunded says that no provider could be paid.
var errUnfunded = errors.New("the escrow is empty and the account has nothing to fill it up: send credit to the account")

// fund fills the escrow up and sets its grant key, where either is needed. Done
// twice, it does nothing the second time.
func fund(ctx context.Context, ledger Ledger, c Config, key ed25519.PublicKey, log *slog.Logger) error {
	escrow, err := ledger.Escrow(ctx)
	if err != nil {
		return fmt.Errorf("reading the escrow: %w", err)
	}
	foreign := !bytes.Equal(escrow.GrantKey, key)
	if c.Deposit == 0 || escrow.Available >= c.TopUpBelow && !foreign {
		return nil
	}
	balance, err := ledger.Balance(ctx)
	if err != nil {
		return fmt.Errorf("reading the account's balance: %w", err)
	}
	amount := min(balance, c.Deposit-min(c.Deposit, escrow.Available))
	if foreign && amount == 0 {
		amount = min(balance, 1) // a deposit of nothing is refused, and the key must be set
	}
	if amount == 0 {
		if foreign || escrow.Available+escrow.Locked == 0 {
			return fmt.Errorf("%w %s", errUnfunded, ledger.Payer())
		}
		log.Warn("the escrow is low and the account has nothing to fill it up",
			"account", ledger.Payer(), "escrow", credit.Dollars(escrow.Available))
		return nil
	}
	if err := ledger.Deposit(ctx, amount, key); err != nil {
		return fmt.Errorf("depositing %s: %w", credit.Dollars(amount), err)
	}
	log.Info("escrow filled up", "account", ledger.Payer(), "deposit", credit.Dollars(amount))
	return nil
}
