package escrow_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
	"pgregory.net/rapid"
)

var (
	payers    = []string{"ada", "bob", "whale"}
	providers = []string{"prov-1", "prov-2"}
	model     = receipt.Sum([]byte("model"))
	app       = "app"
)

// key is a payer's n-th grant key.
func key(payer string, n int) ed25519.PrivateKey {
	seed := receipt.Sum(fmt.Appendf(nil, "%s/%d", payer, n))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

// TestPromises lets several payers and providers, honest and not, deposit,
// withdraw, sign, reveal, activate, redeem, replay, reorder, mint and burn in
// any order while time passes, and checks every promise after every step. Each
// step also knows whether the rules must accept it; a refusal has a name and
// changes nothing. To repeat a failure, use the seed or file that is printed.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		actions := map[string]func(*rapid.T){
			"":         w.Check,
			"deposit":  w.anyDeposit,
			"withdraw": w.anyWithdrawal,
			"sign":     w.anyPromise,
			"serve":    w.anyService,
			"serve 2":  w.anyService,
			"reveal":   w.anyReveal,
			"activate": w.anyActivation,
			"redeem":   w.anyRedemption,
			"redeem 2": w.anyRedemption,
			"forge":    w.anyForgery,
			"replay":   w.anyReplay,
			"expire":   w.anyExpiry,
			"mint":     w.anyMint,
			"burn":     w.anyBurn,
			"batch":    w.anyBatch,
			"cash out": w.anyCashOut,
			"settle":   w.anySettlement,
			"regulate": w.anyRegulation,
			"block":    func(t *rapid.T) { w.endBlock(t, rapid.SampledFrom([]int64{1, 3, 10, 60}).Draw(t, "seconds")) },
		}
		for range 10 { // some 300 steps
			t.Repeat(actions)
		}
		w.drain(t)
	})
}

func anyWorld(t *rapid.T) *world {
	params := escrow.Params{
		WithdrawDelay: rapid.Int64Range(0, 40).Draw(t, "delay"), ChallengeWindow: rapid.Int64Range(0, 40).Draw(t, "window"),
		RedeemGrace: rapid.Int64Range(0, 20).Draw(t, "grace"), MaxGrantSeconds: 100, MaxTickets: 40, FreeWindowBlocks: 1,
	}
	if err := params.Validate(); err != nil {
		t.Fatal(err)
	}
	provider := rapid.Uint32Range(0, split.Whole).Draw(t, "provider bps")
	owner := rapid.Uint32Range(0, split.Whole-provider).Draw(t, "owner bps")
	policy := split.Policy{ProviderBps: provider, AppBps: split.Whole - provider - owner}
	if owner > 0 {
		policy.Owners = []split.Share{{Recipient: "owner", Bps: owner}}
	}
	w := newWorld(params, policy, map[string]*big.Int{
		"ada": big.NewInt(100_000), "bob": big.NewInt(1_000), "whale": whole(math.MaxUint64),
	})
	for payer, amount := range map[string]uint64{"ada": 50_000, "bob": 1_000, "whale": math.MaxUint64} {
		must(t, "the first deposit", w.deposit(t, payer, amount, public(key(payer, 0))), nil)
	}
	w.issuer = escrow.Issuer{Address: "issuer", Name: "Issuer", Cap: rapid.SampledFrom([]uint64{50_000, math.MaxUint64}).Draw(t, "cap")}
	return w
}

// must compares what a rule answered with what it had to answer; nil is yes.
func must(t *rapid.T, what string, got error, want error) {
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Fatalf("%s: %v; it must be %v", what, got, want)
	}
}

// anyAmount is below, at and above what there is.
func anyAmount(t *rapid.T, there uint64) uint64 {
	return rapid.OneOf(rapid.Uint64Range(0, 2_000), rapid.Just(there), rapid.Uint64Range(0, there),
		rapid.Just(uint64(math.MaxUint64))).Draw(t, "amount")
}

