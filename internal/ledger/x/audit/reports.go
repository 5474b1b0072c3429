package audit

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// gasPerProof is what a VRF proof costs, some signatures' worth.
const gasPerProof = 3_000

// turn begins a new epoch of mystery audits once the last one is over, with the
// randomness of now, which nobody knew.
func (k *Keeper) turn(ctx context.Context) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	epoch, err := k.epoch.Get(ctx)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	now := blockTime(ctx)
	if err == nil && now < epoch.BeginsAt+params.EpochSeconds {
		return nil
	}
	height, r, err := k.beacon.Latest(ctx)
	if err != nil {
		return err
	}
	auditors, err := k.candidates(ctx, params)
	if err != nil {
		return err
	}
	fund, err := k.Fund(ctx)
	if err != nil {
		return err
	}
	next := auditv1.Epoch{
		Number: epoch.Number + 1, Height: height, Randomness: r[:], Auditors: uint64(len(auditors)),
		Budget: court.Part(fund, params.EpochBudgetBps), BeginsAt: now,
		Previous: epoch.Randomness, PreviousAuditors: epoch.Auditors, PreviousBeganAt: epoch.BeginsAt,
	}
	return k.epoch.Set(ctx, next)
}

// prune forgets reports of epochs that nobody can report for any more, some in
// each block.
func (k *Keeper) prune(ctx context.Context) error {
	epoch, err := k.epoch.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) || err == nil && epoch.Number < 2 {
		return nil
	}
	if err != nil {
		return err
	}
	const some = 500
	var old []collections.Pair[uint64, string]
	until := new(collections.Range[collections.Pair[uint64, string]]).EndExclusive(collections.Join(epoch.Number-1, ""))
	err = k.reports.Walk(ctx, until, func(key collections.Pair[uint64, string], _ auditv1.Report) (bool, error) {
		old = append(old, key)
		return len(old) == some, nil
	})
	for _, key := range old {
		r, e := k.reports.Get(ctx, key)
		err = errors.Join(err, e, k.reports.Remove(ctx, key), k.reported.Remove(ctx, collections.Join(r.Epoch, r.ReceiptHash)))
	}
	return err
}

// rateBefore keeps the rate that a provider had when the epoch began, before its
// record changes: by it auditors know whom they were drawn for.
func (k *Keeper) rateBefore(ctx context.Context, record *auditv1.Record) error {
	epoch, err := k.epoch.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return nil // before the first block's end
	}
	if err != nil || record.Epoch == epoch.Number {
		return err
	}
	params, err := k.params.Get(ctx)
	record.Epoch, record.EpochRate = epoch.Number, rateOf(*record, params)
	return err
}

// Rate is a provider's audit rate, in millionths.
func (k *Keeper) Rate(ctx context.Context, provider string) (uint64, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return 0, err
	}
	record, err := k.record(ctx, provider)
	return rateOf(record, params), err
}

// rateOf is a record's audit rate now, in millionths.
func rateOf(r auditv1.Record, p auditv1.Params) uint64 {
	return court.Rate(r.Clean, p.HalfClean, p.LeastRate, r.Withheld)
}

// MysteryInput is what an auditor's VRF proves about an epoch.
func MysteryInput(randomness receipt.Digest) []byte {
	return append([]byte("koinon/mystery/v1\x00"), randomness[:]...)
}

