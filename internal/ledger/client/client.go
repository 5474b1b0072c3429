// Package client talks to the ledger over gRPC: it sends transactions and reads
// state. It is how every role meets the ledger, in one process or over a network.
package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	cmtservice "github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/refusal"
)

// Errors of the client itself; the ledger's refusals are the rules' own.
var (
	ErrNotFound = errors.New("not found on the ledger")
	ErrPending  = errors.New("the transaction was sent, but no block has it yet")
)

// Client is a connection to one node. It is safe for concurrent use.
type Client struct {
	chainID  string
	encoding app.Encoding
	conn     *grpc.ClientConn

	mu    sync.Mutex             // guards sends
	sends map[string]*sync.Mutex // by address: one transaction of an account at a time
}

// Dial prepares a connection to a node's gRPC address; it is made when first
// needed. An empty chain id is asked from the node.
func Dial(ctx context.Context, address, chainID string) (*Client, error) {
	encoding, err := app.NewEncoding()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(encoding.Registry).GRPCCodec())))
	if err != nil {
		return nil, fmt.Errorf("cannot reach the ledger at %s: %w", address, err)
	}
	c := &Client{chainID: chainID, encoding: encoding, conn: conn, sends: map[string]*sync.Mutex{}}
	if chainID == "" {
		info, err := cmtservice.NewServiceClient(conn).GetNodeInfo(ctx, &cmtservice.GetNodeInfoRequest{})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot reach the ledger at %s: %w", address, err), conn.Close())
		}
		c.chainID = info.DefaultNodeInfo.Network
	}
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// ChainID names the ledger.
func (c *Client) ChainID() string { return c.chainID }

// Result is a transaction that a block has.
type Result struct {
	Height int64
	Hash   string
	Events []sdk.StringEvent
	data   string // the messages' responses, in hexadecimal digits
}

// gasPerMessage is what any of koinon's messages and its signature stay below;
// it is not simulated, as simulation loses the name of a refusal. A redemption
// may have 67 recipients, and pays for its hashes on top. A test holds these to
// the most expensive message of each kind.
const (
	gasBase          = 100_000
	gasPerMessage    = 200_000
	gasPerRedemption = 2_000_000
	gasPerHash       = 10
)

func gasFor(msgs []sdk.Msg) uint64 {
	gas := uint64(gasBase)
	for _, msg := range msgs {
		r, ok := msg.(*escrowv1.MsgRedeem)
		if !ok {
			gas += gasPerMessage
			continue
		}
		for _, one := range r.Redemptions {
			gas += gasPerRedemption + one.Index*gasPerHash
		}
	}
	return gas
}

// inclusionTimeout is how long Send waits for a block.
const inclusionTimeout = 30 * time.Second

// Send signs messages of one account as one transaction, sends it and waits
// until a block has it. A buyer's messages pay no fee. A refusal comes back as
// the error of the rule that refused; ErrPending means that the outcome is not
// known, and that sending again must be safe.
func (c *Client) Send(ctx context.Context, key Key, msgs ...sdk.Msg) (*Result, error) {
	return c.SendGas(ctx, key, gasFor(msgs), msgs...)
}

