package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// maxReceipt bounds an encoded receipt.
const maxReceipt = 8 << 10

// What a message pays for the work that it makes every validator do, at the price
// that the SDK puts on its own.
const (
	gasPerSignature = 590
	gasPerHash      = 10
)

func decode(encoded []byte) (receipt.Receipt, error) {
	if len(encoded) > maxReceipt {
		return receipt.Receipt{}, fmt.Errorf("%w: it has %d bytes, at most %d", ErrReceipt, len(encoded), maxReceipt)
	}
	return receipt.Decode(encoded)
}

// signed reads a receipt that a provider of this ledger has signed with the key
// that the ledger knows.
func (k *Keeper) signed(ctx context.Context, encoded []byte) (receipt.Receipt, error) {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(gasPerSignature, "receipt signature")
	r, err := decode(encoded)
	if err != nil {
		return r, err
	}
	if r.ChainID != sdkCtx.ChainID() {
		return r, fmt.Errorf("%w: it is of chain %q, this is %s", ErrReceipt, r.ChainID, sdkCtx.ChainID())
	}
	p, err := k.providers.Provider(ctx, r.Provider)
	if err != nil {
		return r, err
	}
	if !bytes.Equal(p.PublicKey, r.ProviderKey) {
		return r, fmt.Errorf("%w: its key is not the one that %s registered", ErrReceipt, r.Provider)
	}
	if err := r.VerifySignature(); err != nil {
		return r, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	return r, nil
}

// OpenDispute implements auditv1.MsgServer.
func (m messages) OpenDispute(ctx context.Context, msg *auditv1.MsgOpenDispute) (*auditv1.MsgOpenDisputeResponse, error) {
	from, err := account.Parse(m.addresses, msg.Accuser)
	if err != nil {
		return nil, err
	}
	r, err := m.signed(ctx, msg.Receipt)
	if err != nil {
		return nil, err
	}
	claimed, err := digestOf("claimed_root", msg.ClaimedRoot)
	if err != nil {
		return nil, err
	}
	if err := m.undisputed(ctx, r.Hash()); err != nil {
		return nil, err
	}
	if err := m.playable(ctx, r); err != nil {
		return nil, err
	}
	if msg.Escalates {
		if err := m.bought(ctx, msg.Accuser, r); err != nil {
			return nil, err
		}
	}
	f := filingOf(r, msg.Accuser, claimed)
	f.Escalated = msg.Escalates
	disputed, err := m.challenges.Disputed(ctx, r)
	if err != nil {
		return nil, err
	}
	if f.Answered = max(1, f.Answered); disputed {
		f.Answered = 0 // a statement has no times
	}
	b, _, err := m.bench(ctx, msg.Receipt, r.Provider)
	if err != nil {
		return nil, err
	}
	c, err := m.open(ctx, b, f, r)
	if err != nil {
		return nil, err
	}
	if c.Bond > 0 {
		if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(creditDenom, c.Bond)); err != nil {
			return nil, err
		}
	}
	return &auditv1.MsgOpenDisputeResponse{CaseId: c.ID}, nil
}

// open begins a case about a receipt that is the provider's.
func (k *Keeper) open(ctx context.Context, b court.Bench, f court.Filing, r receipt.Receipt) (court.Case, error) {
	id, err := k.nextCase.Peek(ctx)
	if err != nil {
		return court.Case{}, err
	}
	c, err := court.Open(b, id, f)
	if err != nil {
		return c, err
	}
	s := auditv1.Case{Id: id, Receipt: r.Encode(), Provider: r.Provider, Accuser: f.Accuser, Payer: r.Payer, Exact: c.Exact, ClaimedRoot: stored(f.Claimed)}
	update(&s, c)
	hash := r.Hash()
	err = errors.Join(k.nextCase.Set(ctx, id+1), k.store(ctx, auditv1.Case{}, s), k.byReceipt.Set(ctx, hash[:], id), k.earnings.Dispute(ctx, r.Provider, id, true))
	if err != nil {
		return c, err
	}
	return c, emit(ctx, &auditv1.EventCaseOpened{CaseId: id, Provider: r.Provider, Accuser: f.Accuser, Receipt: hash.Hex(), Exact: c.Exact})
}

