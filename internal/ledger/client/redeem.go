package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/refusal"
)

// Redeem sends a batch of redemptions as one transaction and returns each one's
// refusal, nil for those that were accepted. An error means that none was, or
// with ErrPending that the outcome is not known.
func (c *Client) Redeem(ctx context.Context, key Key, msg *escrowv1.MsgRedeem) ([]error, error) {
	sent, err := c.Send(ctx, key, msg)
	if err != nil {
		return nil, err
	}
	var response escrowv1.MsgRedeemResponse
	if err := sent.response(&response); err != nil {
		return nil, fmt.Errorf("the answer to transaction %s: %w", sent.Hash, err)
	}
	if len(response.Results) != len(msg.Redemptions) {
		return nil, fmt.Errorf("the answer to transaction %s has %d results for %d redemptions", sent.Hash, len(response.Results), len(msg.Redemptions))
	}
	refusals := make([]error, len(response.Results))
	for i, r := range response.Results {
		if r.Code != 0 {
			refusals[i] = refusal.FromResult(r.Codespace, r.Code, r.Refusal)
		}
	}
	return refusals, nil
}

// response reads the response to a transaction's only message.
func (r *Result) response(into interface{ Unmarshal([]byte) error }) error {
	raw, err := hex.DecodeString(r.data)
	if err != nil {
		return err
	}
	var all sdk.TxMsgData
	if err := all.Unmarshal(raw); err != nil {
		return err
	}
	if len(all.MsgResponses) != 1 {
		return errors.New("it is not that of one message")
	}
	return into.Unmarshal(all.MsgResponses[0].Value)
}
