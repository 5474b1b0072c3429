package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	sdkmath "cosmossdk.io/math"
	"golang.org/x/sync/errgroup"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/receipt"
)

const (
	chainID = "koinon-bench-1"
	tickets = 8   // of each grant; all are redeemed
	value   = 100 // ucredit a ticket
)

// pair is a provider and the payer of its grants.
type pair struct {
	provider, payer client.Key
	signer          ed25519.PrivateKey
	grants          []receipt.Grant
	chains          []*receipt.Chain
}

// world is a ledger of one validator with its pairs.
type world struct {
	options
	home   string
	node   *node.Node
	ledger *client.Client
	owner  client.Key
	model  receipt.Digest
	pairs  []*pair
}

func open(ctx context.Context, o options, parallel bool) (*world, error) {
	home, err := os.MkdirTemp("", "koinon-bench-ledger-")
	if err != nil {
		return nil, err
	}
	w := &world{options: o, home: home, model: receipt.Sum([]byte("bench"))}
	if err := w.start(ctx, parallel); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) start(ctx context.Context, parallel bool) (err error) {
	const koin, credit = 10_000_000_000, 1_000_000_000
	consensus, _, err := node.Keys(w.home)
	if err != nil {
		return err
	}
	genesis := app.GenesisConfig{}
	account := func(name string) client.Key {
		key, keyErr := client.LoadKey(filepath.Join(w.home, "accounts", name+".json"), name)
		err = errors.Join(err, keyErr)
		if keyErr == nil {
			genesis.Accounts = append(genesis.Accounts, app.Account{Address: key.Address(), Koin: koin, Credit: credit})
		}
		return key
	}
	w.owner = account("owner")
	for i := range w.providers {
		p := &pair{provider: account(fmt.Sprint("provider-", i)), payer: account(fmt.Sprint("payer-", i))}
		seed := sha256.Sum256(fmt.Append(nil, "bench ", i))
		p.signer = ed25519.NewKeyFromSeed(seed[:])
		w.pairs = append(w.pairs, p)
	}
	if err != nil {
		return err
	}
	genesis.Validators = []app.Validator{{Operator: w.owner.Address(), ConsensusKey: consensus, Stake: koin, Moniker: "bench"}}
	genesis.Issuer = escrowv1.Issuer{Address: w.owner.Address(), Name: "bench", Cap: 1 << 60}
	if err := node.Init(w.home, chainID, genesis, time.Now().UTC()); err != nil {
		return err
	}
	c := node.DefaultConfig()
	c.Home, c.BlockTime, c.ParallelExecution = w.home, blockTime, parallel
	c.RPCAddr, c.RESTAddr, c.GRPCAddr, c.P2PAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if w.node, err = node.Start(ctx, c, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if err := w.node.Ready(ctx); err != nil {
		return err
	}
	w.ledger, err = client.Dial(ctx, w.node.GRPC, chainID)
	return err
}

func (w *world) close() {
	if w.ledger != nil {
		w.ledger.Close()
	}
	if w.node != nil {
		if err := w.node.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "benchledger: stopping the node: %v\n", err)
		}
	}
	os.RemoveAll(w.home)
}

