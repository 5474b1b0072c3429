package audit

import (
	"fmt"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// The stored forms and the mechanisms' are the same facts in other types; their
// enumerations have the same numbers.

func stagesOf(list []auditv1.Stage) []court.Stage {
	stages := make([]court.Stage, len(list))
	for i, s := range list {
		stages[i] = court.Stage{Size: int(s.Size_), QuorumBps: s.QuorumBps}
	}
	return stages
}

func storedStages(list []court.Stage) []auditv1.Stage {
	stages := make([]auditv1.Stage, len(list))
	for i, s := range list {
		stages[i] = auditv1.Stage{Size_: uint32(s.Size), QuorumBps: s.QuorumBps}
	}
	return stages
}

func courtParams(p auditv1.Params) court.Params {
	return court.Params{
		DisputeBond: p.DisputeBond, BaseFee: p.BaseFee, MaxFee: p.MaxFee, FeeBps: p.FeeBps, AccusedBps: p.AccusedBps,
		DrawFor: p.DrawSeconds, SealFor: p.SealSeconds, CommitFor: p.CommitSeconds, OpenFor: p.OpenSeconds,
		RevealFor: p.RevealSeconds, MoveFor: p.MoveSeconds, UnmaskFor: p.UnmaskSeconds,
		DisputeFor: p.DisputeSeconds, KeepFor: p.KeepSeconds,
		Exact: stagesOf(p.Exact), Statistical: stagesOf(p.Statistical), Positions: int(p.Positions),
		LeastToSlash: court.Default().LeastToSlash,
	}
}

func penaltyParams(p auditv1.Params) (penalty.Params, error) {
	out := penalty.Params{VictimBps: p.VictimBps, FinderBps: p.FinderBps}
	if len(p.Penalties) != len(out.Rules) {
		return out, fmt.Errorf("%w: %d penalties; one for each of %d offences", penalty.ErrParams, len(p.Penalties), len(out.Rules))
	}
	for i, r := range p.Penalties {
		out.Rules[i] = penalty.Rule{FirstBps: r.FirstBps, RepeatBps: r.RepeatBps, Floor: r.Floor, Jail: r.JailSeconds, Tombstone: r.Tombstone}
	}
	return out, nil
}

// Bounds of parameters.
const (
	maxSeconds     = 366 * 24 * 3600
	maxSealedBytes = 256 << 10
	maxPlanters    = 64
	maxPerEpoch    = 1_000
)

func validateParams(p auditv1.Params) error {
	if err := courtParams(p).Validate(); err != nil {
		return err
	}
	rules, err := penaltyParams(p)
	if err != nil {
		return err
	}
	if err := rules.Validate(); err != nil {
		return err
	}
	switch {
	case p.UnbondingSeconds < 0 || p.UnbondingSeconds > maxSeconds:
		return fmt.Errorf("%w: unbonding_seconds is %d", ErrField, p.UnbondingSeconds)
	case p.MaxSealedBytes == 0 || p.MaxSealedBytes > maxSealedBytes:
		return fmt.Errorf("%w: max_sealed_bytes is %d, must be 1 to %d", ErrField, p.MaxSealedBytes, maxSealedBytes)
	case len(p.Planters) > maxPlanters:
		return fmt.Errorf("%w: %d planters; at most %d", ErrField, len(p.Planters), maxPlanters)
	case p.EpochSeconds < 1 || p.EpochSeconds > maxSeconds:
		return fmt.Errorf("%w: epoch_seconds is %d", ErrField, p.EpochSeconds)
	case p.AuditsPerEpoch > maxPerEpoch || p.EpochBudgetBps > penalty.Whole || p.LeastRate > court.Million:
		return fmt.Errorf("%w: audits_per_epoch must be at most %d, epoch_budget_bps %d, least_rate %d", ErrField, maxPerEpoch, penalty.Whole, court.Million)
	}
	return nil
}

func evidenceOf(e auditv1.Evidence) eprocess.Evidence {
	out := eprocess.Evidence{Scores: e.Scores}
	for i, n := range e.Staked[:min(len(e.Staked), eprocess.Bets)] {
		out.Staked[i] = eprocess.Number{Mantissa: n.Mantissa, Exponent: n.Exponent}
	}
	return out
}

func storedEvidence(e eprocess.Evidence) auditv1.Evidence {
	out := auditv1.Evidence{Scores: e.Scores}
	for _, n := range e.Staked {
		out.Staked = append(out.Staked, auditv1.Number{Mantissa: n.Mantissa, Exponent: n.Exponent})
	}
	return out
}

func profileOf(p auditv1.Profile) court.Profile {
	return court.Profile{Profile: eprocess.Profile{Mean: p.Mean, Bet: p.Bet}, Tolerance: p.Tolerance, Slashable: p.Slashable}
}

// digestOf reads 32 bytes, or none as zero.
func digestOf(name string, data []byte) (receipt.Digest, error) {
	switch len(data) {
	case 0:
		return receipt.Digest{}, nil
	case len(receipt.Digest{}):
		return receipt.Digest(data), nil
	}
	return receipt.Digest{}, fmt.Errorf("%w: %s has %d bytes, must have %d", ErrField, name, len(data), len(receipt.Digest{}))
}

func digestsOf(name string, list [][]byte) ([]receipt.Digest, error) {
	var digests []receipt.Digest
	for _, data := range list {
		d, err := digestOf(name, data)
		if err != nil {
			return nil, err
		}
		digests = append(digests, d)
	}
	return digests, nil
}

// stored is a digest as bytes; none for zero.
func stored(d receipt.Digest) []byte {
	if d.IsZero() {
		return nil
	}
	return d[:]
}

func storedDigests(list []receipt.Digest) [][]byte {
	var data [][]byte
	for _, d := range list {
		data = append(data, d[:])
	}
	return data
}

func voteOf(v auditv1.Vote) (court.Vote, error) {
	root, err := digestOf("vote.root", v.Root)
	if err != nil {
		return court.Vote{}, err
	}
	leaves, err := digestsOf("vote.leaves", v.Leaves)
	return court.Vote{Reason: court.Reason(v.Reason), Root: root, Leaves: leaves, Scores: v.Scores}, err
}

func storedVote(v *court.Vote) *auditv1.Vote {
	if v == nil {
		return nil
	}
	return &auditv1.Vote{Reason: auditv1.Reason(v.Reason), Root: stored(v.Root), Leaves: storedDigests(v.Leaves), Scores: v.Scores}
}

// filingOf is what a case about a receipt is about.
func filingOf(r receipt.Receipt, accuser string, claimed receipt.Digest) court.Filing {
	return court.Filing{
		Receipt: r.Hash(), Root: r.Commitment, Steps: r.CompletionTokens, First: uint64(r.Sampling.Resumed), Cost: r.Cost,
		Ended:    referee.Disputable(r) || r.Class == receipt.Statistical && r.CompletionTokens > 0 && r.FinishReason == referee.FinishStop,
		Provider: r.Provider, Accuser: accuser, Payer: r.Payer, Exact: r.Class == receipt.Exact, Claimed: claimed,
		Answered: r.Finished / 1000, Public: r.Class == receipt.Statistical && r.Grant == r.Request,
	}
}

// caseOf reads a stored case.
func caseOf(s auditv1.Case) (court.Case, error) {
	r, err := receipt.Decode(s.Receipt)
	if err != nil {
		return court.Case{}, err
	}
	claimed, err := digestOf("claimed_root", s.ClaimedRoot)
	if err != nil {
		return court.Case{}, err
	}
	c := court.Case{
		ID: s.Id, State: court.State(s.State), Outcome: court.Outcome(s.Outcome), Filing: filingOf(r, s.Accuser, claimed),
		Bond: s.Bond, Fees: s.Fees, Fee: s.Fee, Stage: int(s.Stage), Deadline: s.Deadline, Height: s.Height, OpenedAt: s.OpenedAt,
		Positions: s.Positions, Challengers: s.Challengers, AccusedTurn: s.AccusedTurn, Medians: s.Medians, Large: s.Large, Sat: s.Sat,
	}
	if c.Openings, err = digestsOf("openings", s.Openings); err != nil {
		return c, err
	}
	for _, seat := range s.Seats {
		commitment, err := digestOf("commitment", seat.Commitment)
		if err != nil {
			return c, err
		}
		out := court.Seat{Auditor: seat.Auditor, Commitment: commitment, Standing: court.Standing(seat.Standing)}
		if seat.Vote != nil {
			v, err := voteOf(*seat.Vote)
			if err != nil {
				return c, err
			}
			out.Vote = &v
		}
		c.Seats = append(c.Seats, out)
	}
	return c, nil
}

// update writes a case into its stored form, which has more: the receipt, the
// game, and what was sealed.
func update(s *auditv1.Case, c court.Case) {
	s.State, s.Outcome = auditv1.CaseState(c.State), auditv1.Outcome(c.Outcome)
	s.Bond, s.Fees, s.Fee, s.Stage = c.Bond, c.Fees, c.Fee, uint32(c.Stage)
	s.Deadline, s.Height, s.OpenedAt = c.Deadline, c.Height, c.OpenedAt
	s.Positions, s.Openings, s.Challengers, s.AccusedTurn = c.Positions, storedDigests(c.Openings), c.Challengers, c.AccusedTurn
	s.Medians, s.Large, s.Sat = c.Medians, c.Large, c.Sat
	s.Seats = nil
	for _, seat := range c.Seats {
		s.Seats = append(s.Seats, auditv1.Seat{Auditor: seat.Auditor, Commitment: stored(seat.Commitment),
			Vote: storedVote(seat.Vote), Standing: auditv1.Standing(seat.Standing)})
	}
}
