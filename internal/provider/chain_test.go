package provider

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// chain is a ledger in memory: the real rules of money, one block per
// transaction.
type chain struct {
	mu        sync.Mutex
	params    escrow.Params
	accounts  map[string]escrow.Account
	grants    map[string]escrow.Grant
	versions  map[string]modelv1.Version
	providers map[string]providerv1.Provider
	offers    map[string]providerv1.Offer
	deposited uint64
	paid      uint64 // ucredit redeemed
	sent      []string
	height    int64

	rightUntil int64                     // when every right ends, Unix seconds; 0 for never
	down       bool                      // nothing answers
	loseReply  bool                      // the next transaction takes effect, its reply is lost
	refuse     func(proto.Message) error // extra refusals
	changed    chan struct{}
}

func newChain() *chain {
	return &chain{
		params:   escrow.Params{MaxGrantSeconds: 7 * 86400, RedeemGrace: 3600, MaxTickets: 1 << 20, FreeWindowBlocks: 1},
		accounts: map[string]escrow.Account{}, grants: map[string]escrow.Grant{}, versions: map[string]modelv1.Version{},
		providers: map[string]providerv1.Provider{}, offers: map[string]providerv1.Offer{},
		refuse: func(proto.Message) error { return nil }, changed: make(chan struct{}),
	}
}

var errDown = errors.New("connection refused")

func (c *chain) Address() string { return seller }
func (c *chain) ChainID() string { return chainID }

func (c *chain) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until a condition on the ledger holds.
func (c *chain) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		ok, changed := holds(), c.changed
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("never came: %s", what)
		}
	}
}

func (c *chain) Send(_ context.Context, msgs ...proto.Message) error {
	var out error
	c.set(func() {
		if c.down {
			out = errDown
			return
		}
		accounts, grants, paid := clone(c.accounts), clone(c.grants), c.paid
		for _, m := range msgs {
			err := c.refuse(m)
			if err == nil {
				err = c.apply(m)
			}
			if err != nil {
				c.accounts, c.grants, c.paid = accounts, grants, paid
				out = fmt.Errorf("%w: %w", ErrRefused, err)
				return
			}
		}
		c.height++
		for _, m := range msgs {
			c.sent = append(c.sent, strings.TrimPrefix(fmt.Sprintf("%T", m), "*"))
		}
		if c.loseReply {
			c.loseReply = false
			out = errDown
		}
	})
	return out
}

// Redeem is the ledger's: each redemption is judged on its own.
func (c *chain) Redeem(_ context.Context, m *escrowv1.MsgRedeem) (refusals []error, out error) {
	c.set(func() {
		if c.down {
			out = errDown
			return
		}
		if err := c.refuse(m); err != nil {
			out = fmt.Errorf("%w: %w", ErrRefused, err)
			return
		}
		var claims []escrow.Claim
		for _, r := range m.Redemptions {
			claims = append(claims, escrow.Claim{ID: r.Id, Redemption: escrow.Redemption{
				Index: r.Index, Ticket: receipt.Digest(r.Ticket), ReceiptsRoot: receipt.Digest(r.ReceiptsRoot), Receipts: r.Receipts, Close: r.Close,
			}})
		}
		outcomes, err := escrow.RedeemBatch(c.params, books{c}, claims, m.Provider, treasury, time.Now().Unix())
		if err != nil {
			out = fmt.Errorf("%w: %w", ErrRefused, err)
			return
		}
		for _, o := range outcomes {
			if o.Refusal != nil {
				o.Refusal = fmt.Errorf("%w: %w", ErrRefused, o.Refusal)
			}
			refusals = append(refusals, o.Refusal)
		}
		c.height++
		c.sent = append(c.sent, "v1.MsgRedeem")
		if c.loseReply {
			c.loseReply = false
			refusals, out = nil, errDown
		}
	})
	return refusals, out
}

// books are the chain's grants and accounts, as a batch sees them.
type books struct{ *chain }

func (c books) Load(claim escrow.Claim) (escrow.Account, escrow.Grant, split.Policy, error) {
	g, ok := c.grants[claim.ID]
	if !ok {
		return escrow.Account{}, g, split.Policy{}, escrow.ErrUnknownGrant
	}
	return c.accounts[g.Payer], g, split.Policy{ProviderBps: 10_000}, nil
}

func (c books) Store(a escrow.Account, o escrow.Outcome) error {
	c.accounts[a.Payer], c.grants[o.Grant.ID.Hex()] = a, o.Grant
	c.paid += o.Amount
	return nil
}

