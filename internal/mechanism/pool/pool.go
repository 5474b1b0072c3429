// Package pool is a constant-product pool of credit and another asset: KOIN or
// a model's shares. Whoever adds both sides owns a part of it; a fee of each
// swap stays in it, so that the parts grow. It lends nothing.
//
// Within one block the price may move by a bounded part of what it was at the
// block's beginning, so that nobody can push it, act on it and push it back
// unseen; and other modules read a price that is averaged over time.
package pool

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
)

// whole is how many basis points make the whole.
const whole = 10_000

// Bounds of parameters.
const (
	maxFeeBps = 1_000
	maxWindow = 30 * 24 * 3600
)

// Locked is how many parts the first who adds leaves to nobody, so that one part
// never is worth a fortune; First is the least that a pool begins with.
const (
	Locked = 1_000
	First  = 1_000_000
)

// Params are what governance sets.
type Params struct {
	FeeBps  uint32 // of what is put in by a swap, to those who own the pool
	MoveBps uint32 // how far the price may move within a block
	Window  int64  // seconds: the average is over one to two of these
}

// Side is which asset is put in.
type Side int

// The two sides of a pool.
const (
	Credit Side = iota + 1 // credit is put in, the other asset comes out
	Asset
)

// Pool is its reserves and who owns them, in parts.
type Pool struct {
	Credit uint64 // ucredit
	Asset  uint64 // micro-units
	Parts  uint64 // of all owners, and Locked

	// Height is the block that OpenCredit and OpenAsset, the reserves at its
	// beginning, are of.
	Height                int64
	OpenCredit, OpenAsset uint64

	Oracle Oracle
}

// Errors: every refusal has a name.
var (
	ErrParams   = errors.New("pool parameter out of range")
	ErrTooSmall = errors.New("the amount is too small for the pool")
	ErrTooLarge = errors.New("the amount does not fit in the pool")
	ErrEmpty    = errors.New("the pool is empty: add both sides first")
	ErrTooMuch  = errors.New("more parts than are owned")
	ErrLimit    = errors.New("less would come out than the least that was asked for")
	ErrMove     = errors.New("the price may not move so far within one block: swap less, or wait a block")
)

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	if p.FeeBps > maxFeeBps || p.MoveBps == 0 || p.MoveBps >= whole || p.Window < 1 || p.Window > maxWindow {
		return fmt.Errorf("%w: a fee of %d of at most %d basis points, a movement of %d of 1 to %d, a window of %d of 1 to %d seconds",
			ErrParams, p.FeeBps, maxFeeBps, p.MoveBps, whole-1, p.Window, maxWindow)
	}
	return nil
}

// Begin is what every change of a pool does first: it notes the time that the
// price stood, and the reserves if the block is new.
func Begin(params Params, p Pool, height, now int64) Pool {
	p.Oracle = p.Oracle.observe(params.Window, price(p.Credit, p.Asset), now)
	if height != p.Height {
		p.Height, p.OpenCredit, p.OpenAsset = height, p.Credit, p.Asset
	}
	return p
}

// Add takes up to so much of both sides, in the pool's proportion, and returns
// what was taken and the parts for it.
func Add(p Pool, credit, asset uint64) (next Pool, tookCredit, tookAsset, parts uint64, err error) {
	if p.Parts == 0 {
		parts = root(credit, asset)
		if parts < First {
			return p, 0, 0, 0, fmt.Errorf("%w: a pool begins with at least %d parts, the root of credit times asset, not %d", ErrTooSmall, First, parts)
		}
		next = Pool{Credit: credit, Asset: asset, Parts: parts, Height: p.Height, OpenCredit: credit, OpenAsset: asset, Oracle: p.Oracle}
		return next, credit, asset, parts - Locked, nil
	}
	byCredit, fitsCredit := mulDiv(credit, p.Parts, p.Credit)
	byAsset, fitsAsset := mulDiv(asset, p.Parts, p.Asset)
	if !fitsCredit || !fitsAsset {
		return p, 0, 0, 0, fmt.Errorf("%w: %d ucredit and %d of the asset", ErrTooLarge, credit, asset)
	}
	if parts = min(byCredit, byAsset); parts == 0 {
		return p, 0, 0, 0, fmt.Errorf("%w: %d ucredit and %d of the asset are no part of it", ErrTooSmall, credit, asset)
	}
	tookCredit, tookAsset = mulDivUp(parts, p.Credit, p.Parts), mulDivUp(parts, p.Asset, p.Parts)
	next = p
	var a, b, c uint64
	next.Credit, a = bits.Add64(p.Credit, tookCredit, 0)
	next.Asset, b = bits.Add64(p.Asset, tookAsset, 0)
	next.Parts, c = bits.Add64(p.Parts, parts, 0)
	if a|b|c != 0 {
		return p, 0, 0, 0, fmt.Errorf("%w: %d ucredit and %d of the asset", ErrTooLarge, credit, asset)
	}
	return next, tookCredit, tookAsset, parts, nil
}