// Examine has a committee score a provider's signed answer to an epoch challenge, of
// the statistical class, which chance has drawn: nobody accuses, and the fund pays.
// It is false if the model version has no profile, or there is such a case already.
func (k *Keeper) Examine(ctx context.Context, statement []byte) (bool, error) {
	r, err := decode(statement)
	if err != nil {
		return false, err
	}
	if err := k.undisputed(ctx, r.Hash()); err != nil {
		return false, skip(err, ErrDisputed)
	}
	f := filingOf(r, r.Payer, receipt.Digest{})
	f.Escalated, f.Answered = true, 0
	b, _, err := k.bench(ctx, statement, r.Provider)
	if err != nil {
		return false, err
	}
	if _, err := k.open(ctx, b, f, r); err != nil {
		return false, skip(err, court.ErrFiling)
	}
	return true, nil
}

// skip is nil for a refusal that is expected.
func skip(err, refusal error) error {
	if errors.Is(err, refusal) {
		return nil
	}
	return err
}

// bought refuses whoever was not drawn to audit an answer, or has not reported it.
func (k *Keeper) bought(ctx context.Context, auditor string, r receipt.Receipt) error {
	epoch, err := k.epoch.Get(ctx)
	if err != nil {
		return err
	}
	hash := r.Hash()
	for _, e := range []uint64{epoch.Number, epoch.Number - 1} {
		report, err := k.reports.Get(ctx, collections.Join(e, auditor+"/"+r.Provider))
		if err == nil && bytes.Equal(report.ReceiptHash, hash[:]) {
			return nil
		}
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("%w: only an auditor that was drawn for it and has reported it escalates an answer", ErrNotDrawn)
}

// undisputed refuses a receipt about which there is a case that was not void.
func (k *Keeper) undisputed(ctx context.Context, hash receipt.Digest) error {
	id, err := k.byReceipt.Get(ctx, hash[:])
	if errors.Is(err, collections.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := k.cases.Get(ctx, id)
	if err != nil {
		return err
	}
	switch c.Outcome {
	case auditv1.Outcome_OUTCOME_VOID, auditv1.Outcome_OUTCOME_DISMISSED:
		if c.State == auditv1.CaseState_CASE_STATE_CLOSED {
			return nil
		}
	}
	return fmt.Errorf("%w: case %d", ErrDisputed, id)
}

// Seal implements auditv1.MsgServer.
func (m messages) Seal(ctx context.Context, msg *auditv1.MsgSeal) (*auditv1.MsgSealResponse, error) {
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if len(msg.Ciphertext) == 0 || len(msg.Ciphertext) > int(params.MaxSealedBytes) {
		return nil, fmt.Errorf("%w: ciphertext has %d bytes, must have 1 to %d", ErrField, len(msg.Ciphertext), params.MaxSealedBytes)
	}
	h, err := m.hear(ctx, msg.CaseId)
	if err != nil {
		return nil, err
	}
	if err := h.Seal(h.bench, msg.Accuser); err != nil {
		return nil, err
	}
	digest := receipt.Sum(msg.Ciphertext)
	if err := m.sealed.Set(ctx, h.ID, msg.Ciphertext); err != nil {
		return nil, err
	}
	h.stored.Sealed = digest[:]
	return &auditv1.MsgSealResponse{}, m.conclude(ctx, h, court.Effects{})
}

// Commit implements auditv1.MsgServer.
func (m messages) Commit(ctx context.Context, msg *auditv1.MsgCommit) (*auditv1.MsgCommitResponse, error) {
	commitment, err := digestOf("commitment", msg.Commitment)
	if err != nil {
		return nil, err
	}
	h, err := m.hear(ctx, msg.CaseId)
	if err != nil {
		return nil, err
	}
	if err := h.Commit(h.bench, msg.Auditor, commitment); err != nil {
		return nil, err
	}
	return &auditv1.MsgCommitResponse{}, m.conclude(ctx, h, court.Effects{})
}

// OpenLeaves implements auditv1.MsgServer.
func (m messages) OpenLeaves(ctx context.Context, msg *auditv1.MsgOpenLeaves) (*auditv1.MsgOpenLeavesResponse, error) {
	h, err := m.hear(ctx, msg.CaseId)
	if err != nil {
		return nil, err
	}
	var leaves []court.Leaf
	for i, o := range msg.Openings {
		sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerHash*uint64(len(o.Path)+2), "leaf's proof")
		if i < len(h.Positions) && o.Step != h.Positions[i] {
			return nil, fmt.Errorf("%w: openings[%d] is step %d, position %d is wanted", court.ErrOpening, i, o.Step, h.Positions[i])
		}
		l := court.Leaf{Token: int32(o.Token)}
		for _, f := range []struct {
			name string
			data []byte
			into *receipt.Digest
		}{{"logits", o.Logits, &l.Logits}, {"fold", o.Fold, &l.Fold}} {
			if *f.into, err = digestOf(f.name, f.data); err != nil {
				return nil, fmt.Errorf("openings[%d]: %w", i, err)
			}
		}
		if l.Path, err = digestsOf("path", o.Path); err != nil {
			return nil, fmt.Errorf("openings[%d]: %w", i, err)
		}
		leaves = append(leaves, l)
	}
	if err := h.OpenLeaves(h.bench, msg.Provider, leaves); err != nil {
		return nil, err
	}
	return &auditv1.MsgOpenLeavesResponse{}, m.conclude(ctx, h, court.Effects{})
}

// Reveal implements auditv1.MsgServer.
func (m messages) Reveal(ctx context.Context, msg *auditv1.MsgReveal) (*auditv1.MsgRevealResponse, error) {
	vote, err := voteOf(msg.Vote)
	if err != nil {
		return nil, err
	}
	salt, err := digestOf("salt", msg.Salt)
	if err != nil {
		return nil, err
	}
	h, err := m.hear(ctx, msg.CaseId)
	if err != nil {
		return nil, err
	}
	e, err := h.Reveal(h.bench, msg.Auditor, vote, salt)
	if err != nil {
		return nil, err
	}
	return &auditv1.MsgRevealResponse{}, m.conclude(ctx, h, e)
}

// Plant implements auditv1.MsgServer.
func (m messages) Plant(ctx context.Context, msg *auditv1.MsgPlant) (*auditv1.MsgPlantResponse, error) {
	if err := m.mayPlant(ctx, msg.Planter); err != nil {
		return nil, err
	}
	commitment, err := digestOf("commitment", msg.Commitment)
	if err != nil || commitment.IsZero() {
		return nil, errors.Join(err, when(commitment.IsZero(), ErrField))
	}
	if known, err := m.plants.Has(ctx, commitment[:]); err != nil || known {
		return nil, errors.Join(err, when(known, court.ErrTwice))
	}
	return &auditv1.MsgPlantResponse{}, m.plants.Set(ctx, commitment[:], auditv1.Plant{Commitment: commitment[:], Planter: msg.Planter, At: blockTime(ctx)})
}

// mayPlant refuses who is not a bonded auditor that governance named.
func (k *Keeper) mayPlant(ctx context.Context, planter string) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	a, err := k.auditor(ctx, planter)
	if err != nil {
		return err
	}
	for _, p := range params.Planters {
		if p == planter {
			return mayAct(a, params)
		}
	}
	return ErrPlanter
}

