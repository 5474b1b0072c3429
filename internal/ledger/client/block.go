package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmttypes "github.com/cometbft/cometbft/types"
	cmtservice "github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	"github.com/cosmos/gogoproto/proto"
)

// Block is a block of the ledger and what it brought about.
type Block struct {
	Height   int64
	Time     time.Time
	Hash     string // hexadecimal digits
	Proposer string // consensus address
	Txs      []BlockTx
	Events   []Event // of the block itself
}

// BlockTx is a transaction in a block.
type BlockTx struct {
	Hash    string // hexadecimal digits
	Signer  string // the first; empty if the bytes are no transaction
	Msgs    []proto.Message
	Fee     sdk.Coins
	GasUsed int64
	Refusal string // why it changed nothing; empty if it did
	Events  []Event
}

// Event is what the ledger says has happened: koinon's own as a message, others
// by their attributes alone.
type Event struct {
	Kind    string
	Body    json.RawMessage // an object
	Message proto.Message   // nil for others
}

// Block reads one block and its results.
func (c *Client) Block(ctx context.Context, height int64) (Block, error) {
	service := cmtservice.NewServiceClient(c.conn)
	block, err := service.GetBlockByHeight(ctx, &cmtservice.GetBlockByHeightRequest{Height: height})
	if err != nil {
		return Block{}, asked(err)
	}
	results, err := service.GetBlockResults(ctx, &cmtservice.GetBlockResultsRequest{Height: height})
	if err != nil {
		return Block{}, asked(err)
	}
	if block.SdkBlock == nil || block.BlockId == nil || len(block.SdkBlock.Data.Txs) != len(results.TxsResults) {
		return Block{}, fmt.Errorf("the node's block %d and its results do not belong together", height)
	}
	header := block.SdkBlock.Header
	b := Block{Height: height, Time: header.Time, Hash: upper(block.BlockId.Hash), Proposer: header.ProposerAddress, Events: c.events(deref(results.FinalizeBlockEvents))}
	for i, raw := range block.SdkBlock.Data.Txs {
		if i == 0 && !c.isTx(raw) {
			continue // what the proposer puts before the transactions, for the beacon
		}
		b.Txs = append(b.Txs, c.blockTx(raw, results.TxsResults[i]))
	}
	return b, nil
}

func (c *Client) isTx(raw []byte) bool {
	_, err := c.encoding.TxConfig.TxDecoder()(raw)
	return err == nil
}

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func deref(list []*abci.Event) []abci.Event {
	events := make([]abci.Event, len(list))
	for i, e := range list {
		events[i] = *e
	}
	return events
}

// blockTx reads a transaction. A block may hold bytes that are none: they are
// shown as refused.
func (c *Client) blockTx(raw []byte, result *abci.ExecTxResult) BlockTx {
	t := BlockTx{Hash: upper(cmttypes.Tx(raw).Hash()), GasUsed: result.GasUsed, Events: c.events(result.Events)}
	if result.Code != 0 {
		t.Refusal = result.Log
	}
	tx, err := c.encoding.TxConfig.TxDecoder()(raw)
	if err != nil {
		return t
	}
	t.Msgs = tx.GetMsgs()
	if fees, ok := tx.(sdk.FeeTx); ok {
		t.Fee = fees.GetFee()
	}
	if signed, ok := tx.(authsigning.SigVerifiableTx); ok {
		if signers, err := signed.GetSigners(); err == nil && len(signers) > 0 {
			t.Signer = sdk.AccAddress(signers[0]).String()
		}
	}
	return t
}

func (c *Client) events(raw []abci.Event) []Event {
	events := make([]Event, len(raw))
	for i, e := range raw {
		events[i] = Event{Kind: e.Type}
		if strings.HasPrefix(e.Type, "koinon.") {
			for j, a := range e.Attributes { // the SDK adds one that is no field
				if a.Key == "msg_index" || a.Key == "mode" {
					e.Attributes = append(e.Attributes[:j:j], e.Attributes[j+1:]...)
					break
				}
			}
			if m, err := sdk.ParseTypedEvent(e); err == nil {
				events[i].Message, events[i].Body = m, c.JSON(m)
				continue
			}
		}
		attributes := map[string]string{}
		for _, a := range e.Attributes {
			attributes[a.Key] = a.Value
		}
		events[i].Body, _ = json.Marshal(attributes) // strings always can be
	}
	return events
}

// JSON writes one of the ledger's messages as protobuf's JSON, or null if it
// cannot be written.
func (c *Client) JSON(m proto.Message) json.RawMessage {
	body, err := codec.ProtoMarshalJSON(m, c.encoding.Registry)
	if err != nil {
		return json.RawMessage("null")
	}
	return body
}
