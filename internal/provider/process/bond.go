package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
)

// feeAllowance is what registering may cost beside the bond, in ukoin.
const feeAllowance = 10_000

// awaitBond waits until the account can pay for what is missing of the bond, and
// says what it waits for.
func awaitBond(ctx context.Context, c Config, ledger *client.Client, address string, log *slog.Logger) error {
	for told := (time.Time{}); ; {
		missing, has, err := bondMissing(ctx, c, ledger, address)
		if err != nil {
			log.Warn("the ledger does not say what the account holds; asking again", "error", err)
		} else if missing == 0 || has >= missing+feeAllowance {
			return nil
		} else if time.Since(told) >= time.Minute {
			told = time.Now()
			need := missing + feeAllowance - has
			log.Warn(fmt.Sprintf("send %s (%d%s) to %s: a provider needs a bond, and this account has %s; waiting for it",
				credit.Koin(need), need, credit.KoinDenom, address, credit.Koin(has)))
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// bondMissing is what the configured bond lacks on the ledger, and what the
// account has, in ukoin.
func bondMissing(ctx context.Context, c Config, ledger *client.Client, address string) (missing, has uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	known, err := ledger.Provider(ctx, address)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return 0, 0, err
	}
	missing = c.Bond - min(c.Bond, known.Bond)
	if missing == 0 {
		return 0, 0, nil
	}
	has, err = ledger.Balance(ctx, address, credit.KoinDenom)
	return missing, has, err
}