// Unmask implements auditv1.MsgServer.
func (m messages) Unmask(ctx context.Context, msg *auditv1.MsgUnmask) (*auditv1.MsgUnmaskResponse, error) {
	salt, err := digestOf("salt", msg.Salt)
	if err != nil {
		return nil, err
	}
	h, err := m.hear(ctx, msg.CaseId)
	if err != nil {
		return nil, err
	}
	commitment := court.PlantCommitment(h.Receipt, msg.Good, salt)
	plant, err := m.plants.Get(ctx, commitment[:])
	if errors.Is(err, collections.ErrNotFound) {
		return nil, fmt.Errorf("%w: nobody committed to that", ErrPlant)
	}
	switch {
	case err != nil:
		return nil, err
	case plant.Planter != msg.Planter:
		return nil, fmt.Errorf("%w: the commitment is another's", ErrPlant)
	case plant.At >= h.OpenedAt:
		return nil, fmt.Errorf("%w: the commitment is not older than the case", ErrPlant)
	case h.Accuser != h.Payer || h.Public:
		return nil, fmt.Errorf("%w: a customer paid for it, or the ledger asked", ErrPlant)
	}
	e, err := h.Unmask(h.bench, msg.Good)
	if err != nil {
		return nil, err
	}
	return &auditv1.MsgUnmaskResponse{}, errors.Join(m.plants.Remove(ctx, commitment[:]), m.conclude(ctx, h, e))
}
