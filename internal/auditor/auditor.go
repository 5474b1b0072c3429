// Package auditor checks what others sell: it buys like anybody, from providers
// that the beacon draws for it, recomputes the answers, tells the ledger what it
// found, accuses where an answer is not what its receipt says, and sits in the
// court that judges accusations. It is paid for each audit, whatever it finds.
//
// What it must not forget is on disk before it acts on it: a purchase before it
// is checked, a finding before it is told, a ballot before it is committed to.
// See [Config] for what an owner decides.
package auditor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/auditor/store"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/receipt"
)

// Ledger is the auditor's view of the chain, bound to its account.
type Ledger interface {
	bench.Ledger
	// Epoch is that of mystery audits which runs now.
	Epoch(ctx context.Context) (auditv1.Epoch, error)
	Params(ctx context.Context) (auditv1.Params, error)
	// Offers lists what is sold, and by whom.
	Offers(ctx context.Context) ([]providerv1.Offer, error)
	// Rate is the audit rate of a provider, in millionths.
	Rate(ctx context.Context, provider string) (uint64, error)
	// Challenges are the epoch challenges that the ledger has not forgotten, and
	// Participants who had to answer one.
	Challenges(ctx context.Context) ([]challengev1.Challenge, error)
	Participants(ctx context.Context, epoch int64, model string) ([]challengev1.Participant, error)
	// Self is the auditor's own entry.
	Self(ctx context.Context) (auditv1.Auditor, error)
}

// Shop buys an answer of a provider, like anybody.
type Shop interface {
	Buy(ctx context.Context, provider string, model receipt.Digest) (receipt.Record, error)
}

// Outside is what an auditor works with.
type Outside struct {
	Ledger Ledger
	Shop   Shop
	Judge  *judge.Judge
	Store  *store.Store
	// Key reads what is sealed to this auditor; VRF proves whom it was drawn for.
	Key bench.Identity
	VRF ed25519.PrivateKey
	Log *slog.Logger
	Now func() time.Time
}

// Auditor is the role. Create it with [New].
type Auditor struct {
	out   Outside
	bench *bench.Bench
	log   *slog.Logger
	// looked are the disputed epoch challenges whose answers were computed again.
	looked map[string]bool

	mu     sync.Mutex
	status Status
}

// Status is how an auditor is doing.
type Status struct {
	Address string `json:"address"`
	Epoch   uint64 `json:"epoch"`
	// Drawn are the providers that this epoch drew for it, Bought of whom it has
	// bought.
	Drawn  int `json:"drawn"`
	Bought int `json:"bought"`
	// Upheld, Refuted and Inconclusive count what was found since the start.
	Upheld       int    `json:"upheld"`
	Refuted      int    `json:"refuted"`
	Inconclusive int    `json:"inconclusive"`
	Cases        int    `json:"cases"` // open ones in which it has a part
	Completed    uint64 `json:"completed"`
	Bond         uint64 `json:"bond"` // ukoin
	Jailed       bool   `json:"jailed"`
	Problem      string `json:"problem,omitempty"`
}

// New is an auditor.
func New(out Outside) *Auditor {
	return &Auditor{
		out: out, bench: bench.New(out.Ledger, out.Store, out.Judge, out.Key, out.Log), log: out.Log,
		looked: map[string]bool{}, status: Status{Address: out.Ledger.Address()},
	}
}

