package testnet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cosmos/gogoproto/proto"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

const (
	chainID  = "koinon-testnet-1"
	payer    = "koinon1payer"
	treasury = "koinon1treasury"
)

// ledger is one in memory: the real rules of money, one block per transaction.
type ledger struct {
	mu        sync.Mutex
	params    escrow.Params
	account   escrow.Account // the payer's
	balance   uint64         // of the payer, outside the escrow
	grants    map[string]escrow.Grant
	version   modelv1.Version
	providers map[string]providerv1.Provider
	offers    map[string]providerv1.Offer
	paid      map[string]uint64 // ucredit, to each provider
	activated map[string]int    // grants of each provider
	// redemptions are the batches that went through.
	redemptions []redemption
	stalled     chan struct{} // closed while the ledger answers
}

// redemption is a batch and who sent it.
type redemption struct {
	by      seat
	message *escrowv1.MsgRedeem
}

func newLedger(balance uint64) *ledger {
	running := make(chan struct{})
	close(running)
	return &ledger{
		params:  escrow.Params{MaxGrantSeconds: 7 * 86400, RedeemGrace: 3600, MaxTickets: 1 << 20, FreeWindowBlocks: 1},
		account: escrow.Account{Payer: payer}, balance: balance, grants: map[string]escrow.Grant{},
		providers: map[string]providerv1.Provider{}, offers: map[string]providerv1.Offer{},
		paid: map[string]uint64{}, activated: map[string]int{}, stalled: running,
	}
}

// stall has the ledger make no block until what is returned is called: it is read
// as ever, and no transaction goes through.
func (l *ledger) stall() (resume func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gate := make(chan struct{})
	l.stalled = gate
	return func() { close(gate) }
}

// errNoBlock is what a transaction's sender hears when it has waited in vain.
var errNoBlock = errors.New("the transaction is in no block")

// enter waits for a block, and locks the ledger.
func (l *ledger) enter(ctx context.Context) error {
	l.mu.Lock()
	gate := l.stalled
	l.mu.Unlock()
	select {
	case <-gate:
		l.mu.Lock()
		return nil
	case <-time.After(500 * time.Millisecond):
		return errNoBlock
	case <-ctx.Done():
		return ctx.Err()
	}
}

// desk is the ledger as the gateway sees it.
type desk struct{ *ledger }

func (d desk) Payer() string { return payer }

func (d desk) Ceilings(context.Context) ([]assemblyv1.ModelCeiling, error) { return nil, nil }

func (d desk) Access(context.Context) (gateway.Access, error) { return gateway.Access{}, nil }

func (d desk) Tags(context.Context) ([]modelv1.Tag, error) { return nil, nil }

func (d desk) Versions(_ context.Context) ([]modelv1.Version, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []modelv1.Version{d.version}, nil
}

func (d desk) Providers(_ context.Context) ([]providerv1.Provider, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.providers)), nil
}

func (d desk) Offers(_ context.Context) ([]providerv1.Offer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.offers)), nil
}

// Audited: this ledger audits nobody.
func (d desk) Audited(context.Context, string) (float64, error) { return route.Unaudited, nil }

func (d desk) Escrow(_ context.Context) (escrowv1.Escrow, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wire(), nil
}

func (l *ledger) wire() escrowv1.Escrow {
	return escrowv1.Escrow{Payer: payer, GrantKey: l.account.GrantKey, Available: l.account.Available, Locked: l.account.Locked}
}

func (d desk) Balance(context.Context) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.balance, nil
}

// Accuse: this ledger convicts nobody.
func (d desk) Accuse(context.Context, gateway.Evidence) error { return gateway.ErrNoConviction }

func (d desk) Deposit(ctx context.Context, amount uint64, key ed25519.PublicKey) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.mu.Unlock()
	account, err := escrow.Deposit(d.account, amount, key)
	if err == nil {
		d.account, d.balance = account, d.balance-amount
	}
	return err
}

// seat is the ledger as one provider sees it.
type seat struct {
	*ledger
	address string
}

func (s seat) Address() string { return s.address }
func (s seat) ChainID() string { return chainID }

func (s seat) Send(ctx context.Context, msgs ...proto.Message) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	account, grants := s.account, maps.Clone(s.grants)
	for _, m := range msgs {
		if err := s.apply(m); err != nil {
			s.account, s.grants = account, grants
			return fmt.Errorf("%w: %w", provider.ErrRefused, err)
		}
	}
	return nil
}