func clone[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (c *chain) apply(m proto.Message) error {
	now := time.Now().Unix()
	switch m := m.(type) {
	case *modelv1.MsgRegisterVersion:
		if _, ok := c.versions[m.Digest]; ok {
			return errors.New("version exists")
		}
		c.versions[m.Digest] = modelv1.Version{Digest: m.Digest, Name: m.Name, Class: m.Class, Owner: m.Owner}
	case *providerv1.MsgRegister:
		c.providers[m.Provider] = providerv1.Provider{
			Address: m.Provider, PublicKey: m.PublicKey, Addrs: m.Addrs, Moniker: m.Moniker, Bond: m.Bond, Status: providerv1.Status_STATUS_ACTIVE,
		}
	case *providerv1.MsgUpdate:
		p := c.providers[m.Provider]
		p.Addrs, p.Moniker, p.Status = m.Addrs, m.Moniker, m.Status
		c.providers[m.Provider] = p
	case *providerv1.MsgBond:
		p := c.providers[m.Provider]
		p.Bond += m.Amount
		c.providers[m.Provider] = p
	case *providerv1.MsgSetOffer:
		c.offers[m.ModelDigest] = providerv1.Offer{
			Provider: m.Provider, ModelDigest: m.ModelDigest, InputPrice: m.InputPrice, CachedInputPrice: m.CachedInputPrice,
			OutputPrice: m.OutputPrice, MaxContext: m.MaxContext, Slots: m.Slots,
		}
	case *escrowv1.MsgActivate:
		g, err := inference.GrantFromWire(&m.Grant)
		if err != nil {
			return err
		}
		_, known := c.grants[g.ID().Hex()]
		account, grant, err := escrow.Activate(c.params, c.accounts[g.Payer], known,
			receipt.SignedGrant{Grant: g, Signature: m.Signature}, m.Provider, chainID, now)
		if err != nil {
			return err
		}
		c.accounts[g.Payer], c.grants[g.ID().Hex()] = account, grant
	default:
		return fmt.Errorf("unexpected message %T", m)
	}
	return nil
}

func find[V any](c *chain, from func() map[string]V, key string) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var none V
	if c.down {
		return none, errDown
	}
	if v, ok := from()[key]; ok {
		return v, nil
	}
	return none, ErrNotFound
}

func (c *chain) Version(_ context.Context, digest string) (modelv1.Version, error) {
	return find(c, func() map[string]modelv1.Version { return c.versions }, digest)
}

func (c *chain) Provider(_ context.Context, address string) (providerv1.Provider, error) {
	return find(c, func() map[string]providerv1.Provider { return c.providers }, address)
}

func (c *chain) Offers(context.Context, string) ([]providerv1.Offer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []providerv1.Offer
	for _, o := range c.offers {
		out = append(out, o)
	}
	return out, nil
}

func (c *chain) Escrow(_ context.Context, payer string) (escrowv1.Escrow, error) {
	a, err := find(c, func() map[string]escrow.Account { return c.accounts }, payer)
	return escrowv1.Escrow{Payer: payer, GrantKey: a.GrantKey, Available: a.Available, Locked: a.Locked}, err
}

func (c *chain) Grant(_ context.Context, id string) (escrowv1.ActiveGrant, error) {
	g, err := find(c, func() map[string]escrow.Grant { return c.grants }, id)
	return escrowv1.ActiveGrant{
		Id: id, Grant: inference.GrantToWire(g.Grant), Status: escrowv1.GrantStatus(g.Status),
		Redeemed: g.Redeemed, LastTicket: g.LastTicket[:], Receipts: g.Receipts,
	}, err
}

// Duties: this ledger challenges nobody; package duty is tested on its own.
// Admission is refused for the right that nobody has.
func (c *chain) Admission(_ context.Context, g receipt.Grant) (int64, error) {
	if g.Right == barred {
		return 0, fmt.Errorf("%w: the access token has ended", ErrRefused)
	}
	return c.rightUntil, nil
}

// barred is a right that the chain refuses.
const barred = "token/404"

func (c *chain) Ceiling(context.Context, string) (receipt.Price, error) { return receipt.Price{}, nil }

func (c *chain) Duties(context.Context) ([]challengev1.Duty, error) { return nil, nil }

func (c *chain) EscrowParams(context.Context) (escrowv1.Params, error) {
	if c.down {
		return escrowv1.Params{}, errDown
	}
	return escrowv1.Params{MaxTickets: c.params.MaxTickets, MaxGrantSeconds: c.params.MaxGrantSeconds}, nil
}

func (c *chain) deposit(payer string, amount uint64, key ed25519.PublicKey) {
	c.set(func() {
		a := c.accounts[payer]
		a.Payer = payer
		a, err := escrow.Deposit(a, amount, key)
		if err != nil {
			panic(err)
		}
		c.accounts[payer] = a
		c.deposited += amount
	})
}

func (c *chain) count(message string) (n int) {
	for _, m := range c.sent {
		if strings.HasSuffix(m, message) {
			n++
		}
	}
	return n
}