// Remove gives back what parts are worth, rounded down.
func Remove(p Pool, owned, parts uint64) (next Pool, credit, asset uint64, err error) {
	if parts == 0 {
		return p, 0, 0, fmt.Errorf("%w: no parts", ErrTooSmall)
	}
	if parts > owned || parts > p.Parts {
		return p, 0, 0, fmt.Errorf("%w: %d of %d", ErrTooMuch, parts, owned)
	}
	credit, _ = mulDiv(parts, p.Credit, p.Parts)
	asset, _ = mulDiv(parts, p.Asset, p.Parts)
	p.Credit -= credit
	p.Asset -= asset
	p.Parts -= parts
	return p, credit, asset, nil
}

// Swap puts one asset in and takes the other out: at least so much, or it is
// refused. Call Begin before.
func Swap(params Params, p Pool, side Side, in, least uint64) (next Pool, out uint64, err error) {
	if p.Parts == 0 || p.Credit == 0 || p.Asset == 0 {
		return p, 0, ErrEmpty
	}
	into, from := p.Credit, p.Asset
	if side == Asset {
		into, from = from, into
	}
	fee := mulDivUp(in, uint64(params.FeeBps), whole)
	net := in - fee
	grown, carry := bits.Add64(into, in, 0)
	if carry != 0 {
		return p, 0, fmt.Errorf("%w: %d on top of %d", ErrTooLarge, in, into)
	}
	out, _ = mulDiv(from, net, into+net) // fits, as net is less than into+net
	switch {
	case out == 0:
		return p, 0, fmt.Errorf("%w: nothing would come out for %d", ErrTooSmall, in)
	case out < least:
		return p, 0, fmt.Errorf("%w: %d, not %d", ErrLimit, out, least)
	}
	next = p
	if next.Credit, next.Asset = grown, from-out; side == Asset {
		next.Credit, next.Asset = next.Asset, next.Credit
	}
	if moved(next, params.MoveBps) {
		return p, 0, fmt.Errorf("%w: by more than %d basis points", ErrMove, params.MoveBps)
	}
	return next, out, nil
}

// moved says whether the price is further from the block's first than allowed:
// credit/asset against open credit/open asset.
func moved(p Pool, bps uint32) bool {
	now := product(p.Credit, p.OpenAsset)
	open := product(p.OpenCredit, p.Asset)
	far := func(a, b *big.Int) bool { // a·whole > b·(whole+bps)
		left := new(big.Int).Mul(a, big.NewInt(whole))
		right := new(big.Int).Mul(b, big.NewInt(whole+int64(bps)))
		return left.Cmp(right) > 0
	}
	return far(now, open) || far(open, now)
}

func product(a, b uint64) *big.Int {
	x := new(big.Int).SetUint64(a)
	return x.Mul(x, new(big.Int).SetUint64(b))
}

// root is ⌊√(a·b)⌋, which always fits.
func root(a, b uint64) uint64 {
	x := product(a, b)
	return x.Sqrt(x).Uint64()
}

// mulDiv is a·b/c, rounded down, and whether it fits; c is not zero.
func mulDiv(a, b, c uint64) (uint64, bool) {
	high, low := bits.Mul64(a, b)
	if high >= c {
		return 0, false
	}
	q, _ := bits.Div64(high, low, c)
	return q, true
}

// mulDivUp is a·b/c, rounded up; a or b is at most c.
func mulDivUp(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a, b)
	q, r := bits.Div64(high, low, c)
	if r > 0 {
		q++
	}
	return q
}
