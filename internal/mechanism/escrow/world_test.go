package escrow_test

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"

	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
	"pgregory.net/rapid"
)

const (
	chainID  = "koinon-test"
	treasury = "treasury"
)

// payoutKey is what may never name two payouts.
type payoutKey struct {
	due               int64
	source, recipient string
	role              escrow.Role
}

// promise is a grant as its two ends know it, whatever the ledger says.
type promise struct {
	receipt.SignedGrant
	chain    *receipt.Chain
	revealed uint64 // highest index that the buyer gave the provider

	activated int      // how often the ledger accepted it
	release   int64    // until when the provider was told it can redeem, at activation
	closed    bool     // its provider closed it before it lapsed
	paid      *big.Int // what left escrow for it
	receipts  uint64   // shown with the last redemption
}

// world does what the ledger does with the rules: load, call, store. Beside it
// stands what the outside knows, so that Check compares two independent books.
type world struct {
	params      escrow.Params
	now, height int64
	policy      split.Policy
	accounts    map[string]escrow.Account
	grants      map[receipt.Digest]escrow.Grant
	payouts     map[payoutKey]escrow.Payout
	issuer      escrow.Issuer
	references  map[string]bool  // that the issuer has used
	owed        []escrow.CashOut // by id; settled ones have no issuer any more
	wallets     map[string]*big.Int
	module      *big.Int // what the module's account holds

	genesis  *big.Int            // all credit at the start
	started  map[string]*big.Int // each wallet's content at the start, and all minted to it since
	earned   map[string]*big.Int // each provider's part of what was redeemed, by long division
	back     map[string]*big.Int // each payer's discounts
	promises []*promise
	accepted []func(*rapid.T) error // each sends again a message that was accepted
}

func newWorld(p escrow.Params, policy split.Policy, wallets map[string]*big.Int) *world {
	w := &world{
		params: p, now: 1_000_000, height: 1, policy: policy,
		accounts: map[string]escrow.Account{}, grants: map[receipt.Digest]escrow.Grant{},
		payouts: map[payoutKey]escrow.Payout{}, wallets: wallets, module: new(big.Int),
		references: map[string]bool{"": false}, genesis: new(big.Int), started: map[string]*big.Int{}, earned: map[string]*big.Int{},
		back: map[string]*big.Int{},
	}
	for name, amount := range wallets {
		w.started[name] = new(big.Int).Set(amount)
		w.genesis.Add(w.genesis, amount)
	}
	return w
}

func (w *world) wallet(name string) *big.Int { return entry(w.wallets, name) }

func entry(m map[string]*big.Int, name string) *big.Int {
	if m[name] == nil {
		m[name] = new(big.Int)
	}
	return m[name]
}

func (w *world) account(payer string) escrow.Account {
	if a, ok := w.accounts[payer]; ok {
		return a
	}
	return escrow.Account{Payer: payer}
}

