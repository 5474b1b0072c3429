package court

import (
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// judge decides by what was revealed.
func (c *Case) judge(b Bench) Effects {
	if c.Exact {
		return c.judgeExact(b)
	}
	return c.judgeStatistical(b)
}

// judgeExact lets whoever contradicts the receipt play, the accuser last. That
// the auditors agree with the receipt does not hinder an accuser who has run it.
func (c *Case) judgeExact(b Bench) Effects {
	agree := false
	for i := range c.Seats {
		s := &c.Seats[i]
		switch {
		case s.Vote == nil || s.Vote.Reason != None:
		case s.Vote.Root != c.Root:
			c.Challengers = append(c.Challengers, s.Auditor)
		case slices.Equal(s.Vote.Leaves, c.Openings):
			agree = true
		default: // it knows the root, and not what is under it: it ran nothing
			s.Standing = Wrong
		}
	}
	if c.Claimed != (receipt.Digest{}) {
		c.Challengers = append(c.Challengers, c.Accuser)
	}
	switch {
	case len(c.Challengers) > 0:
		c.Played(b, true)
	case agree:
		c.decide(b, Cleared)
	default:
		return c.escalate(b)
	}
	return Effects{}
}

// judgeStatistical takes the medians of the scores of those who could judge, if
// enough of them agree, and lets the e-process decide.
func (c *Case) judgeStatistical(b Bench) Effects {
	stage, last := c.stage(b.Params)
	medians, agreeing, outliers := c.agreement(b.Profile.Tolerance)
	if agreeing < stage.quorum() || b.Profile.Validate() != nil {
		return c.escalate(b)
	}
	// Neither refuses: the profile is valid, and scores are at most one.
	watch, _ := eprocess.Add(b.Watch, b.Profile.Profile, mean(scores(medians)))
	guilt, _ := eprocess.Add(b.Guilt, b.Profile.Profile, mean(scores(medians)))
	large := stage.Size >= b.LeastToSlash
	suspect := watch.Reaches(eprocess.Withhold)
	if suspect && !large && b.Profile.Slashable && !last {
		e := c.escalate(b)
		e.Withhold = true
		return e
	}
	for _, i := range outliers {
		c.Seats[i].Standing = Wrong
	}
	c.Medians, c.Large = medians, large
	switch {
	case large && b.Profile.Slashable && guilt.Reaches(eprocess.Slash):
		c.proven(b)
	case mean(scores(medians)) <= b.Profile.Mean:
		c.decide(b, Cleared)
	default:
		c.decide(b, Unproven)
	}
	return Effects{Withhold: suspect}
}

// agreement is the medians of all usable votes, position by position, the lower
// one of two; how many votes agree with them, and which seats do not. A vote
// agrees if at most one in eight of its scores is further away than honest
// auditors' scores may be apart.
func (c *Case) agreement(tolerance uint32) (medians []uint32, agreeing int, outliers []int) {
	var usable []int
	for i, s := range c.Seats {
		if s.Vote != nil && s.Vote.Reason == None {
			usable = append(usable, i)
		}
	}
	if len(usable) == 0 {
		return nil, 0, nil
	}
	medians = make([]uint32, len(c.Positions))
	column := make([]uint32, len(usable))
	for p := range medians {
		for j, i := range usable {
			column[j] = c.Seats[i].Vote.Scores[p]
		}
		slices.Sort(column)
		medians[p] = column[(len(column)-1)/2]
	}
	for _, i := range usable {
		far := 0
		for p, median := range medians {
			if s := c.Seats[i].Vote.Scores[p]; max(s, median)-min(s, median) > tolerance {
				far++
			}
		}
		if 8*far <= len(medians) {
			agreeing++
		} else {
			outliers = append(outliers, i)
		}
	}
	return medians, agreeing, outliers
}

// scores are medians in millionths.
func scores(medians []uint32) []uint64 {
	list := make([]uint64, len(medians))
	for i, m := range medians {
		list[i] = uint64(m) * (eprocess.Unit / MaxScore)
	}
	return list
}

// mean is rounded down; there is one score at least.
func mean(list []uint64) uint64 {
	var sum uint64
	for _, x := range list {
		sum += x
	}
	return sum / uint64(len(list))
}

// escalate ends a stage that could not judge, and calls a larger committee. Who
// completed its audit is paid, though it could not judge: that is no fault.
func (c *Case) escalate(b Bench) Effects {
	if _, last := c.stage(b.Params); last {
		c.unjudged(b)
		return Effects{}
	}
	c.settleStandings()
	e := c.settleSeats()
	for _, s := range c.Seats {
		c.Sat = append(c.Sat, s.Auditor)
	}
	c.Stage++
	c.wait(b)
	return e
}

// unjudged ends a case that no committee can judge: dismissed if most of the last
// one could not read what was sealed; else void, unless the accuser can show
// itself what is wrong.
func (c *Case) unjudged(b Bench) {
	unreadable := 0
	for _, s := range c.Seats {
		if s.Vote != nil && s.Vote.Reason == Unreadable {
			unreadable++
		}
	}
	switch {
	case c.Exact && c.Claimed != (receipt.Digest{}):
		c.Challengers = []string{c.Accuser}
		c.Played(b, true)
	case 2*unreadable > len(c.Seats):
		c.decide(b, Dismissed)
	default:
		c.decide(b, Void)
	}
}

// proven convicts the accused; in the exact class, that contradicts all who
// agreed with it.
func (c *Case) proven(b Bench) {
	for i := range c.Seats {
		if s := &c.Seats[i]; c.Exact && s.Standing == Pending && s.Vote != nil && s.Vote.Reason == None && s.Vote.Root == c.Root {
			s.Standing = Wrong
		}
	}
	c.decide(b, Convicted)
}

// decide fixes the outcome, unless the case turns out to be planted.
func (c *Case) decide(b Bench, o Outcome) {
	c.settleStandings()
	c.Outcome = o
	c.enter(Unmasking, b, b.UnmaskFor)
}

// settleStandings fixes what became of each seat that nothing was said about.
// Who committed in a stage that never came to revealing could do no more.
func (c *Case) settleStandings() {
	for i := range c.Seats {
		s := &c.Seats[i]
		early := c.State == Committing || c.State == Opening
		switch {
		case s.Standing != Pending:
		case c.State == Sealing:
			s.Standing = Excused
		case s.Vote != nil, early && s.Commitment != (receipt.Digest{}):
			s.Standing = Completed
		default:
			s.Standing = Absent
		}
	}
}

// close executes the outcome.
func (c *Case) close(b Bench) Effects {
	e := c.settleSeats()
	if c.Outcome == Convicted {
		e.Convictions = append(e.Convictions, penalty.Conviction{
			Provider: c.Provider, Offence: penalty.WrongModel, Finder: c.Accuser, Victim: c.Payer, Reference: "receipt/" + c.Receipt.Hex(),
			Done: c.done(),
		})
	}
	if c.Outcome != Planted && len(c.Medians) > 0 {
		e.Scored, e.Score, e.Guilt = true, mean(scores(c.Medians)), c.Large
	}
	e.Payments = append(e.Payments, c.releaseBond(b)...)
	c.enter(Closed, b, b.KeepFor)
	e.Settled = true
	return e
}

// done is when the answer was given, at the latest: a provider that names a later time
// gains nothing.
func (c *Case) done() int64 {
	if c.Answered > 0 {
		return min(c.Answered, c.OpenedAt)
	}
	return c.OpenedAt // a statement has no time
}

// releaseBond gives the accuser's bond back, or, of one that is lost, a part to
// the accused, rounded down, and the rest to the fund.
func (c *Case) releaseBond(b Bench) []Payment {
	bond := c.Bond
	c.Bond = 0
	if c.Outcome != Cleared && c.Outcome != Dismissed {
		return payments(Payment{To: c.Accuser, Amount: bond})
	}
	part := Part(bond, b.AccusedBps)
	return payments(Payment{To: c.Provider, Amount: part}, Payment{Amount: bond - part})
}

// settleSeats pays completed audits and convicts who failed; what is left of the
// fees goes to the fund.
func (c *Case) settleSeats() Effects {
	var e Effects
	for _, s := range c.Seats {
		offence := penalty.FalseVote
		switch s.Standing {
		case Completed:
			e.Payments = append(e.Payments, payments(Payment{To: s.Auditor, Amount: c.Fee, Audit: true})...)
			c.Fees -= c.Fee
			continue
		case Excused:
			continue
		case Absent:
			offence = penalty.AbsentAuditor
		}
		e.Convictions = append(e.Convictions, penalty.Conviction{
			Provider: s.Auditor, Offence: offence, Reference: fmt.Sprintf("case/%d/%d/%s", c.ID, c.Stage, s.Auditor),
			Done: c.OpenedAt, // cases that one auditor sat in side by side are one matter
		})
	}
	e.Payments = append(e.Payments, payments(Payment{Amount: c.Fees})...)
	c.Fees = 0
	return e
}

// payments leaves out those of nothing.
func payments(list ...Payment) []Payment {
	return slices.DeleteFunc(list, func(p Payment) bool { return p.Amount == 0 })
}