// prepare registers everybody and activates every grant.
func (w *world) prepare(ctx context.Context) error {
	_, err := w.ledger.Send(ctx, w.owner, &modelv1.MsgRegisterVersion{
		Owner: w.owner.Address(), Digest: w.model.String(), Name: "bench", Version: "1", Class: modelv1.VerificationClass_VERIFICATION_CLASS_EXACT,
		Policy:  modelv1.Policy{ProviderBps: 8000, TreasuryBps: 500, CuratorsBps: 300, Owners: []modelv1.Share{{Address: w.owner.Address(), Bps: 1200}}},
		License: "Apache-2.0", Architecture: "llama", Parameters: 1, SizeBytes: 1, ContextLength: 512, Quantization: "Q8_0", WeightsRoot: w.model.String(),
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range w.pairs {
		group.Go(func() error { return w.activate(ctx, p) })
	}
	return group.Wait()
}

func (w *world) activate(ctx context.Context, p *pair) error {
	public := p.signer.Public().(ed25519.PublicKey)
	_, err := w.ledger.Send(ctx, p.provider, &providerv1.MsgRegister{Provider: p.provider.Address(), PublicKey: public, Moniker: "bench", Bond: 1_000_000_000})
	if err != nil {
		return err
	}
	deposit := &escrowv1.MsgDeposit{Payer: p.payer.Address(), Amount: uint64(w.each) * tickets * value, GrantKey: public}
	if _, err := w.ledger.Send(ctx, p.payer, deposit); err != nil {
		return err
	}
	const together = 32
	var msgs []sdk.Msg
	for i := range w.each {
		chain := receipt.NewChain(sha256.Sum256(fmt.Append(nil, p.provider.Address(), i)), tickets)
		g := receipt.Grant{
			ChainID: chainID, Payer: p.payer.Address(), Provider: p.provider.Address(), Model: w.model,
			TicketValue: value, Tickets: tickets, Expiry: time.Now().Add(time.Hour).Unix(), Anchor: chain.Anchor(),
		}
		p.grants, p.chains = append(p.grants, g), append(p.chains, chain)
		msgs = append(msgs, &escrowv1.MsgActivate{Provider: g.Provider, Grant: escrow.StoredGrant(g), Signature: g.Sign(p.signer).Signature})
		if len(msgs) == together || i == w.each-1 {
			if _, err := w.ledger.Send(ctx, p.provider, msgs...); err != nil {
				return err
			}
			msgs = nil
		}
	}
	return nil
}

// transfers are n of each provider's, signed, to its payer.
func (w *world) transfers(ctx context.Context, n int) ([][][]byte, error) {
	return w.signed(func(p *pair, list *[][]byte) error {
		for i := range n {
			msg := &banktypes.MsgSend{FromAddress: p.provider.Address(), ToAddress: p.payer.Address(), Amount: sdk.NewCoins(sdk.NewCoin("ukoin", sdkmath.OneInt()))}
			signed, err := w.ledger.SignAhead(ctx, p.provider, uint64(i), msg)
			if err != nil {
				return err
			}
			*list = append(*list, signed)
		}
		return nil
	})
}

// redemptions are of the grants of each provider from one number to another,
// signed, so many to a transaction.
func (w *world) redemptions(ctx context.Context, from, to, together int) ([][][]byte, error) {
	return w.signed(func(p *pair, list *[][]byte) error {
		for i := from; i < to; i += together {
			msg := &escrowv1.MsgRedeem{Provider: p.provider.Address()}
			for j := i; j < min(to, i+together); j++ {
				ticket, err := p.chains[j].Ticket(tickets)
				if err != nil {
					return err
				}
				root := receipt.Sum(ticket[:])
				msg.Redemptions = append(msg.Redemptions, escrowv1.Redemption{
					Id: p.grants[j].ID().Hex(), Index: tickets, Ticket: ticket[:], ReceiptsRoot: root[:], Receipts: tickets,
				})
			}
			signed, err := w.ledger.SignAhead(ctx, p.provider, uint64(len(*list)), msg)
			if err != nil {
				return err
			}
			*list = append(*list, signed)
		}
		return nil
	})
}

// signed makes each provider's transactions before any is sent.
func (w *world) signed(make func(*pair, *[][]byte) error) ([][][]byte, error) {
	var all [][][]byte
	for _, p := range w.pairs {
		var list [][]byte
		if err := make(p, &list); err != nil {
			return nil, err
		}
		all = append(all, list)
	}
	return all, nil
}

// send sends every provider's transactions at once, without waiting for blocks,
// and returns how long it took until blocks had all of them.
func (w *world) send(ctx context.Context, load [][][]byte) (time.Duration, error) {
	var want []uint64
	for i, p := range w.pairs {
		n, err := w.ledger.Sequence(ctx, p.provider.Address())
		if err != nil {
			return 0, err
		}
		want = append(want, n+uint64(len(load[i])))
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range w.pairs {
		group.Go(func() error {
			for _, tx := range load[i] {
				if err := w.ledger.Broadcast(ctx, tx); err != nil {
					return err
				}
			}
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				if n, err := w.ledger.Sequence(ctx, p.provider.Address()); err != nil || n >= want[i] {
					return err
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-tick.C:
				}
			}
		})
	}
	err := group.Wait()
	return time.Since(began), err
}
