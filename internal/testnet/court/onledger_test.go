package court

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/auditor"
	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/auditor/store"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/receipt"
)

// network is the ledger as it is, with its modules, messages and queries, and
// the roles on it.
type network struct {
	*ledgertest.Ledger
	t        *testing.T
	w        *world
	sellers  []*seller
	accounts map[string]ledgertest.Account
	blind    string // the auditor, if any, to whom no model is to be had
}

// account is the ledger as one account sees it.
type account struct {
	n *network
	a ledgertest.Account
}

var _ auditor.Ledger = account{}

func (c account) Address() string { return c.a.Address }

func (c account) query() auditv1.QueryClient { return auditv1.NewQueryClient(c.n.Conn()) }

func (c account) Send(_ context.Context, msgs ...proto.Message) error {
	list := make([]sdk.Msg, len(msgs))
	copy(list, msgs)
	if err := c.n.Send(c.a, list...); err != nil {
		return fmt.Errorf("%w: %T: %w", auditor.ErrRefused, msgs[0], err)
	}
	return nil
}

func (c account) Cases(ctx context.Context, address string) ([]auditv1.Case, error) {
	r, err := c.query().Cases(ctx, &auditv1.QueryCasesRequest{Address: address})
	return r.GetCases(), err
}

func (c account) Sealed(ctx context.Context, id uint64) ([]byte, error) {
	r, err := c.query().Sealed(ctx, &auditv1.QuerySealedRequest{Id: id})
	return r.GetCiphertext(), err
}

func (c account) Answered(context.Context, receipt.Receipt) ([]int32, error) {
	return nil, errors.New("answers of the statistical class are not asked for here")
}

func (c account) Recipient(ctx context.Context, address string) (string, error) {
	r, err := c.query().Auditor(ctx, &auditv1.QueryAuditorRequest{Address: address})
	return r.GetAuditor().AgeRecipient, err
}

func (c account) Self(ctx context.Context) (auditv1.Auditor, error) {
	r, err := c.query().Auditor(ctx, &auditv1.QueryAuditorRequest{Address: c.a.Address})
	return r.GetAuditor(), err
}

func (c account) Epoch(ctx context.Context) (auditv1.Epoch, error) {
	r, err := c.query().Epoch(ctx, &auditv1.QueryEpochRequest{})
	return r.GetEpoch(), err
}

func (c account) Params(ctx context.Context) (auditv1.Params, error) {
	r, err := c.query().Params(ctx, &auditv1.QueryParamsRequest{})
	return r.GetParams(), err
}

func (c account) Rate(ctx context.Context, address string) (uint64, error) {
	r, err := c.query().Record(ctx, &auditv1.QueryRecordRequest{Address: address})
	return r.GetRate(), err
}

// Offers are those of all providers that the ledger lets sell.
func (c account) Offers(context.Context) (list []providerv1.Offer, err error) {
	for _, s := range c.n.sellers {
		if p := c.n.provider(s); p.Status == providerv1.Status_STATUS_ACTIVE {
			list = append(list, providerv1.Offer{Provider: s.address, ModelDigest: c.n.w.model.String()})
		}
	}
	return list, nil
}

func (c account) Challenges(ctx context.Context) ([]challengev1.Challenge, error) {
	r, err := challengev1.NewQueryClient(c.n.Conn()).Challenges(ctx, &challengev1.QueryChallengesRequest{})
	return r.GetChallenges(), err
}

func (c account) Participants(ctx context.Context, epoch int64, model string) ([]challengev1.Participant, error) {
	r, err := challengev1.NewQueryClient(c.n.Conn()).Participants(ctx, &challengev1.QueryParticipantsRequest{Epoch: epoch, ModelDigest: model})
	return r.GetParticipants(), err
}

// Buy buys like anybody.
func (c account) Buy(ctx context.Context, from string, _ receipt.Digest) (receipt.Record, error) {
	for _, s := range c.n.sellers {
		if s.address == from {
			c.n.w.now = c.n.Time.Unix()
			return s.sell(ctx, c.a.Address, c.n.w.prompt(), 8+c.n.w.chance.IntN(9))
		}
	}
	return receipt.Record{}, errors.New("nobody sells there")
}