func (w *world) anyDeposit(t *rapid.T) {
	payer := rapid.SampledFrom(payers).Draw(t, "payer")
	amount := anyAmount(t, w.wallet(payer).Uint64())
	if w.wallet(payer).Cmp(whole(amount)) < 0 {
		t.Skip("the bank refuses it first")
	}
	keyBytes := rapid.SampledFrom([][]byte{nil, public(key(payer, 0)), public(key(payer, 1)), {1, 2, 3}}).Draw(t, "key")
	a := w.account(payer)
	total := new(big.Int).Add(new(big.Int).Add(whole(a.Available), whole(a.Locked)), whole(amount))
	var want error
	switch {
	case amount == 0:
		want = escrow.ErrZeroAmount
	case len(keyBytes) == 3:
		want = escrow.ErrGrantKey
	case len(keyBytes) == 0 && len(a.GrantKey) == 0:
		want = escrow.ErrNoGrantKey
	case !total.IsUint64():
		want = escrow.ErrOverflow
	}
	must(t, "deposit", w.deposit(t, payer, amount, keyBytes), want)
}

func (w *world) anyWithdrawal(t *rapid.T) {
	payer := rapid.SampledFrom(payers).Draw(t, "payer")
	available := w.account(payer).Available
	amount := anyAmount(t, available)
	err := w.withdraw(t, payer, amount)
	switch {
	case amount == 0:
		must(t, "withdrawal", err, escrow.ErrZeroAmount)
	case amount > available:
		must(t, "withdrawal", err, escrow.ErrInsufficient)
	case !errors.Is(err, escrow.ErrWithdrawnAlready):
		must(t, "withdrawal", err, nil)
	}
}

// anyPromise signs a grant, off the ledger; some are not what the ledger takes.
func (w *world) anyPromise(t *rapid.T) {
	payer := rapid.SampledFrom(payers).Draw(t, "payer")
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(len(w.promises)))
	tickets := rapid.Uint64Range(1, w.params.MaxTickets+1).Draw(t, "tickets")
	chain := receipt.NewChain(seed, tickets)
	g := receipt.Grant{
		ChainID: rapid.SampledFrom([]string{chainID, chainID, chainID, "another"}).Draw(t, "chain"),
		Payer:   payer, Provider: rapid.SampledFrom(providers).Draw(t, "provider"), Model: model,
		App: rapid.SampledFrom([]string{"", app}).Draw(t, "app"), Tickets: tickets,
		TicketValue: rapid.OneOf(rapid.Uint64Range(1, 60), rapid.Just(uint64(math.MaxUint64/40)), rapid.Just(uint64(math.MaxUint64))).Draw(t, "value"),
		Expiry:      w.now + rapid.Int64Range(-2, w.params.MaxGrantSeconds+2).Draw(t, "lifetime"), Anchor: chain.Anchor(),
	}
	n := rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "key")
	w.promises = append(w.promises, &promise{SignedGrant: g.Sign(key(payer, n)), chain: chain, paid: new(big.Int)})
}

// anyService is the usual course: a sound grant, activated, and some of its
// tickets revealed.
func (w *world) anyService(t *rapid.T) {
	payer := rapid.SampledFrom(payers).Draw(t, "payer")
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(len(w.promises)))
	tickets := rapid.Uint64Range(1, w.params.MaxTickets).Draw(t, "tickets")
	chain := receipt.NewChain(seed, tickets)
	g := receipt.Grant{
		ChainID: chainID, Payer: payer, Provider: rapid.SampledFrom(providers).Draw(t, "provider"), Model: model,
		App: app, Tickets: tickets, TicketValue: rapid.Uint64Range(1, 60).Draw(t, "value"),
		Expiry: w.now + rapid.Int64Range(1, w.params.MaxGrantSeconds).Draw(t, "lifetime"), Anchor: chain.Anchor(),
	}
	p := &promise{SignedGrant: g.Sign(key(payer, 0)), chain: chain, paid: new(big.Int)}
	w.promises = append(w.promises, p)
	want := w.mayActivate(p, p.SignedGrant, p.Provider)
	if err := w.activate(t, p.SignedGrant, p.Provider); (err == nil) != want {
		t.Fatalf("activation: %v; must it be accepted? %t", err, want)
	}
	p.revealed = rapid.Uint64Range(0, tickets).Draw(t, "index")
}

// pick draws a promise, more often one of the latest.
func (w *world) pick(t *rapid.T) *promise {
	if len(w.promises) == 0 {
		t.Skip("nothing signed yet")
	}
	among := w.promises
	if rapid.Bool().Draw(t, "recent") {
		among = among[max(0, len(among)-4):]
	}
	return rapid.SampledFrom(among).Draw(t, "promise")
}