func whole(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

// refusals are all the names that a rule may refuse by.
var refusals = []error{
	escrow.ErrZeroAmount, escrow.ErrOverflow, escrow.ErrGrantKey, escrow.ErrNoGrantKey, escrow.ErrWithdrawnAlready,
	escrow.ErrInsufficient, escrow.ErrWrongChain, escrow.ErrWrongProvider, escrow.ErrWrongPayer, escrow.ErrAlreadyActive,
	escrow.ErrGrantExpired, escrow.ErrGrantTooLong, escrow.ErrTooManyTickets, escrow.ErrGrantClosed, escrow.ErrNotExpired,
	escrow.ErrNothingToRedeem, escrow.ErrReceipts, escrow.ErrIssuerCap, escrow.ErrOverburn,
	escrow.ErrBatch, escrow.ErrUnknownGrant, escrow.ErrReference, escrow.ErrReplayed, escrow.ErrDestination, escrow.ErrNotOwed,
	receipt.ErrGrantField, receipt.ErrGrantValue, receipt.ErrGrantOverflow, receipt.ErrGrantSignature,
	receipt.ErrTicketIndex, receipt.ErrTicketChain,
}

// unchanged fails unless a refusal has a name and left the state as it was.
func unchanged(t *rapid.T, err error, before, after any) error {
	for _, name := range refusals {
		if errors.Is(err, name) {
			if !reflect.DeepEqual(before, after) {
				t.Fatalf("refused (%v), yet %+v became %+v", err, before, after)
			}
			return err
		}
	}
	t.Fatalf("a refusal without a name: %v", err)
	return err
}

func (w *world) deposit(t *rapid.T, payer string, amount uint64, key []byte) error {
	before := w.account(payer)
	a, err := escrow.Deposit(before, amount, key)
	if err != nil {
		return unchanged(t, err, before, a)
	}
	w.accounts[payer] = a
	w.wallet(payer).Sub(w.wallet(payer), whole(amount))
	w.module.Add(w.module, whole(amount))
	return nil
}

func (w *world) withdraw(t *rapid.T, payer string, amount uint64) error {
	before := w.account(payer)
	a, payout, err := escrow.Withdraw(w.params, before, amount, w.now, w.height)
	if err != nil {
		return unchanged(t, err, before, a)
	}
	if _, known := w.payouts[keyOf(payout)]; known {
		return escrow.ErrWithdrawnAlready
	}
	if payout.DueAt < w.now+w.params.WithdrawDelay {
		t.Fatalf("a withdrawal at %d is due at %d", w.now, payout.DueAt)
	}
	w.accounts[payer], w.payouts[keyOf(payout)] = a, payout
	return nil
}

func (w *world) activate(t *rapid.T, s receipt.SignedGrant, sender string) error {
	_, known := w.grants[s.ID()]
	before := w.account(s.Payer)
	a, g, err := escrow.Activate(w.params, before, known, s, sender, chainID, w.now)
	if err != nil {
		return unchanged(t, err, before, a)
	}
	g.DiscountBps = 20 * uint32(s.Anchor[0]) // up to more than there is
	w.accounts[s.Payer], w.grants[g.ID] = a, g
	for _, p := range w.promises {
		if p.ID() == g.ID {
			p.activated++
			p.release = p.Expiry + w.params.RedeemGrace
			w.accepted = append(w.accepted, func(t *rapid.T) error { return w.activate(t, s, sender) })
			return nil
		}
	}
	t.Fatalf("activated a grant that nobody signed: %+v", s)
	return nil
}

func (w *world) redeem(t *rapid.T, p *promise, r escrow.Redemption, sender string) error {
	_, err := w.redeemAll(t, []escrow.Claim{{ID: p.ID().Hex(), Redemption: r}}, sender)
	return err
}

// redeemAll sends a batch. What is refused has a name and changes nothing: the
// shelf sees only what was accepted.
func (w *world) redeemAll(t *rapid.T, claims []escrow.Claim, sender string) ([]escrow.Outcome, error) {
	accounts, grants, payouts := maps.Clone(w.accounts), maps.Clone(w.grants), len(w.payouts)
	outcomes, err := escrow.RedeemBatch(w.params, shelf{w, t}, claims, sender, treasury, w.now)
	if err != nil {
		if outcomes != nil || payouts != len(w.payouts) {
			t.Fatalf("refused (%v), yet it pays: %+v", err, outcomes)
		}
		return nil, errors.Join(unchanged(t, err, accounts, w.accounts), unchanged(t, err, grants, w.grants))
	}
	for i, o := range outcomes {
		if o.Refusal == nil {
			again := claims[i : i+1]
			w.accepted = append(w.accepted, func(t *rapid.T) error { _, err := w.redeemAll(t, again, sender); return err })
		} else if unchanged(t, o.Refusal, nil, nil); o.Amount != 0 || o.Payouts != nil {
			t.Fatalf("refused (%v), yet it pays %d: %+v", o.Refusal, o.Amount, o.Payouts)
		}
	}
	return outcomes, nil
}

// shelf is the world as a batch of redemptions sees it.
type shelf struct {
	*world
	t *rapid.T
}

// Load implements escrow.Book.
func (s shelf) Load(c escrow.Claim) (escrow.Account, escrow.Grant, split.Policy, error) {
	p := s.promised(c.ID)
	g, known := s.grants[p.ID()]
	if !known {
		return escrow.Account{}, g, split.Policy{}, escrow.ErrUnknownGrant
	}
	return s.account(g.Payer), g, s.policy, nil
}

// Store implements escrow.Book.
func (s shelf) Store(a escrow.Account, o escrow.Outcome) error {
	p := s.promised(o.Grant.ID.Hex())
	if back := a.Available - s.account(a.Payer).Available; back != o.Returned+o.Discount {
		s.t.Fatalf("%d came back, the outcome says %d and a discount of %d", back, o.Returned, o.Discount)
	}
	s.accounts[a.Payer], s.grants[o.Grant.ID] = a, o.Grant
	entry(s.back, a.Payer).Add(entry(s.back, a.Payer), whole(o.Discount))
	s.file(s.t, p, o.Payouts, o.Amount, o.Discount)
	p.receipts = o.Grant.Receipts
	p.closed = p.closed || o.Grant.Status == escrow.Closed
	return nil
}

func (w *world) promised(id string) *promise {
	for _, p := range w.promises {
		if p.ID().Hex() == id {
			return p
		}
	}
	panic("a claim of no promise") // the tests claim what was signed
}

// file stores a redemption's payouts and checks that they and the discount are a
// split of its amount: they sum to it, the provider's is the floor of its part, and
// what goes back is at most half of what the treasury had.
func (w *world) file(t *rapid.T, p *promise, payouts []escrow.Payout, amount, back uint64) {
	sum, provider := new(big.Int), new(big.Int)
	for _, payout := range payouts {
		if _, known := w.payouts[keyOf(payout)]; known {
			t.Fatalf("two payouts under one key: %+v", payout)
		}
		if payout.Role == split.Provider {
			provider.Add(provider, whole(payout.Amount))
			if payout.Recipient != p.Provider || payout.DueAt < w.now+w.params.ChallengeWindow {
				t.Fatalf("at %d, the provider's part: %+v", w.now, payout)
			}
		}
		sum.Add(sum, whole(payout.Amount))
		w.payouts[keyOf(payout)] = payout
	}
	for _, payout := range payouts {
		if payout.Role == split.Treasury && back > payout.Amount {
			t.Fatalf("%d go back, the treasury has %d", back, payout.Amount)
		}
	}
	if sum.Add(sum, whole(back)); sum.Cmp(whole(amount)) != 0 {
		t.Fatalf("a split of %d sums to %s", amount, sum)
	}
	part := new(big.Int).Mul(whole(amount), whole(uint64(w.policy.ProviderBps)))
	part.Div(part, big.NewInt(split.Whole))
	if provider.Cmp(part) != 0 {
		t.Fatalf("the provider's part of %d is %s, not %s", amount, provider, part)
	}
	earned := entry(w.earned, p.Provider)
	earned.Add(earned, part)
	p.paid.Add(p.paid, sum)
}

// endBlock pays what is due, closes what lapsed, forgets what cannot come
// back, and lets time pass.
func (w *world) endBlock(t *rapid.T, seconds int64) {
	for key, p := range w.payouts {
		if p.DueAt <= w.now {
			delete(w.payouts, key)
			w.module.Sub(w.module, whole(p.Amount))
			w.wallet(p.Recipient).Add(w.wallet(p.Recipient), whole(p.Amount))
		}
	}
	for id, g := range w.grants {
		if g.Status == escrow.Active && g.ReleaseAt <= w.now {
			w.expire(t, g)
		}
		if escrow.Prunable(w.grants[id], w.now) {
			delete(w.grants, id)
		}
	}
	w.now, w.height = w.now+seconds, w.height+1
}

func (w *world) expire(t *rapid.T, g escrow.Grant) error {
	before := w.account(g.Payer)
	a, closed, returned, err := escrow.Expire(before, g, w.now)
	if err != nil {
		return errors.Join(unchanged(t, err, before, a), unchanged(t, err, g, closed))
	}
	if returned != g.Rest() || a.Available-before.Available != returned {
		t.Fatalf("%d of %d returned", returned, g.Rest())
	}
	w.accounts[g.Payer], w.grants[g.ID] = a, closed
	return nil
}

func (w *world) mint(t *rapid.T, recipient string, amount uint64, reference string) error {
	next, err := escrow.Mint(w.issuer, amount, reference, w.references[reference])
	if err != nil {
		return unchanged(t, err, w.issuer, next)
	}
	w.issuer = next
	w.references[reference] = reference != ""
	w.wallet(recipient).Add(w.wallet(recipient), whole(amount))
	entry(w.started, recipient).Add(entry(w.started, recipient), whole(amount))
	return nil
}

func (w *world) burn(t *rapid.T, amount uint64, reference string) error {
	next, err := escrow.Burn(w.issuer, amount, reference, w.references[reference])
	if err != nil {
		return unchanged(t, err, w.issuer, next)
	}
	w.issuer = next
	w.references[reference] = reference != ""
	w.destroy(next.Address, amount)
	return nil
}

func (w *world) destroy(owner string, amount uint64) {
	w.wallet(owner).Sub(w.wallet(owner), whole(amount))
	entry(w.started, owner).Sub(entry(w.started, owner), whole(amount))
}

func (w *world) cashOut(t *rapid.T, holder string, amount uint64, destination string) error {
	next, c, err := escrow.Request(w.issuer, uint64(len(w.owed)), holder, amount, destination)
	if err != nil {
		return unchanged(t, err, w.issuer, next)
	}
	w.issuer = next
	w.owed = append(w.owed, c)
	w.destroy(holder, amount)
	return nil
}

func keyOf(p escrow.Payout) payoutKey { return payoutKey{p.DueAt, p.Source, p.Recipient, p.Role} }

// Check re-verifies every promise of spec/protocol.md, section 7.
func (w *world) Check(t *rapid.T) {
	w.checkConserved(t)
	for _, p := range w.promises {
		w.checkCollectable(t, p)
		w.checkPaidOnce(t, p)
	}
	for payer := range w.accounts {
		w.checkPayer(t, payer)
	}
	for provider := range w.earned {
		w.checkProvider(t, provider)
	}
}

// checkConserved: available + locked + payouts = the module's account, what is
// locked is what active grants still need, and nothing but an issuer makes or
// destroys credit.
func (w *world) checkConserved(t *rapid.T) {
	locked, owed := map[string]*big.Int{}, new(big.Int)
	for _, g := range w.grants {
		entry(locked, g.Payer).Add(entry(locked, g.Payer), whole(g.Rest()))
	}
	for payer, a := range w.accounts {
		if whole(a.Locked).Cmp(entry(locked, payer)) != 0 {
			t.Fatalf("%s has %d locked for grants that need %s", payer, a.Locked, locked[payer])
		}
		owed.Add(owed, whole(a.Available))
		owed.Add(owed, whole(a.Locked))
	}
	for _, p := range w.payouts {
		owed.Add(owed, whole(p.Amount))
	}
	if owed.Cmp(w.module) != 0 {
		t.Fatalf("conservation: escrow owes %s and holds %s", owed, w.module)
	}
	supply, expected := new(big.Int).Set(w.module), new(big.Int)
	for name, v := range w.wallets {
		if v.Sign() < 0 {
			t.Fatalf("%s has %s", name, v)
		}
		supply.Add(supply, v)
	}
	for _, v := range w.started {
		expected.Add(expected, v)
	}
	if supply.Cmp(expected) != 0 {
		t.Fatalf("conservation: %s exists, %s was made", supply, expected)
	}
	if made := new(big.Int).Sub(expected, w.genesis); whole(w.issuer.Outstanding).Cmp(made) != 0 {
		t.Fatalf("conservation: the issuer has %d outstanding, minted less burned makes %s", w.issuer.Outstanding, made)
	}
	if w.issuer.Outstanding > w.issuer.Cap {
		t.Fatalf("the issuer has %d outstanding, above its cap of %d", w.issuer.Outstanding, w.issuer.Cap)
	}
}

// checkPayer: a payer never loses more than it revealed; to the unit, it lost
// what was paid for its grants and nothing else.
func (w *world) checkPayer(t *rapid.T, payer string) {
	a := w.account(payer)
	wealth := new(big.Int).Set(w.wallet(payer))
	wealth.Add(wealth, whole(a.Available)).Add(wealth, whole(a.Locked))
	for _, p := range w.payouts {
		if p.Recipient == payer {
			wealth.Add(wealth, whole(p.Amount))
		}
	}
	lost, revealed, paid := new(big.Int).Sub(entry(w.started, payer), wealth), new(big.Int), new(big.Int)
	for _, p := range w.promises {
		if p.Payer == payer {
			revealed.Add(revealed, p.worth(p.revealed))
			paid.Add(paid, p.paid)
		}
	}
	if lost.Cmp(revealed) > 0 {
		t.Fatalf("%s lost %s and revealed %s", payer, lost, revealed)
	}
	if lost.Cmp(paid.Sub(paid, entry(w.back, payer))) != 0 {
		t.Fatalf("%s lost %s and paid %s, less discounts", payer, lost, paid)
	}
}

// checkProvider: what was redeemed reaches its provider, or is on its way.
func (w *world) checkProvider(t *rapid.T, provider string) {
	has := new(big.Int).Set(w.wallet(provider))
	for _, p := range w.payouts {
		if p.Recipient == provider {
			has.Add(has, whole(p.Amount))
		}
	}
	if has.Cmp(w.earned[provider]) != 0 {
		t.Fatalf("%s earned %s and has %s, what is due included", provider, w.earned[provider], has)
	}
}

// checkCollectable: as long as a grant is not released and its provider has
// not closed it, the provider can collect at once all that was revealed.
func (w *world) checkCollectable(t *rapid.T, p *promise) {
	if p.activated == 0 || p.closed || w.now >= p.release {
		return
	}
	uncollected := new(big.Int).Sub(p.worth(p.revealed), p.paid)
	if uncollected.Sign() <= 0 {
		return
	}
	g, known := w.grants[p.ID()]
	if !known {
		t.Fatalf("forgotten with %s uncollected: %+v", uncollected, p.Grant)
	}
	r := escrow.Redemption{Index: p.revealed, Ticket: p.ticket(p.revealed), Receipts: p.receipts}
	_, _, _, amount, err := escrow.Redeem(w.params, w.account(p.Payer), g, w.policy, r, p.Provider, treasury, w.now)
	if err != nil || whole(amount).Cmp(uncollected) != 0 {
		t.Fatalf("%s was revealed and not yet paid; the provider collects %d, %v", uncollected, amount, err)
	}
}

// checkPaidOnce: nothing replayed, reordered or duplicated pays twice.
func (w *world) checkPaidOnce(t *rapid.T, p *promise) {
	if p.activated > 1 {
		t.Fatalf("activated %d times: %+v", p.activated, p.Grant)
	}
	if p.paid.Cmp(p.worth(p.revealed)) > 0 {
		t.Fatalf("%s paid for %s revealed", p.paid, p.worth(p.revealed))
	}
	if g, known := w.grants[p.ID()]; known && p.paid.Cmp(p.worth(g.Redeemed)) != 0 {
		t.Fatalf("%s paid for %d tickets of %d", p.paid, g.Redeemed, p.TicketValue)
	}
}

func (p *promise) worth(tickets uint64) *big.Int {
	return new(big.Int).Mul(whole(tickets), whole(p.TicketValue))
}

func (p *promise) ticket(i uint64) receipt.Digest {
	d, err := p.chain.Ticket(i)
	if err != nil {
		panic(fmt.Sprintf("ticket %d: %v", i, err)) // the tests ask within the chain
	}
	return d
}

// GoString is how a failing run names the promise.
func (p *promise) GoString() string {
	return fmt.Sprintf("%s→%s %d×%d until %d, %d revealed", p.Payer, p.Provider, p.Tickets, p.TicketValue, p.Expiry, p.revealed)
}
