package pin

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/receipt"
)

// Bounds of a pin: those who hold it end in one block when it is closed.
const (
	maxCopies  = 32
	maxWaiting = 366 * 24 * 3600 // seconds to accept in
)

// gasPerEpoch is for what an epoch makes blocks' ends do.
const gasPerEpoch = 1_000

// messages serves transactions.
type messages struct{ *Keeper }

// Open implements pinv1.MsgServer.
func (m messages) Open(ctx context.Context, msg *pinv1.MsgOpen) (*pinv1.MsgOpenResponse, error) {
	from, err := account.Parse(m.addresses, msg.Owner)
	if err != nil {
		return nil, err
	}
	if err := m.checkTerms(ctx, &msg.Terms); err != nil {
		return nil, err
	}
	deposit := termsOf(msg.Terms).Deposit() * uint64(msg.Terms.Copies) // below 2⁵³ · 32
	if deposit == 0 {
		return nil, fmt.Errorf("%w: price: all epochs together cost less than a millionth of a dollar", ErrField)
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(creditDenom, deposit)); err != nil {
		return nil, err
	}
	id, err := m.nextPin.Next(ctx)
	if err != nil {
		return nil, err
	}
	p := pinv1.Pin{Id: id, Owner: msg.Owner, Terms: msg.Terms, Untaken: msg.Terms.Copies}
	return &pinv1.MsgOpenResponse{Pin: id, Deposit: deposit}, errors.Join(m.addPin(ctx, p), emit(ctx, &pinv1.EventOpened{
		Pin: id, Owner: p.Owner, ModelDigest: p.Terms.ModelDigest, Deposit: deposit, Copies: p.Terms.Copies}))
}

// checkTerms refuses what cannot be pinned, and fills in the ledger's part.
func (m messages) checkTerms(ctx context.Context, t *pinv1.Terms) error {
	params, err := m.params.Get(ctx)
	if err != nil {
		return err
	}
	if t.WindowSeconds != 0 || t.Pieces != 0 {
		return fmt.Errorf("%w: window_seconds and pieces are the ledger's to fill in", ErrField)
	}
	t.WindowSeconds, t.Pieces = params.WindowSeconds, params.Pieces
	if _, err := m.models.Version(ctx, t.ModelDigest); err != nil {
		return fmt.Errorf("model_digest: %w", err)
	}
	now := blockTime(ctx)
	switch {
	case len(t.Root) != len(receipt.Digest{}):
		return fmt.Errorf("%w: root has %d bytes, not %d", ErrField, len(t.Root), len(receipt.Digest{}))
	case t.Copies < 1 || t.Copies > maxCopies:
		return fmt.Errorf("%w: copies are %d, allowed are 1 to %d", ErrField, t.Copies, maxCopies)
	case t.Until <= now || t.Until > now+maxWaiting:
		return fmt.Errorf("%w: until is %d, it must be later than now, %d, by at most %d seconds", ErrField, t.Until, now, maxWaiting)
	case t.EpochSeconds < params.LeastEpochSeconds:
		return fmt.Errorf("%w: epoch_seconds is %d, at least %d is allowed", ErrField, t.EpochSeconds, params.LeastEpochSeconds)
	case t.Epochs > params.MostEpochs:
		return fmt.Errorf("%w: epochs are %d, at most %d are allowed", ErrField, t.Epochs, params.MostEpochs)
	}
	return termsOf(*t).Validate()
}

// Accept implements pinv1.MsgServer.
func (m messages) Accept(ctx context.Context, msg *pinv1.MsgAccept) (*pinv1.MsgAcceptResponse, error) {
	from, err := account.Parse(m.addresses, msg.Holder)
	if err != nil {
		return nil, err
	}
	p, err := m.pin(ctx, msg.Pin)
	if err != nil {
		return nil, err
	}
	now := blockTime(ctx)
	if p.Untaken == 0 || now > p.Terms.Until {
		return nil, fmt.Errorf("%w: pin %d", ErrTaken, p.Id)
	}
	if held, err := m.holds.Has(ctx, collections.Join(p.Id, msg.Holder)); held || err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %d", ErrHeld, p.Id), err)
	}
	d, err := possession.Accept(termsOf(p.Terms), now)
	if err != nil {
		return nil, err
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerEpoch*p.Terms.Epochs, "challenges to come")
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(bondDenom, p.Terms.Bond)); err != nil {
		return nil, err
	}
	p.Untaken--
	p.Holders++
	if p.Untaken == 0 {
		err = m.due.Remove(ctx, lapse(p))
	}
	return &pinv1.MsgAcceptResponse{}, errors.Join(err, m.storePin(ctx, p),
		m.addHold(ctx, storedHold(pinv1.Hold{Pin: p.Id, Holder: msg.Holder}, d)),
		emit(ctx, &pinv1.EventAccepted{Pin: p.Id, Holder: msg.Holder, Bond: p.Terms.Bond}))
}