// anyReveal hands a ticket to the provider, off the ledger, in time or not.
func (w *world) anyReveal(t *rapid.T) {
	p := w.pick(t)
	p.revealed = max(p.revealed, rapid.Uint64Range(0, p.Tickets).Draw(t, "index"))
}

// anyActivation sends a grant to the ledger: by its provider or another, as
// signed or altered.
func (w *world) anyActivation(t *rapid.T) {
	p := w.pick(t)
	s, sender := p.SignedGrant, p.Provider
	switch rapid.SampledFrom([]string{"", "", "", "", "thief", "raised", "prolonged", "another payer", "another signature"}).Draw(t, "foul") {
	case "thief":
		sender = "thief"
	case "raised":
		s.TicketValue++
	case "prolonged":
		s.Expiry++
	case "another payer":
		s.Payer = payers[(len(s.Payer))%len(payers)]
	case "another signature":
		s = s.Sign(key("mallory", 0))
	}
	want := w.mayActivate(p, s, sender)
	if err := w.activate(t, s, sender); (err == nil) != want {
		t.Fatalf("activation: %v; must it be accepted? %t", err, want)
	}
}

// mayActivate says whether the ledger must accept a grant (spec, section 4).
func (w *world) mayActivate(p *promise, s receipt.SignedGrant, sender string) bool {
	a := w.account(s.Payer)
	worth := p.worth(p.Tickets)
	return sender == p.Provider && s.Grant == p.Grant && string(s.Signature) == string(p.Signature) &&
		p.activated == 0 && s.ChainID == chainID && w.now < s.Expiry && s.Expiry <= w.now+w.params.MaxGrantSeconds &&
		s.Tickets <= w.params.MaxTickets && worth.Cmp(whole(a.Available)) <= 0 &&
		len(a.GrantKey) != 0 && s.Verify(a.GrantKey) == nil
}

// anyRedemption collects honestly: any ticket revealed, in any order, so that
// late and repeated ones are among them.
func (w *world) anyRedemption(t *rapid.T) {
	p := w.pick(t)
	index := rapid.Uint64Range(0, p.revealed).Draw(t, "index")
	r := escrow.Redemption{
		Index: index, Ticket: p.ticket(index), Close: rapid.SampledFrom([]bool{false, false, true}).Draw(t, "close"),
		Receipts: rapid.Uint64Range(0, p.receipts+2).Draw(t, "receipts"),
	}
	g, known := w.grants[p.ID()]
	may := known && g.Status == escrow.Active && w.now < p.release &&
		r.Receipts >= p.receipts && (index > g.Redeemed || index == g.Redeemed && r.Close)
	before := new(big.Int).Set(p.paid)
	err := w.redeem(t, p, r, p.Provider)
	if (err == nil) != may {
		t.Fatalf("redemption of %d after %d: %v; must it be accepted? %t", index, g.Redeemed, err, may)
	}
	gained := new(big.Int).Sub(p.paid, before)
	if want := p.worth(index - g.Redeemed); may && gained.Cmp(want) != 0 || !may && gained.Sign() != 0 {
		t.Fatalf("redemption of %d after %d paid %s", index, g.Redeemed, gained)
	}
}

// anyForgery asks for more than was revealed, or for somebody else's; each must
// be refused.
func (w *world) anyForgery(t *rapid.T) {
	p := w.pick(t)
	r := escrow.Redemption{Receipts: p.receipts, Close: rapid.Bool().Draw(t, "close")}
	sender := p.Provider
	switch kind := rapid.SampledFrom([]string{"stale preimage", "guess", "past the end", "thief"}).Draw(t, "forgery"); {
	case kind == "thief":
		sender = rapid.SampledFrom([]string{"thief", p.Payer}).Draw(t, "sender")
		r.Index, r.Ticket = p.revealed, p.ticket(p.revealed)
	case kind == "past the end":
		r.Index = rapid.OneOf(rapid.Just(p.Tickets+1), rapid.Just(uint64(math.MaxUint64))).Draw(t, "index")
		r.Ticket = p.ticket(p.revealed)
	case p.revealed == p.Tickets:
		t.Skip("all is revealed")
	default:
		r.Index = rapid.Uint64Range(p.revealed+1, p.Tickets).Draw(t, "index")
		r.Ticket = p.ticket(p.revealed)
		if kind == "guess" {
			r.Ticket = receipt.Sum([]byte("a guess"))
		}
	}
	if err := w.redeem(t, p, r, sender); err == nil {
		t.Fatalf("%s collected %+v; %d is revealed", sender, r, p.revealed)
	}
}

