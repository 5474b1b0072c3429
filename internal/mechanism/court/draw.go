package court

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// Candidate is a bonded auditor who may sit.
type Candidate struct {
	Account string
	Bond    uint64   // ukoin: the chance of being drawn
	Ties    []string // accounts in whose cases it does not sit
}

// tied says whether somebody may not judge this case: a party of it, who is tied
// to one, or who has judged it before. Ties that nobody declares are not known.
func (c *Case) tied(a Candidate) bool {
	for _, party := range []string{c.Provider, c.Accuser, c.Payer} {
		if a.Account == party || slices.Contains(a.Ties, party) {
			return true
		}
	}
	return slices.Contains(c.Sat, a.Account)
}

// Draw seats a committee, by chance in proportion to bonds; each member has one
// vote, so that no bond buys two. Who splits a bond among names gains nothing: its
// chances stay the same. The same randomness draws the positions, long after
// the receipt fixed what is at them.
//
// The fees of the committee come out of the fund; for the first one, if the fund
// is empty, out of the accuser's bond. A committee that cannot be filled or paid
// does not judge: the case is void, or, in the exact class, goes on with fewer.
func (c *Case) Draw(b Bench, r receipt.Digest, all []Candidate) (Effects, error) {
	if err := c.expect(Drawing, b); err != nil {
		return Effects{}, err
	}
	var candidates []Candidate
	var weights []uint64
	for _, a := range all {
		if !c.tied(a) {
			candidates, weights = append(candidates, a), append(weights, a.Bond)
		}
	}
	label := fmt.Sprintf("court/%d/%d", c.ID, c.Stage)
	stage, _ := c.stage(b.Params)
	drawn := beacon.Draw(r, label, weights, stage.Size)
	var e Effects
	if len(drawn) == 0 || !c.Exact && len(drawn) < stage.Size {
		c.unjudged(b)
		return e, nil
	}
	fees := c.Fee * uint64(len(drawn)) // fits: at most MaxFee of maxSeats
	switch {
	case fees <= b.Fund:
		e.FromFund = fees
	case c.Stage == 0 && fees <= c.Bond:
		c.Bond -= fees
	default:
		c.unjudged(b)
		return e, nil
	}
	c.Fees = fees
	for _, i := range drawn {
		c.Seats = append(c.Seats, Seat{Auditor: candidates[i].Account})
	}
	c.Positions = positions(r, label, c.Steps, b.Positions)
	if c.Ended && !c.Exact { // no leaf has it; it is scored like any draw
		c.Positions = append(c.Positions, c.Steps)
	}
	if c.Public {
		c.enter(Committing, b, b.CommitFor)
	} else {
		c.enter(Sealing, b, b.SealFor)
	}
	return e, nil
}

// positions draws so many different steps, ascending; all, if there are no more.
func positions(r receipt.Digest, label string, steps uint64, n int) []uint64 {
	var list []uint64
	if steps <= uint64(n) {
		for i := range steps {
			list = append(list, i)
		}
		return list
	}
	// At least half of all draws are new, or steps is below 2n and n of them are
	// found soon; the bias of the remainder is below steps/2⁶⁴.
	for i := uint64(0); len(list) < n; i++ {
		d := beacon.Value(r, label+"/positions", i)
		at := binary.BigEndian.Uint64(d[:]) % steps
		if !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	slices.Sort(list)
	return list
}
