package court

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

func TestDefaultsAreInRange(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
}

// answer is a receipt's leaves, as an honest or a cheating provider has them.
func answer(n int, of string) (receipt.Digest, []receipt.Digest, func(uint64) Leaf) {
	leaf := func(i uint64) Leaf {
		return Leaf{Token: int32(i), Logits: digest(fmt.Sprint(of, i)), Fold: digest("fold")}
	}
	var leaves []receipt.Digest
	for i := range uint64(n) {
		l := leaf(i)
		leaves = append(leaves, receipt.Leaf(i, l.Token, l.Logits, l.Fold))
	}
	open := func(i uint64) Leaf {
		l := leaf(i)
		l.Path, _ = receipt.Prove(leaves, int(i))
		return l
	}
	return receipt.MerkleRoot(leaves), leaves, open
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin opens a case about 100 steps and brings it to Committing.
func begin(t *testing.T, b Bench, f Filing, candidates []Candidate) Case {
	t.Helper()
	c, err := Open(b, 7, f)
	must(t, err)
	if _, err := c.Draw(b, digest("beacon"), candidates); err != nil {
		t.Fatal(err)
	}
	must(t, c.Seal(b, f.Accuser))
	return c
}

func at(list []receipt.Digest, positions []uint64) []receipt.Digest {
	var picked []receipt.Digest
	for _, p := range positions {
		picked = append(picked, list[p])
	}
	return picked
}

func filing(root receipt.Digest, exact bool) Filing {
	return Filing{Receipt: digest("receipt"), Root: root, Steps: 100, Provider: "provider", Accuser: "accuser", Payer: "payer", Exact: exact, Cost: 1000}
}

// One honest auditor finds one wrong bit, and who looked away with the cheat
// loses its bond.
func TestOneHonestAuditorIsEnough(t *testing.T) {
	b := Bench{Params: Default(), Fund: 1 << 40, Now: 100}
	b.Exact = []Stage{{Size: 3}}
	root, leaves, open := answer(100, "cheat")
	honest, honestLeaves, _ := answer(100, "honest")
	c := begin(t, b, filing(root, true), auditors(9))
	votes := map[string]Vote{}
	for i, s := range c.Seats {
		votes[s.Auditor] = Vote{Root: root, Leaves: at(leaves, c.Positions)} // told by the cheat
		if i == 1 {
			votes[s.Auditor] = Vote{Root: honest, Leaves: at(honestLeaves, c.Positions)}
		}
		must(t, c.Commit(b, s.Auditor, Commitment(7, 0, s.Auditor, votes[s.Auditor], digest("salt"))))
	}
	var opened []Leaf
	for _, p := range c.Positions {
		opened = append(opened, open(p))
	}
	wrong := slices.Clone(opened)
	wrong[3].Token++
	if err := c.OpenLeaves(b, "provider", wrong); !errors.Is(err, ErrOpening) {
		t.Fatalf("a wrong opening: %v", err)
	}
	must(t, c.OpenLeaves(b, "provider", opened))
	for _, s := range c.Seats {
		if _, err := c.Reveal(b, s.Auditor, votes[s.Auditor], digest("salt")); err != nil {
			t.Fatal(err)
		}
	}
	if c.State != Playing || c.Challengers[0] != c.Seats[1].Auditor {
		t.Fatalf("%v: %v play", c.State, c.Challengers)
	}
	if err := c.MayPlay(b, c.Challengers[0]); !errors.Is(err, ErrNotYours) {
		t.Errorf("out of turn: %v", err)
	}
	must(t, c.MayPlay(b, "provider"))
	c.Won(b, false)
	b.Now = c.Deadline
	e, err := c.Expire(b)
	must(t, err)
	found := map[penalty.Offence]int{}
	for _, v := range e.Convictions {
		found[v.Offence]++
	}
	if c.Outcome != Convicted || found[penalty.WrongModel] != 1 || found[penalty.FalseVote] != 2 || len(e.Convictions) != 3 {
		t.Errorf("%v: %v", c.Outcome, e.Convictions)
	}
}

// join adds what another move led to.
func (e *Effects) join(more Effects) {
	e.FromFund += more.FromFund
	e.Payments = append(e.Payments, more.Payments...)
	e.Convictions = append(e.Convictions, more.Convictions...)
	e.Withhold = e.Withhold || more.Withhold
	e.Scored, e.Score, e.Guilt = e.Scored || more.Scored, max(e.Score, more.Score), e.Guilt || more.Guilt
	e.Settled = e.Settled || more.Settled
}

// statistical plays a stage in which the first liars seats report lie, the
// others truth, each off by a little.
func statistical(t *testing.T, c *Case, b Bench, liars int, lie, truth uint32) Effects {
	t.Helper()
	votes := map[string]Vote{}
	for i, s := range c.Seats {
		x := truth + uint32(i%3)
		if i < liars {
			x = lie
		}
		votes[s.Auditor] = Vote{Scores: slices.Repeat([]uint32{x}, len(c.Positions))}
		must(t, c.Commit(b, s.Auditor, Commitment(c.ID, c.Stage, s.Auditor, votes[s.Auditor], digest("salt"))))
	}
	c.opened(b, nil)
	var e Effects
	for _, s := range c.Seats {
		more, err := c.Reveal(b, s.Auditor, votes[s.Auditor], digest("salt"))
		must(t, err)
		e.join(more)
	}
	return e
}

// statisticalBench is the court of a provider about whom there is evidence already: no
// single answer convicts.
func statisticalBench() Bench {
	b := freshBench()
	for range 6 {
		b.Watch, _ = eprocess.Add(b.Watch, b.Profile.Profile, eprocess.Unit)
		b.Guilt, _ = eprocess.Add(b.Guilt, b.Profile.Profile, eprocess.Unit)
	}
	b.Guilt, _ = eprocess.Add(b.Guilt, b.Profile.Profile, 150_000) // half of what convicts
	return b
}

func freshBench() Bench {
	return Bench{Params: Default(), Fund: 1 << 40, Now: 100,
		Profile: Profile{Profile: eprocess.Profile{Mean: 50_000, Bet: 10 * eprocess.Unit}, Tolerance: 20, Slashable: true}}
}

// A third of a committee that lies changes neither what a cheat gets nor what an
// honest provider gets; nobody is convicted by fewer than 21.
func TestAThirdThatLiesChangesNothing(t *testing.T) {
	root, _, _ := answer(100, "x")
	for _, c := range []struct {
		name       string
		lie, truth uint32
		want       Outcome
	}{
		{"cheat", 100, 3_000, Convicted},
		{"honest", 9_000, 300, Cleared},
	} {
		b := statisticalBench()
		k := begin(t, b, filing(root, false), auditors(100))
		for stage := 0; k.State != Unmasking; stage++ {
			if stage != k.Stage {
				t.Fatalf("%s: stage %d after %d", c.name, k.Stage, stage)
			}
			if stage > 0 {
				if _, err := k.Draw(b, digest(fmt.Sprint("beacon", stage)), auditors(100)); err != nil {
					t.Fatal(err)
				}
				must(t, k.Seal(b, "accuser"))
			}
			statistical(t, &k, b, len(k.Seats)/3, c.lie, c.truth)
		}
		if k.Outcome != c.want || k.Stage != 2 {
			t.Errorf("%s: %v by %d", c.name, k.Outcome, len(k.Seats))
		}
		b.Now = k.Deadline
		e, err := k.Expire(b)
		must(t, err)
		lost := 0
		for _, v := range e.Convictions {
			if v.Offence == penalty.FalseVote {
				lost++
			}
		}
		if lost != 20 {
			t.Errorf("%s: %d liars of 20 lost", c.name, lost)
		}
	}
}

// Where a draw ended an answer, or it says so, its end is scored with it, also if it
// has no token; no leaf is opened for it. In the exact class the game is about it.
func TestTheEndIsScored(t *testing.T) {
	root, _, open := answer(100, "x")
	b := statisticalBench()
	b.Positions = 4
	f := filing(root, false)
	f.Ended = true
	c := begin(t, b, f, auditors(100))
	if n := len(c.Positions); n != 5 || c.Positions[n-1] != c.Steps {
		t.Fatalf("positions %v of %d steps", c.Positions, c.Steps)
	}
	for _, s := range c.Seats {
		must(t, c.Commit(b, s.Auditor, digest("a vote")))
	}
	var opened []Leaf
	for _, p := range c.Leaves() {
		opened = append(opened, open(p))
	}
	must(t, c.OpenLeaves(b, "provider", opened))

	none := receipt.MerkleRoot(nil)
	empty := Filing{Receipt: digest("empty"), Root: none, Ended: true, Provider: "provider", Accuser: "accuser", Payer: "payer", Exact: true}
	b = Bench{Params: Default(), Fund: 1 << 40, Now: 100}
	for root, want := range map[receipt.Digest]State{none: Unmasking, digest("goes on"): Playing} {
		c := begin(t, b, empty, auditors(9))
		s, v := c.Seats[0], Vote{Root: root}
		must(t, c.Commit(b, s.Auditor, Commitment(7, 0, s.Auditor, v, digest("salt"))))
		must(t, c.OpenLeaves(b, "provider", nil))
		if _, err := c.Reveal(b, s.Auditor, v, digest("salt")); err != nil || c.State != want {
			t.Errorf("%v, %v: %v", c.State, c.Outcome, err)
		}
	}
	empty.Ended = false
	if _, err := Open(b, 8, empty); !errors.Is(err, ErrFiling) {
		t.Errorf("an empty answer that was broken off: %v", err)
	}
}

// Three auditors who all say the same convict nobody.
func TestFewConvictNobody(t *testing.T) {
	root, _, _ := answer(100, "x")
	b := statisticalBench()
	c := begin(t, b, filing(root, false), auditors(100))
	e := statistical(t, &c, b, 0, 0, 9_000)
	if c.State != Drawing || c.Stage != 1 || !e.Withhold || len(e.Convictions) > 0 {
		t.Errorf("%v at stage %d, withheld: %v, %v", c.State, c.Stage, e.Withhold, e.Convictions)
	}
	b.Profile.Slashable = false
	c = begin(t, b, filing(root, false), auditors(100))
	if e := statistical(t, &c, b, 0, 0, 9_000); c.Outcome != Unproven || !e.Withhold {
		t.Errorf("likelihood alone: %v, withheld: %v", c.Outcome, e.Withhold)
	}
}

func TestNoTieSits(t *testing.T) {
	root, _, _ := answer(100, "x")
	b := Bench{Params: Default(), Fund: 1 << 40, Now: 100}
	b.Exact = []Stage{{Size: 7}}
	list := append(auditors(2), Candidate{"provider", 1 << 40, nil}, Candidate{"payer", 1 << 40, nil}, Candidate{"accuser", 1 << 40, nil},
		Candidate{"friend", 1 << 40, []string{"somebody", "provider"}})
	c := begin(t, b, filing(root, true), list)
	if len(c.Seats) != 2 {
		t.Errorf("%+v", c.Seats)
	}
}

// What one auditor commits to is of no use to another, or in another case.
func TestCommitmentsCannotBeCopied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type args struct {
			ID      uint64
			Stage   int
			Auditor string
			Reason  Reason
			Scores  []uint32
			Salt    byte
		}
		one := rapid.Custom(func(t *rapid.T) args {
			return args{rapid.Uint64Range(0, 2).Draw(t, "id"), rapid.IntRange(0, 2).Draw(t, "stage"), rapid.SampledFrom([]string{"", "a", "aa"}).Draw(t, "auditor"),
				Reason(rapid.IntRange(0, 2).Draw(t, "reason")), rapid.SliceOfN(rapid.Uint32Range(0, 2), 0, 2).Draw(t, "scores"), rapid.ByteRange(0, 1).Draw(t, "salt")}
		})
		make := func(a args) receipt.Digest {
			return Commitment(a.ID, a.Stage, a.Auditor, Vote{Reason: a.Reason, Scores: a.Scores}, receipt.Digest{a.Salt})
		}
		a, b := one.Draw(t, "a"), one.Draw(t, "b")
		if (make(a) == make(b)) != (fmt.Sprint(a) == fmt.Sprint(b)) {
			t.Fatalf("%v and %v", a, b)
		}
	})
}

func TestPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, n := rapid.OneOf(rapid.Uint64Range(1, 80), rapid.Uint64Min(1)).Draw(t, "steps"), rapid.IntRange(1, maxPositions).Draw(t, "n")
		list := positions(digest(rapid.String().Draw(t, "r")), "l", steps, n)
		if uint64(len(list)) != min(steps, uint64(n)) || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) || list[len(list)-1] >= steps {
			t.Fatalf("%d of %d: %v", n, steps, list)
		}
	})
}

func TestRate(t *testing.T) {
	if Rate(0, 10, 20_000, false) != Million || Rate(10, 10, 20_000, false) != Million/2 || Rate(490, 10, 20_000, false) != 20_000 {
		t.Error(Rate(0, 10, 20_000, false), Rate(10, 10, 20_000, false), Rate(490, 10, 20_000, false))
	}
	if Rate(math.MaxUint64, 10, 20_000, true) != Million {
		t.Error("who is suspected is always audited")
	}
	rapid.Check(t, func(t *rapid.T) {
		clean, halve, least := rapid.Uint64Max(math.MaxUint64-1).Draw(t, "clean"), rapid.Uint64().Draw(t, "halve"), rapid.Uint64Max(Million).Draw(t, "least")
		r := Rate(clean, halve, least, false)
		if r > Million || r < least || Rate(clean+1, halve, least, false) > r {
			t.Fatalf("%d after %d clean audits, then %d", r, clean, Rate(clean+1, halve, least, false))
		}
	})
}

func TestFees(t *testing.T) {
	p := Default()
	for cost, want := range map[uint64]uint64{0: 20_000, 1_000: 22_000, 1_000_000: 1_000_000, math.MaxUint64: 1_000_000} {
		if got := p.fee(cost); got != want {
			t.Errorf("%d for %d, want %d", got, cost, want)
		}
	}
}

func TestRefusedParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"no time to answer":         func(p *Params) { p.OpenFor = 0 },
		"half is no quorum":         func(p *Params) { p.Statistical[1].QuorumBps = whole / 2 },
		"stages shrink":             func(p *Params) { p.Exact = []Stage{{Size: 3}, {Size: 1}} },
		"no stage":                  func(p *Params) { p.Exact = nil },
		"twenty convict":            func(p *Params) { p.LeastToSlash = 20 },
		"a bond that pays no court": func(p *Params) { p.DisputeBond = 3*p.MaxFee - 1 },
		"no position":               func(p *Params) { p.Positions = 0 },
	} {
		p := Default()
		change(&p)
		if err := p.Validate(); !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
