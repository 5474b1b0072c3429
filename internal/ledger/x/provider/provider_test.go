package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/mechanism/bond"
)

var (
	olga  = ledgertest.NewAccount("olga") // owns the models
	peter = ledgertest.NewAccount("peter")
	paula = ledgertest.NewAccount("paula")
)

func newLedger(t *testing.T) *ledgertest.Ledger {
	t.Helper()
	l := ledgertest.New(t, []ledgertest.Account{olga, peter, paula}, nil)
	for _, name := range []string{"one", "two", "three", "four"} {
		l.Must(olga, ledgertest.Version(olga, name))
	}
	return l
}

func offer(a ledgertest.Account, name string) *providerv1.MsgSetOffer {
	return &providerv1.MsgSetOffer{
		Provider: a.Address, ModelDigest: ledgertest.Digest(name), InputPrice: 100, OutputPrice: 300, MaxContext: 512, Slots: 2,
	}
}

// refusal is a message and the error that it must meet.
type refusal struct {
	name string
	from ledgertest.Account
	msg  sdk.Msg
	want error
}

func refuse(t *testing.T, l *ledgertest.Ledger, list []refusal) {
	t.Helper()
	for _, c := range list {
		if err := l.Send(c.from, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRegistration(t *testing.T) {
	l := newLedger(t)
	change := func(f func(*providerv1.MsgRegister)) *providerv1.MsgRegister {
		msg := ledgertest.Registration(peter)
		f(msg)
		return msg
	}
	refuse(t, l, []refusal{
		{"no bond", peter, change(func(m *providerv1.MsgRegister) { m.Bond = 0 }), bond.ErrTooLittle},
		{"too little", peter, change(func(m *providerv1.MsgRegister) { m.Bond = 999 }), bond.ErrTooLittle},
		{"short key", peter, change(func(m *providerv1.MsgRegister) { m.PublicKey = m.PublicKey[1:] }), provider.ErrField},
		{"empty addr", peter, change(func(m *providerv1.MsgRegister) { m.Addrs = []string{""} }), provider.ErrField},
		{"many addrs", peter, change(func(m *providerv1.MsgRegister) { m.Addrs = strings.Fields(strings.Repeat("a ", 17)) }), provider.ErrField},
		{"long moniker", peter, change(func(m *providerv1.MsgRegister) { m.Moniker = strings.Repeat("p", 65) }), provider.ErrField},
		{"address in capitals", peter, change(func(m *providerv1.MsgRegister) { m.Provider = strings.ToUpper(m.Provider) }), account.ErrAddress},
	})
	if err := l.Send(peter, change(func(m *providerv1.MsgRegister) { m.Bond = 1<<64 - 1 })); err == nil {
		t.Error("a bond of more than the account has was accepted")
	}
	l.Must(peter, ledgertest.Registration(peter))
	copied := ledgertest.Registration(paula)
	copied.PublicKey = bytes.Clone(peter.Public())
	refuse(t, l, []refusal{
		{"twice", peter, ledgertest.Registration(peter), provider.ErrRegistered},
		{"another's key", paula, copied, provider.ErrKeyTaken},
	})
}

func TestBondsComeBackAfterTheUnbondingTime(t *testing.T) {
	l := newLedger(t)
	unbond := func(amount uint64) *providerv1.MsgUnbond {
		return &providerv1.MsgUnbond{Provider: peter.Address, Amount: amount}
	}
	l.Must(peter, ledgertest.Registration(peter))
	l.Must(peter, &providerv1.MsgBond{Provider: peter.Address, Amount: 500})
	l.Must(peter, offer(peter, "one"))
	refuse(t, l, []refusal{
		{"bond of nothing", peter, &providerv1.MsgBond{Provider: peter.Address}, bond.ErrZeroAmount},
		{"bond that overflows", peter, &providerv1.MsgBond{Provider: peter.Address, Amount: 1<<64 - 1}, bond.ErrOverflow},
		{"stranger's bond", paula, &providerv1.MsgBond{Provider: paula.Address, Amount: 1}, provider.ErrNotFound},
		{"unbonding nothing", peter, unbond(0), bond.ErrZeroAmount},
		{"unbonding too much", peter, unbond(1501), bond.ErrTooMuch},
		{"below the least with an offer open", peter, unbond(501), bond.ErrOffersOpen},
	})
	results := l.Block(time.Second, ledgertest.Tx{From: peter, Msgs: []sdk.Msg{unbond(200)}}, ledgertest.Tx{From: peter, Msgs: []sdk.Msg{unbond(300)}})
	for _, r := range results {
		if err := ledgertest.Error(r); err != nil {
			t.Fatal(err)
		}
	}
	l.Must(peter, &providerv1.MsgRemoveOffer{Provider: peter.Address, ModelDigest: ledgertest.Digest("one")})
	l.Must(peter, unbond(1000))
	if err := l.Send(peter, offer(peter, "one")); !errors.Is(err, bond.ErrTooLittle) {
		t.Errorf("an offer without a bond: %v", err)
	}
	r, err := providerv1.NewQueryClient(l.Conn()).Provider(context.Background(), &providerv1.QueryProviderRequest{Address: peter.Address})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Unbondings) != 2 || r.Unbondings[0].Amount != 500 || r.Unbondings[1].Amount != 1000 || r.Provider.Bond != 0 {
		t.Fatalf("on their way: %+v", r)
	}
	before := l.Balance(peter.Address, provider.BondDenom)
	wait := func(until int64) uint64 {
		l.Block(time.Duration(until-l.Time.Unix()) * time.Second)
		return l.Balance(peter.Address, provider.BondDenom) - before
	}
	for _, c := range []struct {
		until int64
		want  uint64
	}{{r.Unbondings[0].ReleaseAt - 1, 0}, {r.Unbondings[0].ReleaseAt, 500}, {r.Unbondings[1].ReleaseAt, 1500}} {
		if got := wait(c.until); got != c.want {
			t.Errorf("at %d: %d ukoin came back, want %d", c.until, got, c.want)
		}
	}
}

func TestOffers(t *testing.T) {
	l := newLedger(t)
	change := func(f func(*providerv1.MsgSetOffer)) *providerv1.MsgSetOffer {
		msg := offer(peter, "one")
		f(msg)
		return msg
	}
	refuse(t, l, []refusal{{"stranger's", peter, offer(peter, "one"), provider.ErrNotFound}})
	l.Must(peter, ledgertest.Registration(peter))
	l.Must(paula, ledgertest.Registration(paula))
	refuse(t, l, []refusal{
		{"unknown model", peter, offer(peter, "five"), model.ErrNotFound},
		{"no context", peter, change(func(m *providerv1.MsgSetOffer) { m.MaxContext = 0 }), provider.ErrField},
		{"more context than the model has", peter, change(func(m *providerv1.MsgSetOffer) { m.MaxContext = 513 }), provider.ErrField},
		{"no slot", peter, change(func(m *providerv1.MsgSetOffer) { m.Slots = 0 }), provider.ErrField},
		{"absurd price", peter, change(func(m *providerv1.MsgSetOffer) { m.OutputPrice = 1<<64 - 1 }), provider.ErrField},
		{"removal of none", peter, &providerv1.MsgRemoveOffer{Provider: peter.Address, ModelDigest: ledgertest.Digest("one")}, provider.ErrNoOffer},
	})
	for _, name := range []string{"one", "two", "three"} {
		l.Must(peter, offer(peter, name))
		l.Must(paula, offer(paula, name))
	}
	refuse(t, l, []refusal{{"fourth of three", peter, offer(peter, "four"), provider.ErrTooMany}})
	l.Must(peter, change(func(m *providerv1.MsgSetOffer) { m.OutputPrice = 200 })) // replaces

	q := providerv1.NewQueryClient(l.Conn())
	list := func(r *providerv1.QueryOffersRequest) string {
		var out []string
		for {
			response, err := q.Offers(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range response.Offers {
				who := map[string]string{peter.Address: "peter", paula.Address: "paula"}[o.Provider]
				for _, name := range []string{"one", "two", "three"} {
					if o.ModelDigest == ledgertest.Digest(name) {
						out = append(out, fmt.Sprintf("%s/%s/%d", who, name, o.OutputPrice))
					}
				}
			}
			if len(response.Pagination.NextKey) == 0 {
				return strings.Join(out, " ")
			}
			r.Pagination = &query.PageRequest{Key: response.Pagination.NextKey, Limit: r.Pagination.Limit}
		}
	}
	one := &query.PageRequest{Limit: 1}
	if got := len(strings.Fields(list(&providerv1.QueryOffersRequest{Pagination: one}))); got != 6 {
		t.Errorf("%d offers in all, want 6", got)
	}
	byModel := strings.Fields(list(&providerv1.QueryOffersRequest{ModelDigest: ledgertest.Digest("one"), Pagination: one}))
	if len(byModel) != 2 || !strings.Contains(strings.Join(byModel, " "), "peter/one/200") {
		t.Errorf("of one model: %v", byModel)
	}
	if got := len(strings.Fields(list(&providerv1.QueryOffersRequest{Provider: paula.Address, Pagination: one}))); got != 3 {
		t.Errorf("%d offers of one provider, want 3", got)
	}
	if got := list(&providerv1.QueryOffersRequest{Provider: paula.Address, ModelDigest: ledgertest.Digest("two")}); got != "paula/two/300" {
		t.Errorf("one provider's offer of one model: %q", got)
	}
}

func TestStatusAndParameters(t *testing.T) {
	l := newLedger(t)
	l.Must(peter, ledgertest.Registration(peter))
	update := func(status providerv1.Status) *providerv1.MsgUpdate {
		return &providerv1.MsgUpdate{Provider: peter.Address, Moniker: "pete", Status: status}
	}
	l.Must(peter, update(providerv1.Status_STATUS_DRAINING))
	refuse(t, l, []refusal{
		{"jailing oneself", peter, update(providerv1.Status_STATUS_JAILED), provider.ErrField},
		{"unknown status", peter, update(17), provider.ErrField},
	})
	if err := l.Handle(&providerv1.MsgUpdateParams{Authority: peter.Address}); !errors.Is(err, provider.ErrAuthority) {
		t.Errorf("parameters by anybody: %v", err)
	}
	l.Govern(&providerv1.MsgUpdateParams{Authority: l.Authority(), Params: providerv1.Params{MinBond: 2000, UnbondingSeconds: 5, MaxOffersPerProvider: 1}})
	if err := l.Send(paula, ledgertest.Registration(paula)); !errors.Is(err, bond.ErrTooLittle) {
		t.Errorf("registration under the raised bond: %v", err)
	}
}

func TestRegion(t *testing.T) {
	l := newLedger(t)
	register := ledgertest.Registration(peter)
	register.Region = "Germany"
	refuse(t, l, []refusal{{"a region that is none", peter, register, provider.ErrField}})
	register.Region = "DE-BE"
	l.Must(peter, register)
	moved := &providerv1.MsgUpdate{Provider: peter.Address, Status: providerv1.Status_STATUS_ACTIVE, Region: "us"}
	refuse(t, l, []refusal{{"a move to nowhere", peter, moved, provider.ErrField}})
	moved.Region = "US-CA"
	l.Must(peter, moved)
	r, err := providerv1.NewQueryClient(l.Conn()).Provider(context.Background(), &providerv1.QueryProviderRequest{Address: peter.Address})
	if err != nil || r.Provider.Region != "US-CA" {
		t.Errorf("the region is %q, %v", r.Provider.Region, err)
	}
}

// A private network lists its members; nobody else provides or pays.
func TestWhitelist(t *testing.T) {
	l := ledgertest.New(t, []ledgertest.Account{peter, paula}, func(c *app.GenesisConfig) {
		c.Provider.Whitelist = []string{peter.Address}
	})
	l.Must(peter, ledgertest.Registration(peter))
	deposit := func(a ledgertest.Account) *escrowv1.MsgDeposit {
		return &escrowv1.MsgDeposit{Payer: a.Address, Amount: 1000, GrantKey: a.Public()}
	}
	l.Must(peter, deposit(peter))
	refuse(t, l, []refusal{
		{"a stranger's registration", paula, ledgertest.Registration(paula), provider.ErrStranger},
		{"a stranger's deposit", paula, deposit(paula), provider.ErrStranger},
	})
	params := providerv1.Params{MinBond: 1000, UnbondingSeconds: 200, MaxOffersPerProvider: 3, Whitelist: []string{"koinon1nobody"}}
	if err := l.Handle(&providerv1.MsgUpdateParams{Authority: l.Authority(), Params: params}); !errors.Is(err, provider.ErrParams) {
		t.Errorf("a member that is no account: %v", err)
	}
	params.Whitelist = append([]string{paula.Address}, peter.Address)
	l.Govern(&providerv1.MsgUpdateParams{Authority: l.Authority(), Params: params})
	l.Must(paula, ledgertest.Registration(paula))
	l.Must(paula, deposit(paula))
}