// SendGas is Send with an amount of gas of the caller's, as Estimate gives it.
func (c *Client) SendGas(ctx context.Context, key Key, gas uint64, msgs ...sdk.Msg) (*Result, error) {
	lock := c.lockOf(key.Address())
	lock.Lock()
	defer lock.Unlock()
	ctx, cancel := context.WithTimeout(ctx, inclusionTimeout)
	defer cancel()
	for {
		hash, err := c.broadcast(ctx, key, gas, msgs)
		if errors.Is(err, sdkerrors.ErrWrongSequence) {
			// Another process of this account was faster, or its last
			// transaction is not in a block yet.
			if err := pause(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		return c.await(ctx, hash)
	}
}

func (c *Client) lockOf(address string) *sync.Mutex {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sends[address] == nil {
		c.sends[address] = new(sync.Mutex)
	}
	return c.sends[address]
}

func (c *Client) broadcast(ctx context.Context, key Key, gas uint64, msgs []sdk.Msg) (string, error) {
	account, err := c.account(ctx, key.Address())
	if err != nil {
		return "", err
	}
	data, err := c.sign(ctx, key, account, gas, msgs)
	if err != nil {
		return "", err
	}
	response, err := tx.NewServiceClient(c.conn).BroadcastTx(ctx, &tx.BroadcastTxRequest{TxBytes: data, Mode: tx.BroadcastMode_BROADCAST_MODE_SYNC})
	if err != nil {
		return "", fmt.Errorf("cannot send the transaction: %w", err)
	}
	r := response.TxResponse
	if r.Code != 0 && !errors.Is(refusal.FromResult(r.Codespace, r.Code, r.RawLog), sdkerrors.ErrTxInMempoolCache) {
		return "", refusal.FromResult(r.Codespace, r.Code, reason(r.RawLog))
	}
	return r.TxHash, nil
}

func (c *Client) account(ctx context.Context, address string) (sdk.AccountI, error) {
	response, err := authtypes.NewQueryClient(c.conn).Account(ctx, &authtypes.QueryAccountRequest{Address: address})
	if status.Code(err) == codes.NotFound {
		return nil, fmt.Errorf("%w: account %s holds nothing yet, so it cannot send", ErrNotFound, address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot ask the ledger: %w", err)
	}
	var account sdk.AccountI
	return account, c.encoding.Registry.UnpackAny(response.Account, &account)
}

func (c *Client) sign(ctx context.Context, key Key, account sdk.AccountI, gas uint64, msgs []sdk.Msg) ([]byte, error) {
	builder := c.encoding.TxConfig.NewTxBuilder()
	if err := builder.SetMsgs(msgs...); err != nil {
		return nil, err
	}
	builder.SetGasLimit(gas)
	if !app.Free(msgs) {
		builder.SetFeeAmount(app.Fee(gas))
	}
	const mode = signing.SignMode_SIGN_MODE_DIRECT
	set := func(signature []byte) error {
		return builder.SetSignatures(signing.SignatureV2{
			PubKey: key.private.PubKey(), Sequence: account.GetSequence(),
			Data: &signing.SingleSignatureData{SignMode: mode, Signature: signature},
		})
	}
	// The signer's key and sequence are part of what is signed.
	if err := set(nil); err != nil {
		return nil, err
	}
	data, err := authsigning.GetSignBytesAdapter(ctx, c.encoding.TxConfig.SignModeHandler(), mode, authsigning.SignerData{
		Address: key.Address(), ChainID: c.chainID, AccountNumber: account.GetAccountNumber(),
		Sequence: account.GetSequence(), PubKey: key.private.PubKey(),
	}, builder.GetTx())
	if err != nil {
		return nil, err
	}
	signature, err := key.private.Sign(data)
	if err != nil {
		return nil, err
	}
	if err := set(signature); err != nil {
		return nil, err
	}
	return c.encoding.TxConfig.TxEncoder()(builder.GetTx())
}

// await polls until a block has the transaction.
func (c *Client) await(ctx context.Context, hash string) (*Result, error) {
	service := tx.NewServiceClient(c.conn)
	for {
		response, err := service.GetTx(ctx, &tx.GetTxRequest{Hash: hash})
		if err == nil {
			r := response.TxResponse
			if r.Code != 0 {
				return nil, refusal.FromResult(r.Codespace, r.Code, reason(r.RawLog))
			}
			return &Result{Height: r.Height, Hash: hash, Events: sdk.StringifyEvents(r.Events), data: r.Data}, nil
		}
		if status.Code(err) != codes.NotFound && !strings.Contains(err.Error(), "not found") && ctx.Err() == nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrPending, hash, err)
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("%w: %s", ErrPending, hash)
		}
	}
}

// pause waits a fraction of a block's time.
func pause(ctx context.Context) error {
	const interval = 100 * time.Millisecond
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
