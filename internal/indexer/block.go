// Package indexer keeps what the ledger did in tables that a person's questions
// can be answered from: which blocks, which transactions, who paid whom, who was
// convicted. It knows what anybody can read from a node, and nothing else, so
// that the tables can be thrown away and made again.
package indexer

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cosmos/gogoproto/proto"
)

// Ledger is what the tables are made from.
type Ledger interface {
	// ChainID names the ledger.
	ChainID() string
	// Height is that of the latest block that can be read.
	Height(ctx context.Context) (int64, error)
	// Block reads one block; it is the same whenever it is read.
	Block(ctx context.Context, height int64) (Block, error)
}

// Block is one block of the ledger and what it brought about.
type Block struct {
	Height   int64
	Time     time.Time
	Hash     string // hexadecimal digits
	Proposer string // the validator's consensus address
	Txs      []Tx
	Events   []Event // of the block itself, not of a transaction
}

// Tx is a transaction that a block has.
type Tx struct {
	Hash     string // hexadecimal digits
	Sender   string // who signed first; empty if it cannot be read
	Messages []Message
	Fee      uint64 // in ukoin
	Gas      int64  // that was used
	Refusal  string // why it changed nothing; empty if it did
	Events   []Event
}

// Message is what a transaction asks for.
type Message struct {
	Kind  string          // full name of the protobuf message
	Body  json.RawMessage // in protobuf's JSON
	Value proto.Message
}

// Event is something that the ledger says has happened.
type Event struct {
	Kind  string          // full name of the protobuf message, or the SDK's word
	Body  json.RawMessage // an object
	Value proto.Message   // nil if the event has no message of its own
}
