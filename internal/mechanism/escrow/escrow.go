// Package escrow is the state machine of paid inference: a payer's deposits,
// the grants that providers activate against them, the tickets they redeem,
// and the payouts that follow.
package escrow

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/bits"

	"github.com/koinon/koinon/internal/mechanism/discount"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// Account is a payer's escrow; amounts are in ucredit.
type Account struct {
	Payer     string
	GrantKey  []byte // Ed25519 public key that signs the payer's grants
	Available uint64 // may back new grants or be withdrawn
	Locked    uint64 // backs active grants, not yet redeemed
}

// Params are what governance sets.
type Params struct {
	WithdrawDelay    int64  // seconds
	ChallengeWindow  int64  // seconds until a provider's part is due
	RedeemGrace      int64  // seconds after expiry in which a grant activated now can still be redeemed
	MaxGrantSeconds  int64  // how far ahead a grant may expire
	MaxTickets       uint64 // longest hash chain
	FreeTxsPerWindow uint32 // a buyer's transactions without gas …
	FreeWindowBlocks uint64 // … in so many blocks
	AuditBps         uint32 // of the treasury's part of a redemption, to the audit fund
	// Discounts lower the treasury's part, by what a payer has at activation.
	Discounts discount.Schedule
}

// Bounds of parameters, so that governance cannot set a trap by mistake.
const (
	maxSeconds      = 366 * 24 * 3600
	maxTicketsBound = 1 << 24
)

// Role is in what capacity a payout is paid: one of package split's roles, or
// Payer for a withdrawal.
type Role = split.Role

// Payer is the role of a withdrawal.
const Payer Role = "payer"

// Payout is money on its way out of escrow.
type Payout struct {
	DueAt     int64  // Unix time, seconds
	Source    string // with Recipient and Role, unique
	Recipient string
	Role      Role
	Amount    uint64
	Provider  string // whose work is paid; empty for withdrawals
}

// Errors: every refusal of the state machine has a name.
var (
	ErrParams           = errors.New("parameter out of range")
	ErrZeroAmount       = errors.New("amount must be more than zero")
	ErrOverflow         = errors.New("amount does not fit in 64 bits")
	ErrGrantKey         = errors.New("a grant key is an Ed25519 public key of 32 bytes")
	ErrNoGrantKey       = errors.New("the escrow has no grant key yet: give one with the deposit")
	ErrWithdrawnAlready = errors.New("an escrow can be withdrawn from once a block: wait for the next")
	ErrInsufficient     = errors.New("not enough available credit in escrow")
	ErrWrongChain       = errors.New("the grant is for another chain")
	ErrWrongProvider    = errors.New("only the grant's provider may do this")
	ErrWrongPayer       = errors.New("the grant is another payer's")
	ErrAlreadyActive    = errors.New("the grant has been activated before")
	ErrGrantExpired     = errors.New("the grant has expired")
	ErrGrantTooLong     = errors.New("the grant expires too far ahead")
	ErrTooManyTickets   = errors.New("the grant has too many tickets")
	ErrGrantClosed      = errors.New("the grant is closed")
	ErrNotExpired       = errors.New("the grant can still be redeemed")
	ErrNothingToRedeem  = errors.New("no ticket newer than the last one redeemed")
	ErrExposure         = errors.New("the provider's bond is too small for one more active grant: redeem and close others, or bond more")
	ErrReceipts         = errors.New("a redemption cannot cover fewer receipts than the one before")
)

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	for _, seconds := range []int64{p.WithdrawDelay, p.ChallengeWindow, p.RedeemGrace, p.MaxGrantSeconds} {
		if seconds < 0 || seconds > maxSeconds {
			return fmt.Errorf("%w: %d seconds", ErrParams, seconds)
		}
	}
	if p.MaxGrantSeconds == 0 || p.MaxTickets == 0 || p.MaxTickets > maxTicketsBound || p.FreeWindowBlocks == 0 {
		return fmt.Errorf("%w: a grant needs time and 1 to %d tickets, the free window at least a block", ErrParams, maxTicketsBound)
	}
	if p.AuditBps > split.Whole {
		return fmt.Errorf("%w: audit_bps is %d, at most %d", ErrParams, p.AuditBps, split.Whole)
	}
	return p.Discounts.Validate()
}

// Deposit adds to a payer's available credit; a key that is not empty becomes
// the one that signs grants from now on. Grants already active are not touched.
func Deposit(a Account, amount uint64, grantKey []byte) (Account, error) {
	if amount == 0 {
		return a, ErrZeroAmount
	}
	next := a
	if len(grantKey) != 0 {
		if len(grantKey) != ed25519.PublicKeySize {
			return a, fmt.Errorf("%w, not %d", ErrGrantKey, len(grantKey))
		}
		next.GrantKey = grantKey
	}
	if len(next.GrantKey) == 0 {
		return a, ErrNoGrantKey
	}
	var err error
	if next.Available, err = add(a.Available, amount); err != nil {
		return a, err
	}
	// What is locked comes back to available: their sum must fit too.
	if _, err := add(next.Available, a.Locked); err != nil {
		return a, err
	}
	return next, nil
}

// Withdraw takes available credit out; it is due after the delay. Height makes
// the payout unique among those that fall due in one second; as two payouts may
// not share a source, the ledger refuses a payer's second withdrawal in a block
// with ErrWithdrawnAlready.
func Withdraw(p Params, a Account, amount uint64, now, height int64) (Account, Payout, error) {
	if amount == 0 {
		return a, Payout{}, ErrZeroAmount
	}
	if amount > a.Available {
		return a, Payout{}, fmt.Errorf("%w: %d ucredit asked for, %d ucredit available", ErrInsufficient, amount, a.Available)
	}
	a.Available -= amount
	return a, Payout{
		DueAt: now + p.WithdrawDelay, Source: fmt.Sprintf("withdrawal/%s/%d", a.Payer, height),
		Recipient: a.Payer, Role: Payer, Amount: amount,
	}, nil
}

func add(a, b uint64) (uint64, error) {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return 0, fmt.Errorf("%w: %d + %d", ErrOverflow, a, b)
	}
	return sum, nil
}
