package assembly

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/ballot"
	"github.com/koinon/koinon/internal/mechanism/conduct"
	"github.com/koinon/koinon/receipt"
)

// Bounds of what is decided.
const (
	maxDatasets = 256
	whole       = 10_000 // basis points
	latest      = "latest"
)

// check refuses an action that could not be done now, so that nobody votes for
// what is not to be had.
func (k *Keeper) check(ctx context.Context, model string, action assemblyv1.Action) error {
	switch a := action.What.(type) {
	case *assemblyv1.Action_Latest:
		return k.of(ctx, model, a.Latest.Digest)
	case *assemblyv1.Action_Ceiling:
		return nil
	case *assemblyv1.Action_Revenue:
		return k.checkRevenue(ctx, model, a.Revenue)
	case *assemblyv1.Action_Conduct:
		return k.checkConduct(ctx, model, a.Conduct)
	case *assemblyv1.Action_Dataset:
		return checkDigest("dataset.digest", a.Dataset.Digest)
	case *assemblyv1.Action_Retraining:
		return errors.Join(k.of(ctx, model, a.Retraining.Base), checkDigest("retraining.recipe", a.Retraining.Recipe))
	case *assemblyv1.Action_Spending:
		_, err := k.spending(a.Spending)
		return err
	case *assemblyv1.Action_Milestone:
		return nil // whether it can be released shows when it is
	case *assemblyv1.Action_Charter:
		return validateCharter(*a.Charter)
	}
	return fmt.Errorf("%w: action: say what to decide", ErrField)
}

// do does what was decided.
func (k *Keeper) do(ctx context.Context, model string, action assemblyv1.Action) error {
	if err := k.check(ctx, model, action); err != nil {
		return err
	}
	switch a := action.What.(type) {
	case *assemblyv1.Action_Latest:
		return k.models.Point(ctx, model, latest, a.Latest.Digest)
	case *assemblyv1.Action_Conduct:
		return errors.Join(k.models.Point(ctx, model, latest, a.Conduct.Digest), k.set(ctx, model, action))
	case *assemblyv1.Action_Revenue:
		return k.models.SetPolicy(ctx, a.Revenue.Digest, a.Revenue.Policy)
	case *assemblyv1.Action_Spending:
		return k.spend(ctx, model, a.Spending)
	case *assemblyv1.Action_Milestone:
		return k.offerings.ReleaseByVote(ctx, model, a.Milestone.Offering, a.Milestone.Milestone)
	}
	return k.set(ctx, model, action)
}

// set keeps what was decided and lasts.
func (k *Keeper) set(ctx context.Context, model string, action assemblyv1.Action) error {
	s, err := k.Settings(ctx, model)
	if err != nil {
		return err
	}
	switch a := action.What.(type) {
	case *assemblyv1.Action_Ceiling:
		s.Ceiling = *a.Ceiling
	case *assemblyv1.Action_Conduct:
		s.Conduct = *a.Conduct
	case *assemblyv1.Action_Retraining:
		s.Retraining = *a.Retraining
	case *assemblyv1.Action_Charter:
		s.Charter = a.Charter
	case *assemblyv1.Action_Dataset:
		same := func(d assemblyv1.Dataset) bool { return d.Digest == a.Dataset.Digest }
		s.Datasets = append(slices.DeleteFunc(s.Datasets, same), *a.Dataset)
		if len(s.Datasets) > maxDatasets {
			return fmt.Errorf("%w: a model has decided on at most %d datasets", ErrField, maxDatasets)
		}
	}
	return k.settings.Set(ctx, model, s)
}

// of refuses a version that is not the model's.
func (k *Keeper) of(ctx context.Context, model, digest string) error {
	v, err := k.models.Version(ctx, digest)
	if err != nil {
		return err
	}
	if v.Name != model {
		return fmt.Errorf("%w: %s is of %s", ErrModel, digest, v.Name)
	}
	return nil
}