func (s seat) apply(m proto.Message) error {
	switch m := m.(type) {
	case *modelv1.MsgRegisterVersion:
		return errors.New("version exists")
	case *providerv1.MsgRegister:
		s.providers[s.address] = providerv1.Provider{
			Address: s.address, PublicKey: m.PublicKey, Addrs: m.Addrs, Bond: m.Bond, Status: providerv1.Status_STATUS_ACTIVE,
		}
	case *providerv1.MsgUpdate:
		p := s.providers[s.address]
		p.Addrs, p.Status = m.Addrs, m.Status
		s.providers[s.address] = p
	case *providerv1.MsgSetOffer:
		s.offers[s.address] = providerv1.Offer{
			Provider: s.address, ModelDigest: m.ModelDigest, InputPrice: m.InputPrice, CachedInputPrice: m.CachedInputPrice,
			OutputPrice: m.OutputPrice, MaxContext: m.MaxContext, Slots: m.Slots,
		}
	case *escrowv1.MsgActivate:
		g, err := inference.GrantFromWire(&m.Grant)
		if err != nil {
			return err
		}
		id := g.ID().Hex()
		_, known := s.grants[id]
		account, grant, err := escrow.Activate(s.params, s.account, known,
			receipt.SignedGrant{Grant: g, Signature: m.Signature}, s.address, chainID, time.Now().Unix())
		if err != nil {
			return err
		}
		s.account, s.grants[id] = account, grant
		s.activated[s.address]++
	default:
		return fmt.Errorf("unexpected message %T", m)
	}
	return nil
}

func (s seat) Redeem(ctx context.Context, m *escrowv1.MsgRedeem) (refusals []error, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var claims []escrow.Claim
	for _, r := range m.Redemptions {
		claims = append(claims, escrow.Claim{ID: r.Id, Redemption: escrow.Redemption{
			Index: r.Index, Ticket: receipt.Digest(r.Ticket), ReceiptsRoot: receipt.Digest(r.ReceiptsRoot), Receipts: r.Receipts, Close: r.Close,
		}})
	}
	outcomes, err := escrow.RedeemBatch(s.params, books{s}, claims, s.address, treasury, time.Now().Unix())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	s.redemptions = append(s.redemptions, redemption{s, m})
	for _, o := range outcomes {
		if o.Refusal != nil {
			o.Refusal = fmt.Errorf("%w: %w", provider.ErrRefused, o.Refusal)
		}
		refusals = append(refusals, o.Refusal)
	}
	return refusals, nil
}

// books are the ledger's, as a batch of redemptions sees them.
type books struct{ seat }

func (b books) Load(claim escrow.Claim) (escrow.Account, escrow.Grant, split.Policy, error) {
	g, ok := b.grants[claim.ID]
	if !ok {
		return escrow.Account{}, g, split.Policy{}, escrow.ErrUnknownGrant
	}
	return b.account, g, split.Policy{ProviderBps: 10_000}, nil
}

func (b books) Store(a escrow.Account, o escrow.Outcome) error {
	b.ledger.account, b.grants[o.Grant.ID.Hex()] = a, o.Grant
	b.paid[b.address] += o.Amount
	return nil
}

func (s seat) Version(_ context.Context, _ string) (modelv1.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, nil
}

func (s seat) Provider(_ context.Context, address string) (providerv1.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.providers[address]; ok {
		return p, nil
	}
	return providerv1.Provider{}, provider.ErrNotFound
}

func (s seat) Offers(_ context.Context, address string) ([]providerv1.Offer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.offers[address]; ok {
		return []providerv1.Offer{o}, nil
	}
	return nil, nil
}

func (s seat) Escrow(_ context.Context, _ string) (escrowv1.Escrow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wire(), nil
}

func (s seat) Grant(_ context.Context, id string) (escrowv1.ActiveGrant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[id]
	if !ok {
		return escrowv1.ActiveGrant{}, provider.ErrNotFound
	}
	return escrowv1.ActiveGrant{
		Id: id, Grant: inference.GrantToWire(g.Grant), Status: escrowv1.GrantStatus(g.Status),
		Redeemed: g.Redeemed, LastTicket: g.LastTicket[:], Receipts: g.Receipts,
	}, nil
}

// Duties: this ledger challenges nobody.
func (s seat) Admission(context.Context, receipt.Grant) (int64, error) { return 0, nil }

func (s seat) Ceiling(context.Context, string) (receipt.Price, error) { return receipt.Price{}, nil }

func (s seat) Duties(context.Context) ([]challengev1.Duty, error) { return nil, nil }

func (s seat) EscrowParams(_ context.Context) (escrowv1.Params, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return escrowv1.Params{MaxTickets: s.params.MaxTickets, MaxGrantSeconds: s.params.MaxGrantSeconds}, nil
}