func (n *network) provider(s *seller) providerv1.Provider {
	n.t.Helper()
	p, err := n.App.Provider.Provider(n.Context(), s.address)
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

const sellerBond = 500_000_000

// newNetwork begins a ledger with six providers, three of whom cheat, and
// auditors, who are returned.
func newNetwork(t *testing.T, seed uint64, auditors int, changes ...func(*app.GenesisConfig)) (*network, []*auditor.Auditor) {
	bard, twin := weights(t)
	n := &network{t: t, accounts: map[string]ledgertest.Account{}}
	var accounts []ledgertest.Account
	account := func(name string) ledgertest.Account {
		a := ledgertest.NewAccount(name)
		accounts, n.accounts[a.Address] = append(accounts, a), a
		return a
	}
	owner := account("owner")
	n.sellers = []*seller{
		{name: "honest-1", weights: bard}, {name: "quantiser", weights: twin}, {name: "honest-2", weights: bard},
		{name: "truncator", weights: bard, cut: 5}, {name: "honest-3", weights: bard},
		{name: "stopper", weights: bard, stops: 3},
	}
	for _, s := range n.sellers {
		a := account(s.name)
		s.address, s.key = a.Address, a.GrantKey
	}
	var sitters []ledgertest.Account
	for i := range auditors {
		sitters = append(sitters, account(fmt.Sprintf("auditor-%d", i+1)))
	}
	p := audit.DefaultParams()
	p.MinBond, p.Positions, p.EpochSeconds, p.AuditsPerEpoch = 1_000_000, 6, 7200, 2
	n.Ledger = ledgertest.New(t, accounts, func(c *app.GenesisConfig) {
		c.Audit = &p
		for _, change := range changes {
			change(c)
		}
	})
	version := ledgertest.Version(owner, "bard")
	version.WeightsRoot = bard.Rows.Root().String()
	n.Must(owner, version)
	n.Must(owner, &auditv1.MsgFund{Sender: owner.Address, Amount: 500_000_000})
	model, err := receipt.ParseDigest(version.Digest)
	if err != nil {
		t.Fatal(err)
	}
	n.w = &world{
		t: t, seed: seed, chance: rand.New(rand.NewPCG(seed, 9)), chain: ledgertest.ChainID, model: model, sellers: n.sellers,
		engines: map[*engine.Model]*engine.Engine{},
	}
	for _, m := range []*engine.Model{bard.Model, twin.Model} {
		n.w.engines[m] = engine.New(m, engine.Options{Slots: 1, Queue: 4, Threads: 1})
	}
	for _, s := range n.sellers {
		s.w, s.court, s.kept = n.w, n.as(s.address), map[receipt.Digest]provider.Evidence{}
		registration := ledgertest.Registration(n.accounts[s.address])
		registration.Bond = sellerBond
		n.Must(n.accounts[s.address], registration)
		s.start()
	}
	var roles []*auditor.Auditor
	for _, a := range sitters {
		roles = append(roles, n.audits(a))
	}
	return n, roles
}

func (n *network) as(address string) account { return account{n, n.accounts[address]} }

// audits registers an auditor and begins its role.
func (n *network) audits(a ledgertest.Account) *auditor.Auditor {
	n.t.Helper()
	key, err := bench.NewIdentity()
	if err != nil {
		n.t.Fatal(err)
	}
	kept, err := store.Open(filepath.Join(n.t.TempDir(), a.Name))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { kept.Close() })
	n.Must(a, &auditv1.MsgRegisterAuditor{
		Auditor: a.Address, Bond: 100_000_000, AgeRecipient: key.Recipient(), VrfKey: a.GrantKey.Public().(ed25519.PublicKey),
	})
	find := func(context.Context, receipt.Digest) (party.Weights, error) {
		if a.Address == n.blind {
			return party.Weights{}, judge.ErrNoModel
		}
		return models.bard, nil
	}
	return auditor.New(auditor.Outside{
		Ledger: n.as(a.Address), Shop: n.as(a.Address), Judge: judge.New(find, nil, 1), Store: kept, Key: key, VRF: a.GrantKey,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return n.Time },
	})
}