// checkRevenue holds a new split within bounds: providers keep a least part, and
// nobody outside of the model, the treasury, curators and apps, has less.
func (k *Keeper) checkRevenue(ctx context.Context, model string, r *assemblyv1.Revenue) error {
	if err := k.of(ctx, model, r.Digest); err != nil {
		return err
	}
	v, err := k.models.Version(ctx, r.Digest)
	if err != nil {
		return err
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		field      string
		has, least uint32
	}{
		{"provider_bps", r.Policy.ProviderBps, params.MinProviderBps},
		{"treasury_bps", r.Policy.TreasuryBps, v.Policy.TreasuryBps},
		{"curators_bps", r.Policy.CuratorsBps, v.Policy.CuratorsBps},
		{"app_bps", r.Policy.AppBps, v.Policy.AppBps},
	} {
		if c.has < c.least {
			return fmt.Errorf("%w: %s is %d, at least %d", ErrBounds, c.field, c.has, c.least)
		}
	}
	if sumOf(r.Policy) != sumOf(v.Policy) {
		return fmt.Errorf("%w: the parts add up to %d basis points, not %d", ErrBounds, sumOf(r.Policy), sumOf(v.Policy))
	}
	return nil
}

// sumOf is what all parts of a policy add up to; what a version owes for its
// parents is not among them, and stays.
func sumOf(p modelv1.Policy) uint64 {
	sum := uint64(p.ProviderBps) + uint64(p.TreasuryBps) + uint64(p.CuratorsBps) + uint64(p.AppBps)
	for _, list := range [][]modelv1.Share{p.Owners, p.Data} {
		for _, s := range list {
			sum += uint64(s.Bps)
		}
	}
	return sum
}

// checkConduct refuses a conduct that the named version does not have: what is
// decided is in the manifest of what is served.
func (k *Keeper) checkConduct(ctx context.Context, model string, c *assemblyv1.Conduct) error {
	wanted := conduct.Conduct{SystemPrompt: c.SystemPrompt, Filters: c.Filters}
	if err := wanted.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrField, err)
	}
	if err := k.of(ctx, model, c.Digest); err != nil {
		return err
	}
	v, err := k.models.Version(ctx, c.Digest)
	if err != nil {
		return err
	}
	name := ""
	if !wanted.IsZero() {
		name = wanted.Digest().String()
	}
	if v.Conduct != name {
		return fmt.Errorf("%w: %s@%s has %q in its manifest, this one is %q: register a version that has it", ErrConduct, v.Name, v.Version, v.Conduct, name)
	}
	return nil
}

func checkDigest(field, digest string) error {
	if _, err := receipt.ParseDigest(digest); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrField, field, err)
	}
	return nil
}

// spending reads what is to be paid.
func (k *Keeper) spending(s *assemblyv1.Spending) (sdk.Coins, error) {
	to, err := account.Parse(k.addresses, s.To)
	if err != nil {
		return nil, fmt.Errorf("spending.to: %w", err)
	}
	if k.bank.BlockedAddr(to) {
		return nil, fmt.Errorf("%w: spending.to: %s is a module's account, which cannot be paid", ErrField, s.To)
	}
	if err := sdk.ValidateDenom(s.Denom); err != nil || s.Amount == 0 {
		return nil, fmt.Errorf("%w: spending needs a denomination and an amount, not %d %q", ErrField, s.Amount, s.Denom)
	}
	return sdk.NewCoins(sdk.NewCoin(s.Denom, sdkmath.NewIntFromUint64(s.Amount))), nil
}

func (k *Keeper) spend(ctx context.Context, model string, s *assemblyv1.Spending) error {
	amount, err := k.spending(s)
	if err != nil {
		return err
	}
	to, err := k.addresses.StringToBytes(s.To)
	if err != nil {
		return err
	}
	return k.bank.SendCoins(ctx, Treasury(model), to, amount)
}

func validateCharter(c assemblyv1.Charter) error {
	if c.ProposerBps > whole {
		return fmt.Errorf("%w: proposer_bps is %d, at most %d", ErrField, c.ProposerBps, whole)
	}
	return errors.Join(
		ballot.Rules{QuorumBps: c.QuorumBps, ThresholdBps: c.ThresholdBps}.Validate(),
		ballot.Times{Voting: c.VotingSeconds, Wait: c.WaitSeconds}.Validate())
}

func validateParams(p assemblyv1.Params) error {
	if p.MinProviderBps > whole {
		return fmt.Errorf("%w: min_provider_bps is %d, at most %d", ErrField, p.MinProviderBps, whole)
	}
	return validateCharter(p.Charter)
}

// least is so many basis points of all, rounded up.
func least(all uint64, bps uint32) uint64 {
	high, low := bits.Mul64(all, uint64(bps))
	n, rest := bits.Div64(high, low, whole)
	if rest > 0 {
		n++
	}
	return n
}