// anyReplay sends an accepted message again, however long ago; it must be
// refused. (A buyer's own messages carry the account's sequence number.)
func (w *world) anyReplay(t *rapid.T) {
	if len(w.accepted) == 0 {
		t.Skip("nothing accepted yet")
	}
	if err := rapid.SampledFrom(w.accepted).Draw(t, "message")(t); err == nil {
		t.Fatal("a message was accepted twice")
	}
}

func (w *world) anyExpiry(t *rapid.T) {
	p := w.pick(t)
	g, known := w.grants[p.ID()]
	if !known {
		t.Skip("not on the ledger")
	}
	var want error
	switch {
	case g.Status == escrow.Closed:
		want = escrow.ErrGrantClosed
	case w.now < p.release:
		want = escrow.ErrNotExpired
	}
	must(t, "expiry", w.expire(t, g), want)
}

// anyReference is one of a few, so that many are used twice.
func anyReference(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "", "pi_1", "pi_2", "pi_3", "two words", strings.Repeat("x", 129)}).Draw(t, "reference")
}

// mayUse is what the rules must say to a reference.
func (w *world) mayUse(reference string) error {
	switch {
	case reference == "two words", len(reference) > 128:
		return escrow.ErrReference
	case w.references[reference]:
		return escrow.ErrReplayed
	}
	return nil
}

func (w *world) anyMint(t *rapid.T) {
	amount := anyAmount(t, w.issuer.Cap-w.issuer.Outstanding)
	recipient := rapid.SampledFrom(append([]string{"issuer"}, payers...)).Draw(t, "recipient")
	reference := anyReference(t)
	sum := new(big.Int).Add(whole(w.issuer.Outstanding), whole(amount))
	want := w.mayUse(reference)
	switch {
	case want != nil:
	case amount == 0:
		want = escrow.ErrZeroAmount
	case !sum.IsUint64():
		want = escrow.ErrOverflow
	case sum.Cmp(whole(w.issuer.Cap)) > 0:
		want = escrow.ErrIssuerCap
	}
	must(t, "mint", w.mint(t, recipient, amount, reference), want)
}

func (w *world) anyBurn(t *rapid.T) {
	amount := anyAmount(t, w.issuer.Outstanding)
	reference := anyReference(t)
	want := w.mayUse(reference)
	switch {
	case want != nil:
	case amount == 0:
		want = escrow.ErrZeroAmount
	case amount > w.issuer.Outstanding:
		want = escrow.ErrOverburn
	case w.wallet("issuer").Cmp(whole(amount)) < 0:
		t.Skip("the bank refuses it")
	}
	must(t, "burn", w.burn(t, amount, reference), want)
}

// anyCashOut gives credit up for dollars; the issuer then owes as much more.
func (w *world) anyCashOut(t *rapid.T) {
	holder := rapid.SampledFrom(payers).Draw(t, "holder")
	amount := anyAmount(t, w.issuer.Outstanding)
	destination := rapid.SampledFrom([]string{"customer-7", "", "two words"}).Draw(t, "destination")
	var want error
	switch {
	case destination != "customer-7":
		want = escrow.ErrDestination
	case amount == 0:
		want = escrow.ErrZeroAmount
	case amount > w.issuer.Outstanding:
		want = escrow.ErrOverburn
	case w.wallet(holder).Cmp(whole(amount)) < 0:
		t.Skip("the bank refuses it")
	}
	must(t, "cash-out", w.cashOut(t, holder, amount, destination), want)
}