// Report implements auditv1.MsgServer.
func (m messages) Report(ctx context.Context, msg *auditv1.MsgReport) (*auditv1.MsgReportResponse, error) {
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	a, err := m.auditor(ctx, msg.Auditor)
	if err != nil {
		return nil, err
	}
	if err := mayAct(a, params); err != nil {
		return nil, err
	}
	epoch, err := m.epoch.Get(ctx)
	if err != nil {
		return nil, err
	}
	r, err := m.signed(ctx, msg.Receipt)
	if err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	record, err := m.record(ctx, r.Provider)
	if err != nil {
		return nil, err
	}
	if err := m.drawn(ctx, msg, a, epoch, r, rateIn(record, params, msg.Epoch)); err != nil {
		return nil, err
	}
	hash := r.Hash()
	key := collections.Join(msg.Epoch, msg.Auditor+"/"+r.Provider)
	for _, e := range []uint64{epoch.Number, epoch.Number - 1} {
		if known, err := m.reported.Has(ctx, collections.Join(e, hash[:])); err != nil || known {
			return nil, errors.Join(err, when(known, ErrReported))
		}
	}
	if known, err := m.reports.Has(ctx, key); err != nil || known {
		return nil, errors.Join(err, when(known, ErrReported))
	}
	pay := court.Reimbursement(courtParams(params), r.Cost)
	if pay > epoch.Budget {
		return nil, fmt.Errorf("%w: %d ucredit are left, this costs %d", ErrBudget, epoch.Budget, pay)
	}
	epoch.Budget -= pay
	if msg.Agrees && r.Class == receipt.Exact { // of the other class a committee judges
		if err := m.rateBefore(ctx, &record); err != nil {
			return nil, err
		}
		record.Clean++
	}
	a.Completed++
	report := auditv1.Report{Auditor: msg.Auditor, Epoch: msg.Epoch, Provider: r.Provider, ReceiptHash: hash[:], Agrees: msg.Agrees, At: blockTime(ctx)}
	err = errors.Join(m.epoch.Set(ctx, epoch), m.records.Set(ctx, r.Provider, record), m.auditors.Set(ctx, a.Address, a),
		m.reports.Set(ctx, key, report), m.reported.Set(ctx, collections.Join(msg.Epoch, hash[:])), m.pay(ctx, msg.Auditor, creditDenom, pay))
	if err != nil {
		return nil, err
	}
	return &auditv1.MsgReportResponse{Paid: pay}, emit(ctx,
		&auditv1.EventReported{Auditor: msg.Auditor, Provider: r.Provider, Epoch: msg.Epoch, Receipt: hash.Hex(), Agrees: msg.Agrees, Paid: pay})
}

// rateIn is a provider's rate at the beginning of an epoch: this one or the one
// before, in which it was what it is, or what it was before it first changed.
func rateIn(r auditv1.Record, p auditv1.Params, epoch uint64) uint64 {
	if r.Epoch >= epoch && r.Epoch > 0 {
		return max(r.EpochRate, rateOf(r, p))
	}
	return rateOf(r, p)
}

// drawn refuses an audit that the epoch did not draw. Nobody but the auditor
// knows whom it was drawn for until it reports: the draw is by its VRF.
func (k *Keeper) drawn(ctx context.Context, msg *auditv1.MsgReport, a auditv1.Auditor, epoch auditv1.Epoch, r receipt.Receipt, rate uint64) error {
	randomness, auditors, began := epoch.Randomness, epoch.Auditors, epoch.BeginsAt
	switch {
	case msg.Epoch == epoch.Number:
	case msg.Epoch+1 == epoch.Number && len(epoch.Previous) > 0:
		randomness, auditors, began = epoch.Previous, epoch.PreviousAuditors, epoch.PreviousBeganAt
	default:
		return fmt.Errorf("%w: %d, it is %d", ErrEpoch, msg.Epoch, epoch.Number)
	}
	if r.Finished < began*1000 || r.Finished > (blockTime(ctx)+maxSkew)*1000 {
		return fmt.Errorf("%w: the answer is of %d, the epoch began at %d", ErrEpoch, r.Finished/1000, began)
	}
	for _, tie := range append([]string{a.Address}, a.Ties...) {
		if tie == r.Provider {
			return fmt.Errorf("%w: the provider is a tie of the auditor's", ErrNotDrawn)
		}
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerProof, "VRF proof")
	if len(msg.VrfProof) != ecvrf.ProofSize {
		return fmt.Errorf("%w: vrf_proof has %d bytes, must have %d", ErrField, len(msg.VrfProof), ecvrf.ProofSize)
	}
	ok, output := ecvrf.Verify(voi.PublicKey(a.VrfKey), msg.VrfProof, MysteryInput(receipt.Digest(randomness)))
	if !ok {
		return fmt.Errorf("%w: vrf_proof is not the auditor's for this epoch", ErrNotDrawn)
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	if !court.Assigned(output, r.Provider, rate, uint64(params.AuditsPerEpoch), auditors) {
		return fmt.Errorf("%w: %s in epoch %d", ErrNotDrawn, r.Provider, msg.Epoch)
	}
	return nil
}

// maxSkew is how far a provider's clock may be ahead of the ledger's, in seconds.
const maxSkew = 600
