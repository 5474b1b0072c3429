package client

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/cosmos/cosmos-sdk/types/tx"
)

// Past is a transaction that a block has.
type Past struct {
	Height  int64  `json:"height"`
	Time    string `json:"time"` // RFC 3339
	Hash    string `json:"hash"`
	Message string `json:"message"` // the kinds of its messages, with commas
	Failed  bool   `json:"failed"`
}

// MaxHistory bounds what History returns.
const MaxHistory = 100

// History returns the latest transactions that an account sent, or that paid
// it, newest first.
func (c *Client) History(ctx context.Context, address string, limit int) ([]Past, error) {
	list := []Past{}
	known := map[string]bool{}
	for _, event := range []string{"message.sender", "transfer.recipient"} {
		response, err := tx.NewServiceClient(c.conn).GetTxsEvent(ctx, &tx.GetTxsEventRequest{
			Query: event + "='" + address + "'", OrderBy: tx.OrderBy_ORDER_BY_DESC, Page: 1, Limit: uint64(limit),
		})
		if err != nil {
			return nil, asked(err)
		}
		for i, r := range response.TxResponses {
			if known[r.TxHash] {
				continue
			}
			known[r.TxHash] = true
			list = append(list, Past{r.Height, r.Timestamp, r.TxHash, kinds(response.Txs[i]), r.Code != 0})
		}
	}
	slices.SortStableFunc(list, func(a, b Past) int { return cmp.Compare(b.Height, a.Height) })
	return list[:min(len(list), limit)], nil
}

// kinds names a transaction's messages.
func kinds(t *tx.Tx) string {
	var names []string
	for _, m := range t.GetBody().GetMessages() {
		name := m.TypeUrl[strings.LastIndexByte(m.TypeUrl, '.')+1:]
		names = append(names, strings.TrimPrefix(name, "Msg"))
	}
	return strings.Join(names, ",")
}
