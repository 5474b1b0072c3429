// Package onledger reads blocks for the index over a node's gRPC address.
package onledger

import (
	"context"

	"github.com/cosmos/gogoproto/proto"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/indexer"
	"github.com/koinon/koinon/internal/ledger/client"
)

// Ledger is an [indexer.Ledger].
type Ledger struct{ client *client.Client }

// New reads by a connection.
func New(c *client.Client) *Ledger { return &Ledger{c} }

// ChainID names the ledger.
func (l *Ledger) ChainID() string { return l.client.ChainID() }

// Height is that of the latest block that can be read.
func (l *Ledger) Height(ctx context.Context) (int64, error) { return l.client.Height(ctx) }

// Block reads one block.
func (l *Ledger) Block(ctx context.Context, height int64) (indexer.Block, error) {
	b, err := l.client.Block(ctx, height)
	if err != nil {
		return indexer.Block{}, err
	}
	block := indexer.Block{Height: b.Height, Time: b.Time, Hash: b.Hash, Proposer: b.Proposer, Events: events(b.Events)}
	for _, t := range b.Txs {
		tx := indexer.Tx{Hash: t.Hash, Sender: t.Signer, Gas: t.GasUsed, Refusal: t.Refusal, Events: events(t.Events)}
		if fee := t.Fee.AmountOf(credit.KoinDenom); fee.IsUint64() {
			tx.Fee = fee.Uint64()
		}
		for _, m := range t.Msgs {
			tx.Messages = append(tx.Messages, indexer.Message{Kind: proto.MessageName(m), Body: l.client.JSON(m), Value: m})
		}
		block.Txs = append(block.Txs, tx)
	}
	return block, nil
}

func events(list []client.Event) []indexer.Event {
	var events []indexer.Event
	for _, e := range list {
		events = append(events, indexer.Event{Kind: e.Kind, Body: e.Body, Value: e.Message})
	}
	return events
}