// Prove implements pinv1.MsgServer.
func (m messages) Prove(ctx context.Context, msg *pinv1.MsgProve) (*pinv1.MsgProveResponse, error) {
	p, h, err := m.load(ctx, msg.Pin, msg.Holder)
	if err != nil {
		return nil, err
	}
	answer := possession.Answer{Pieces: msg.Pieces}
	for i, d := range msg.Proof {
		if len(d) != len(receipt.Digest{}) {
			return nil, fmt.Errorf("%w: proof[%d] has %d bytes, not %d", ErrField, i, len(d), len(receipt.Digest{}))
		}
		answer.Proof = append(answer.Proof, receipt.Digest(d))
	}
	d, paid, err := dutyOf(p.Terms, h).Answer(fileOf(p.Terms), msg.Epoch, answer)
	if err != nil {
		return nil, err
	}
	err = errors.Join(m.step(ctx, p, h, d, paid),
		emit(ctx, &pinv1.EventPaid{Pin: p.Id, Holder: h.Holder, Epoch: h.Epoch, Fee: paid.Fee}))
	if d.Pin.Over() {
		err = errors.Join(err, emit(ctx, &pinv1.EventEnded{Pin: p.Id, Holder: h.Holder, Refund: paid.Refund, Released: paid.Released}))
	}
	return &pinv1.MsgProveResponse{Fee: paid.Fee}, err
}

// Leave implements pinv1.MsgServer.
func (m messages) Leave(ctx context.Context, msg *pinv1.MsgLeave) (*pinv1.MsgLeaveResponse, error) {
	p, h, err := m.load(ctx, msg.Pin, msg.Holder)
	if err != nil {
		return nil, err
	}
	lost, err := m.cancel(ctx, p, h, true)
	return &pinv1.MsgLeaveResponse{Lost: lost.Slashed}, err
}

// cancel ends a holder's duty early.
func (k *Keeper) cancel(ctx context.Context, p pinv1.Pin, h pinv1.Hold, byHolder bool) (possession.Payment, error) {
	d := dutyOf(p.Terms, h)
	var paid possession.Payment
	var err error
	if d.Pin, paid, err = d.Pin.Cancel(byHolder); err != nil {
		return paid, err
	}
	return paid, errors.Join(k.step(ctx, p, h, d, paid), emit(ctx, &pinv1.EventEnded{
		Pin: p.Id, Holder: h.Holder, Refund: paid.Refund, Lost: paid.Slashed, Released: paid.Released}))
}

// Close implements pinv1.MsgServer.
func (m messages) Close(ctx context.Context, msg *pinv1.MsgClose) (*pinv1.MsgCloseResponse, error) {
	p, err := m.pin(ctx, msg.Pin)
	if err != nil {
		return nil, err
	}
	if msg.Owner != p.Owner {
		return nil, fmt.Errorf("%w: %s opened pin %d", ErrOwner, p.Owner, p.Id)
	}
	refund, err := m.lapse(ctx, p)
	if err != nil {
		return nil, err
	}
	held, err := m.holders(ctx, p.Id)
	if err != nil {
		return nil, err
	}
	p.Untaken = 0
	for _, h := range held {
		paid, err := m.cancel(ctx, p, h, false)
		if err != nil {
			return nil, err
		}
		p.Holders--
		refund += paid.Refund
	}
	return &pinv1.MsgCloseResponse{Refund: refund}, nil
}

// UpdateParams implements pinv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *pinv1.MsgUpdateParams) (*pinv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s, not %s", ErrAuthority, m.authority, msg.Authority)
	}
	if err := validateParams(msg.Params); err != nil {
		return nil, err
	}
	return &pinv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