// anySettlement settles a cash-out, once, by its issuer alone.
func (w *world) anySettlement(t *rapid.T) {
	if len(w.owed) == 0 {
		t.Skip("nothing owed")
	}
	c := &w.owed[rapid.IntRange(0, len(w.owed)-1).Draw(t, "cash-out")]
	sender := rapid.SampledFrom([]string{"issuer", "issuer", "thief"}).Draw(t, "sender")
	payment := rapid.SampledFrom([]string{"transfer-1", ""}).Draw(t, "payment")
	known := rapid.Bool().Draw(t, "known")
	owed := c.Issuer != ""
	var want error
	switch {
	case !owed || sender != "issuer":
		want = escrow.ErrNotOwed
	case payment == "":
		want = escrow.ErrReference
	case known:
		want = escrow.ErrReplayed
	}
	err := escrow.Settle(*c, owed, sender, payment, known)
	must(t, "settlement", err, want)
	if err == nil {
		c.Issuer = ""
	}
}

// anyRegulation changes parameters: what was promised to grants that are active
// stands (spec, section 7).
func (w *world) anyRegulation(t *rapid.T) {
	w.params.RedeemGrace = rapid.Int64Range(0, 20).Draw(t, "grace")
	w.params.ChallengeWindow = rapid.Int64Range(0, 40).Draw(t, "window")
	w.params.MaxTickets = rapid.Uint64Range(1, 40).Draw(t, "tickets")
}

// anyBatch redeems several grants of one provider at once, sound claims and
// stale ones, one grant twice among them: each must be paid or refused as if it
// had come alone, after those before it.
func (w *world) anyBatch(t *rapid.T) {
	provider := rapid.SampledFrom(providers).Draw(t, "provider")
	n := rapid.IntRange(0, 5).Draw(t, "claims")
	if len(w.promises) == 0 {
		n = 0
	}
	var claims []escrow.Claim
	var due []bool
	redeemed, receipts, closed := map[string]uint64{}, map[string]uint64{}, map[string]bool{}
	for range n {
		p := w.pick(t)
		index := rapid.Uint64Range(0, p.revealed).Draw(t, "index")
		r := escrow.Redemption{Index: index, Ticket: p.ticket(index), Receipts: p.receipts, Close: rapid.Bool().Draw(t, "close")}
		id := p.ID().Hex()
		g, known := w.grants[p.ID()]
		if _, seen := redeemed[id]; !seen {
			redeemed[id], receipts[id], closed[id] = g.Redeemed, p.receipts, g.Status != escrow.Active
		}
		may := known && p.Provider == provider && !closed[id] && w.now < p.release &&
			(index > redeemed[id] || index == redeemed[id] && r.Close)
		if may {
			redeemed[id], closed[id] = index, r.Close || index == p.Tickets
		}
		claims, due = append(claims, escrow.Claim{ID: id, Redemption: r}), append(due, may)
	}
	outcomes, err := w.redeemAll(t, claims, provider)
	switch {
	case n == 0:
		must(t, "an empty batch", err, escrow.ErrBatch)
	case !slices.Contains(due, true):
		if err == nil {
			t.Fatalf("a batch of refused claims was accepted: %+v", outcomes)
		}
	default:
		must(t, "a batch", err, nil)
		for i, o := range outcomes {
			if (o.Refusal == nil) != due[i] {
				t.Fatalf("claim %d of %d: %v; must it be paid? %t", i, n, o.Refusal, due[i])
			}
		}
	}
}

// drain lets everybody collect and everything lapse: then nothing is locked or
// on its way, and each provider holds its part of all that was redeemed.
func (w *world) drain(t *rapid.T) {
	for _, p := range w.promises {
		g, known := w.grants[p.ID()]
		if known && g.Status == escrow.Active && w.now < p.release && p.revealed > g.Redeemed {
			r := escrow.Redemption{Index: p.revealed, Ticket: p.ticket(p.revealed), Receipts: p.receipts}
			must(t, "the last redemption", w.redeem(t, p, r, p.Provider), nil)
		}
	}
	for range 3 {
		w.endBlock(t, 1_000)
		w.Check(t)
	}
	for payer, a := range w.accounts {
		if a.Locked != 0 {
			t.Fatalf("%s still has %d locked", payer, a.Locked)
		}
	}
	if len(w.grants) != 0 || len(w.payouts) != 0 {
		t.Fatalf("%d grants and %d payouts are left", len(w.grants), len(w.payouts))
	}
	for provider, earned := range w.earned {
		if w.wallet(provider).Cmp(earned) != 0 {
			t.Fatalf("%s earned %s and has %s", provider, earned, w.wallet(provider))
		}
	}
}