// convicted says of whom the ledger has convictions.
func (n *network) convicted() map[string]auditv1.Conviction {
	n.t.Helper()
	r, err := auditv1.NewQueryClient(n.Conn()).Convictions(context.Background(), &auditv1.QueryConvictionsRequest{})
	if err != nil {
		n.t.Fatal(err)
	}
	list := map[string]auditv1.Conviction{}
	for _, c := range r.Convictions {
		list[n.accounts[c.Convict].Name] = c
	}
	return list
}

// cheat says whether a provider of this network is one, and what it sells is wrong.
func cheat(name string) bool { return name == "quantiser" || name == "truncator" || name == "stopper" }

// On the ledger as it is, auditors whom its beacon draws find all three cheats, by
// buying like anybody; the court convicts and slashes them, the honest keep
// everything, and auditors are paid. The books are checked at each block.
func TestMysteryShoppersConvictOnTheLedger(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		n, auditors := newNetwork(t, seed+1, 4)
		ctx := context.Background()
		for range 24 * 14 {
			for _, a := range auditors {
				if err := a.Step(ctx); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			for _, s := range n.sellers {
				if err := s.step(ctx); err != nil && !cheat(s.name) {
					t.Fatalf("seed %d: %s: %v", seed, s.name, err)
				}
			}
			n.Block(30 * time.Minute)
			if len(n.convicted()) == 3 {
				break
			}
		}
		found := n.convicted()
		for name, c := range found {
			t.Logf("seed %d: %s: %s, loses %d ukoin", seed, name, c.Offence, c.Fine)
		}
		for _, s := range n.sellers {
			p, cheat := n.provider(s), cheat(s.name)
			if slashed := p.Bond < sellerBond; slashed != cheat {
				t.Errorf("seed %d: %s has a bond of %d", seed, s.name, p.Bond)
			}
			if _, convicted := found[s.name]; convicted != cheat {
				t.Errorf("seed %d: %s is convicted: %t", seed, s.name, convicted)
			}
		}
		paid := uint64(0)
		for _, a := range auditors {
			paid += a.Status().Completed
			if s := a.Status(); s.Jailed || s.Bond != 100_000_000 {
				t.Errorf("seed %d: %+v", seed, s)
			}
		}
		if paid == 0 {
			t.Errorf("seed %d: no audit was paid", seed)
		}
	}
}

// An auditor that cannot judge what it bought does not leave it at that: a committee
// of others does, at the fund's cost. Nobody honest loses anything by it.
func TestWhatOneCannotJudgeGoesToACommittee(t *testing.T) {
	n, auditors := newNetwork(t, 1, 4)
	n.blind = auditors[0].Status().Address
	ctx := context.Background()
	for range 24 * 14 {
		for _, a := range auditors {
			if err := a.Step(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range n.sellers {
			if err := s.step(ctx); err != nil && !cheat(s.name) {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		n.Block(30 * time.Minute)
		cases, err := n.as(n.blind).Cases(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Accuser == n.blind && c.Bond > 0 {
				t.Fatalf("it pays a bond: %+v", c)
			}
			if c.Accuser != n.blind || c.Outcome != auditv1.Outcome_OUTCOME_CLEARED {
				continue
			}
			if found := n.convicted(); len(found["honest-1"].Reference)+len(found["honest-2"].Reference)+len(found["honest-3"].Reference) > 0 {
				t.Errorf("convicted: %v", found)
			}
			if s := auditors[0].Status(); s.Inconclusive == 0 || s.Jailed || s.Bond != 100_000_000 {
				t.Errorf("who could not judge: %+v", s)
			}
			return
		}
	}
	t.Error("no committee judged what one auditor could not")
}
