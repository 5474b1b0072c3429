package client

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/app"
)

// ErrSimulation is returned for messages that the ledger would refuse now.
var ErrSimulation = errors.New("the ledger would refuse this")

// Estimate is what a transaction would need.
type Estimate struct {
	Gas uint64 // with room for what may change until a block has it
	Fee uint64 // ukoin; zero for a buyer's messages
}

// simulationGas is what is signed for a simulation; the ledger's own limit for
// a transaction without a fee.
const simulationGas = 500_000

// Estimate simulates messages of one account against the ledger's state.
// Nothing is sent.
func (c *Client) Estimate(ctx context.Context, key Key, msgs ...sdk.Msg) (Estimate, error) {
	account, err := c.account(ctx, key.Address())
	if err != nil {
		return Estimate{}, err
	}
	data, err := c.sign(ctx, key, account, simulationGas, msgs)
	if err != nil {
		return Estimate{}, err
	}
	e, err := c.Simulate(ctx, data)
	if errors.Is(err, ErrSimulation) && !app.Free(msgs) {
		held, asked := c.Balance(ctx, key.Address(), app.FeeDenom)
		if asked == nil && held < app.Fee(simulationGas).AmountOf(app.FeeDenom).Uint64() {
			err = fmt.Errorf("%w; the fee is paid in KOIN, and %s has %s: have some sent to it", err, key.Address(), credit.Koin(held))
		}
	}
	return e, err
}

// Simulate is Estimate of a transaction that somebody else made; its signatures
// are not looked at.
func (c *Client) Simulate(ctx context.Context, data []byte) (Estimate, error) {
	decoded, err := c.encoding.TxConfig.TxDecoder()(data)
	if err != nil {
		return Estimate{}, fmt.Errorf("%w: this is no transaction: %w", ErrSimulation, err)
	}
	response, err := tx.NewServiceClient(c.conn).Simulate(ctx, &tx.SimulateRequest{TxBytes: data})
	if err != nil {
		return Estimate{}, fmt.Errorf("%w: %s", ErrSimulation, reason(status.Convert(err).Message()))
	}
	e := Estimate{Gas: response.GasInfo.GasUsed * 3 / 2}
	if !app.Free(decoded.GetMsgs()) {
		e.Fee = app.Fee(e.Gas).AmountOf(app.FeeDenom).Uint64()
	}
	return e, nil
}

// What the SDK puts around a refusal's own words, and how it writes amounts.
var (
	simulated = regexp.MustCompile(`^(?:failed to execute message; message index: \d+: )?(.*?)(?: \[[^]]*:\d+\])?(?: with gas used: '\d+')?$`)
	amounts   = regexp.MustCompile(`\b(\d+) ?(ucredit|ukoin)\b`)
	funds     = regexp.MustCompile(`(: insufficient funds)+$`)
)

// reason is why a transaction was refused, in words for people.
func reason(said string) string {
	said = funds.ReplaceAllString(simulated.ReplaceAllString(said, "$1"), "")
	return amounts.ReplaceAllStringFunc(said, func(text string) string {
		part := amounts.FindStringSubmatch(text)
		units, err := strconv.ParseUint(part[1], 10, 64)
		switch {
		case err != nil:
			return text
		case part[2] == credit.Denom:
			return credit.Dollars(units)
		}
		return credit.Koin(units)
	})
}
