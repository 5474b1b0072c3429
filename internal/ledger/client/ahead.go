package client

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx"

	"github.com/koinon/koinon/internal/ledger/refusal"
)

// SignAhead signs a transaction that comes after so many others of its account
// that no block has yet, for programs that send many without waiting.
func (c *Client) SignAhead(ctx context.Context, key Key, ahead uint64, msgs ...sdk.Msg) ([]byte, error) {
	account, err := c.account(ctx, key.Address())
	if err != nil {
		return nil, err
	}
	if err := account.SetSequence(account.GetSequence() + ahead); err != nil {
		return nil, err
	}
	return c.sign(ctx, key, account, gasFor(msgs), msgs)
}

// Broadcast sends a signed transaction and returns once the node has checked it.
func (c *Client) Broadcast(ctx context.Context, signed []byte) error {
	response, err := tx.NewServiceClient(c.conn).BroadcastTx(ctx, &tx.BroadcastTxRequest{TxBytes: signed, Mode: tx.BroadcastMode_BROADCAST_MODE_SYNC})
	if err != nil {
		return fmt.Errorf("cannot send the transaction: %w", err)
	}
	if r := response.TxResponse; r.Code != 0 {
		return refusal.FromResult(r.Codespace, r.Code, r.RawLog)
	}
	return nil
}

// Sequence is how many transactions of an account blocks have.
func (c *Client) Sequence(ctx context.Context, address string) (uint64, error) {
	_, sequence, err := c.Numbers(ctx, address)
	return sequence, err
}

// Numbers are an account's own and its [Client.Sequence], of which a signature is
// made; ErrNotFound for an account that never held anything.
func (c *Client) Numbers(ctx context.Context, address string) (number, sequence uint64, err error) {
	account, err := c.account(ctx, address)
	if err != nil {
		return 0, 0, err
	}
	return account.GetAccountNumber(), account.GetSequence(), nil
}