// Run works until ctx ends, looking for what to do every so often.
func (a *Auditor) Run(ctx context.Context, every time.Duration) error {
	told := ""
	for {
		err := a.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		a.note(func(s *Status) { s.Problem = problem })
		if problem != told && problem != "" {
			a.log.Warn("some of the work is not done yet; trying again", "error", err)
		}
		told = problem
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// Step does all that is due now. Each part goes on where the one before failed:
// the court's deadlines do not wait for a shop.
func (a *Auditor) Step(ctx context.Context) error {
	return errors.Join(a.bench.Step(ctx), a.challenges(ctx), a.shop(ctx), a.check(ctx), a.tell(ctx), a.look(ctx))
}

// Status is how it is doing now.
func (a *Auditor) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

func (a *Auditor) note(change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
}

// look refreshes the status.
func (a *Auditor) look(ctx context.Context) error {
	self, err := a.out.Ledger.Self(ctx)
	if err != nil {
		return fmt.Errorf("asking for this auditor's entry: %w", err)
	}
	cases, err := a.out.Ledger.Cases(ctx, self.Address)
	a.note(func(s *Status) {
		s.Completed, s.Bond, s.Jailed, s.Cases = self.Completed, self.Bond, self.Jailed || self.Tombstoned, len(cases)
	})
	return err
}

// check recomputes what was bought and not checked yet.
func (a *Auditor) check(ctx context.Context) error {
	purchases, err := a.out.Store.Purchases(ctx, store.Unchecked)
	if err != nil {
		return err
	}
	for _, p := range purchases {
		finding, err := a.finding(ctx, p)
		if err != nil {
			return err
		}
		if err := a.out.Store.Found(ctx, p.Receipt.Hash(), finding); err != nil {
			return err
		}
		a.log.Info("checked an answer", "provider", p.Provider, "verdict", finding.Verdict, "reason", finding.Reason)
		a.note(func(s *Status) {
			switch finding.Verdict {
			case proof.Upheld:
				s.Upheld++
			case proof.Refuted:
				s.Refuted++
			default:
				s.Inconclusive++
			}
		})
	}
	return nil
}

func (a *Auditor) finding(ctx context.Context, p store.Purchase) (proof.Finding, error) {
	if p.Transcript == nil {
		return proof.Finding{Verdict: proof.Inconclusive, Step: -1, Reason: "The gateway gave no transcript."}, nil
	}
	return a.out.Judge.Check(ctx, p.Receipt, *p.Transcript)
}

// tell reports what was found, and goes to court where it has to. What it has sent
// before a crash is refused the second time, and then it has been told.
func (a *Auditor) tell(ctx context.Context) error {
	purchases, err := a.out.Store.Purchases(ctx, store.Unreported)
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range purchases {
		disputed, err := a.tellOne(ctx, p)
		if err == nil {
			err = a.out.Store.Told(ctx, p.Receipt.Hash(), true, disputed)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// tellOne accuses whose answer is refuted, and reports. Who cannot judge alone
// hands the answer on: a committee can, or nobody can; it is not left at that.
// That is so for every answer of the statistical class, whatever it looks like:
// evidence adds up only if nobody chose what it is made of.
func (a *Auditor) tellOne(ctx context.Context, p store.Purchase) (disputed bool, err error) {
	judgeable := p.Transcript != nil && (p.Receipt.CompletionTokens > 0 || referee.Disputable(p.Receipt))
	if p.Finding.Verdict == proof.Refuted && judgeable {
		if err := a.accuse(ctx, p); err != nil {
			return false, err
		}
		disputed = true
	}
	if p.Epoch == 0 { // not bought: an answer to an epoch challenge
		return disputed, nil
	}
	if err := a.report(ctx, p); err != nil || disputed || !judgeable {
		return disputed, err
	}
	if p.Receipt.Class == receipt.Exact && p.Finding.Verdict != proof.Inconclusive {
		return false, nil
	}
	a.log.Info("an answer goes to a committee", "provider", p.Provider, "receipt", p.Receipt.Hash(), "reason", p.Finding.Reason)
	err = a.out.Ledger.Send(ctx, &auditv1.MsgOpenDispute{Accuser: a.out.Ledger.Address(), Receipt: p.Receipt.Encode(), Escalates: true})
	if errors.Is(err, ErrRefused) {
		a.log.Warn("no committee will judge an answer", "provider", p.Provider, "receipt", p.Receipt.Hash(), "error", err)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("escalating an answer of %s: %w", p.Provider, err)
	}
	return true, nil
}

func (a *Auditor) accuse(ctx context.Context, p store.Purchase) error {
	msg := &auditv1.MsgOpenDispute{Accuser: a.out.Ledger.Address(), Receipt: p.Receipt.Encode()}
	if p.Receipt.Class == receipt.Exact {
		// With a root of its own it can play, even if the committee looks away.
		answer, err := a.out.Judge.Answer(ctx, p.Receipt, *p.Transcript)
		if err != nil {
			return fmt.Errorf("computing the answer of %s again: %w", p.Provider, err)
		}
		root := answer.Root()
		msg.ClaimedRoot = root[:]
	}
	a.log.Warn("accusing a provider", "provider", p.Provider, "receipt", p.Receipt.Hash(), "reason", p.Finding.Reason)
	if err := a.out.Ledger.Send(ctx, msg); err != nil && !errors.Is(err, ErrRefused) {
		return fmt.Errorf("accusing %s: %w", p.Provider, err)
	}
	return nil
}

// ErrRefused is what a [Ledger] returns when the ledger answered and will not
// have the transaction.
var ErrRefused = errors.New("the ledger refused the transaction")

// report tells of a completed audit. What could not be judged is not reported as
// good: it is told as a disagreement, which pays the same.
func (a *Auditor) report(ctx context.Context, p store.Purchase) error {
	epoch, err := a.out.Ledger.Epoch(ctx)
	if err != nil {
		return err
	}
	randomness := epoch.Randomness
	if p.Epoch+1 == epoch.Number {
		randomness = epoch.Previous
	}
	if p.Epoch == epoch.Number || p.Epoch+1 == epoch.Number {
		proven, err := prove(a.out.VRF, randomness)
		if err != nil {
			return err
		}
		err = a.out.Ledger.Send(ctx, &auditv1.MsgReport{
			Auditor: a.out.Ledger.Address(), Epoch: p.Epoch, VrfProof: proven.proof, Receipt: p.Receipt.Encode(), Agrees: p.Finding.Verdict == proof.Upheld,
		})
		if err != nil && !errors.Is(err, ErrRefused) {
			return fmt.Errorf("reporting an audit of %s: %w", p.Provider, err)
		}
		if err != nil {
			a.log.Warn("the ledger does not pay an audit", "provider", p.Provider, "error", err)
		}
	}
	return nil
}

// shop buys of those whom the epoch drew for this auditor, each at a moment of
// the epoch that nobody else can foresee.
func (a *Auditor) shop(ctx context.Context) error {
	self, err := a.out.Ledger.Self(ctx)
	if err != nil || self.Jailed || self.Tombstoned {
		return err
	}
	drawn, epoch, err := a.drawn(ctx, self)
	if err != nil {
		return err
	}
	bought := 0
	var failed []error
	for _, d := range drawn {
		n, err := a.out.Store.Bought(ctx, epoch, d.provider)
		if err != nil {
			return err
		}
		if n > 0 {
			bought++
			continue
		}
		if a.out.Now().Before(d.at) {
			continue
		}
		record, err := a.out.Shop.Buy(ctx, d.provider, d.models[0])
		if err != nil {
			failed = append(failed, fmt.Errorf("buying of %s: %w", d.provider, err))
			continue
		}
		if err := a.out.Store.Keep(ctx, store.Purchase{Record: record, Provider: d.provider, Epoch: epoch, Bought: a.out.Now()}); err != nil {
			return err
		}
		bought++
	}
	a.note(func(s *Status) { s.Epoch, s.Drawn, s.Bought = epoch, len(drawn), bought })
	return errors.Join(failed...)
}

// draw is one provider that an epoch drew.
type draw struct {
	provider string
	models   []receipt.Digest
	at       time.Time
}

// drawn are the providers that this epoch drew for the auditor.
func (a *Auditor) drawn(ctx context.Context, self auditv1.Auditor) ([]draw, uint64, error) {
	epoch, err := a.out.Ledger.Epoch(ctx)
	if err != nil || epoch.Number == 0 {
		return nil, 0, err
	}
	params, err := a.out.Ledger.Params(ctx)
	if err != nil {
		return nil, 0, err
	}
	offers, err := a.out.Ledger.Offers(ctx)
	if err != nil {
		return nil, 0, err
	}
	lot, err := prove(a.out.VRF, epoch.Randomness)
	if err != nil {
		return nil, 0, err
	}
	sold := map[string][]receipt.Digest{}
	var order []string
	for _, o := range offers {
		digest, err := receipt.ParseDigest(o.ModelDigest)
		if err != nil || o.Provider == self.Address || slices.Contains(self.Ties, o.Provider) {
			continue
		}
		if sold[o.Provider] == nil {
			order = append(order, o.Provider)
		}
		sold[o.Provider] = append(sold[o.Provider], digest)
	}
	var list []draw
	for _, provider := range order {
		rate, err := a.out.Ledger.Rate(ctx, provider)
		if err != nil {
			return nil, 0, err
		}
		if lot.assigned(provider, rate, uint64(params.AuditsPerEpoch), epoch.Auditors) {
			at := time.Unix(epoch.BeginsAt, 0).Add(lot.moment(provider, time.Duration(params.EpochSeconds)*time.Second))
			list = append(list, draw{provider, sold[provider], at})
		}
	}
	return list, epoch.Number, nil
}
