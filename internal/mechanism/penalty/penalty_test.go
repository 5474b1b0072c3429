package penalty

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestDefaultsAreInRange(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
}

var anyAmount = rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 100), rapid.Just(uint64(math.MaxUint64)))

func drawParams(t *rapid.T) Params {
	p := Default()
	p.VictimBps = rapid.Uint32Range(0, Whole-LeastBurnBps).Draw(t, "victim_bps")
	p.FinderBps = rapid.Uint32Range(0, Whole-LeastBurnBps-p.VictimBps).Draw(t, "finder_bps")
	for i := range p.Rules {
		r := &p.Rules[i]
		r.RepeatBps = rapid.Uint32Range(0, Whole).Draw(t, "repeat")
		r.FirstBps = rapid.Uint32Range(0, r.RepeatBps).Draw(t, "first")
		r.Floor = anyAmount.Draw(t, "floor")
		r.Jail = rapid.Int64Range(0, MaxJail).Draw(t, "jail")
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// What a convict loses is divided to the last unit, and a convict who is its
// own victim and finder gets none of it.
func TestProceedsSumToTheFine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, amount := drawParams(t), anyAmount.Draw(t, "amount")
		who := rapid.SampledFrom([]string{"", "convict", "a", "b"})
		c := Conviction{Provider: "convict", Victim: who.Draw(t, "victim"), Finder: who.Draw(t, "finder")}
		d := Divide(p, c, amount)
		sum := new(big.Int)
		for _, part := range []uint64{d.Victim, d.Finder, d.Rest} {
			sum.Add(sum, new(big.Int).SetUint64(part))
		}
		if sum.Cmp(new(big.Int).SetUint64(amount)) != 0 {
			t.Fatalf("%+v of %d", d, amount)
		}
		if d.Rest < partDown(amount, LeastBurnBps) {
			t.Fatalf("only %d of %d go to nobody", d.Rest, amount)
		}
		if c.Victim == c.Provider && d.Victim > 0 || c.Finder == c.Provider && d.Finder > 0 {
			t.Fatalf("the convict is paid: %+v", d)
		}
	})
}

// A sentence takes no more than there is, no less than the floor or the part,
// and a repeat is never cheaper.
func TestSentences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, bond := drawParams(t), anyAmount.Draw(t, "bond")
		o := rapid.SampledFrom(Offences[:]).Draw(t, "offence")
		var record Record
		var last Sentence
		for i := range 4 {
			now := int64(10 * (i + 1))
			s, next, err := Judge(p, Conviction{Offence: o, Done: rapid.Int64Range(record.last(o)+1, now).Draw(t, "done")}, now, record, bond)
			if err != nil {
				t.Fatal(err)
			}
			rule := p.Rules[o-1]
			if s.Fine > bond || s.Fine < min(bond, rule.Floor) || s.Fine < partDown(bond, s.Bps) {
				t.Fatalf("a fine of %d of %d with %+v", s.Fine, bond, rule)
			}
			if s.Fine < last.Fine || s.Jail < last.Jail || last.Tombstone && !s.Tombstone {
				t.Fatalf("conviction %d is milder: %+v after %+v", i+1, s, last)
			}
			if s.Tombstone && !o.Fraud() {
				t.Fatal("an absence ended a career")
			}
			if next.Frauds+next.Absences != uint32(i)+1 {
				t.Fatalf("record %+v after %d convictions", next, i+1)
			}
			record, last = next, s
		}
	})
}

// last is when the last conviction of an offence's kind was.
func (r Record) last(o Offence) int64 {
	if o.Fraud() {
		return r.FraudAt
	}
	return r.AbsenceAt
}

// However many find what was done before the first conviction, and in whatever
// order, nobody is out for it, and each conviction takes the first part of what is
// left; what is done afterwards is a repetition.
func TestWhatWasDoneBeforeAConvictionIsNoRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, now, bond := Default(), int64(1000), uint64(10_000_000_000)
		var record Record
		for range rapid.IntRange(1, 5).Draw(t, "finders") {
			now += rapid.Int64Range(0, 100).Draw(t, "later")
			s, next, err := Judge(p, Conviction{Offence: WrongModel, Done: rapid.Int64Range(1, 1000).Draw(t, "done")}, now, record, bond)
			if err != nil {
				t.Fatal(err)
			}
			if s.Tombstone || s.Bps != 3_000 || s.Jail != 7*24*3600 || next.Frauds != 1 {
				t.Fatalf("%+v, then %+v", s, next)
			}
			record, bond = next, bond-s.Fine
		}
		s, record, _ := Judge(p, Conviction{Offence: WrongModel, Done: record.FraudAt + 1}, now+1, record, bond)
		if !s.Tombstone || s.Fine != bond || record.Frauds != 2 {
			t.Fatalf("done again: %+v, %+v", s, record)
		}
	})
}

func TestTheSecondFraudEndsIt(t *testing.T) {
	p := Default()
	first, record, _ := Judge(p, Conviction{Offence: Equivocation}, 5, Record{Absences: 9}, 1_000_000_000)
	second, _, _ := Judge(p, Conviction{Offence: WrongModel}, 5, record, 800_000_000)
	if first.Tombstone || first.Fine != 200_000_000 || first.Jail != 3*24*3600 {
		t.Errorf("the first: %+v", first)
	}
	if !second.Tombstone || second.Fine != 800_000_000 {
		t.Errorf("the second: %+v", second)
	}
}

func TestRecordsDoNotWrap(t *testing.T) {
	_, r, _ := Judge(Default(), Conviction{Offence: WrongModel}, 5, Record{Frauds: math.MaxUint32}, 1)
	if r.Frauds != math.MaxUint32 {
		t.Error(r)
	}
}

func TestRefusals(t *testing.T) {
	if _, _, err := Judge(Default(), Conviction{Offence: 7}, 5, Record{}, 1); !errors.Is(err, ErrOffence) {
		t.Error(err)
	}
	for name, change := range map[string]func(*Params){
		"burn too little":        func(p *Params) { p.VictimBps = Whole - LeastBurnBps },
		"a repeat is cheaper":    func(p *Params) { p.Rules[0].RepeatBps = 0 },
		"more than all":          func(p *Params) { p.Rules[0].RepeatBps = Whole + 1 },
		"jail for ever":          func(p *Params) { p.Rules[0].Jail = MaxJail + 1 },
		"an absence tombstones":  func(p *Params) { p.Rules[NoAnswer-1].Tombstone = 1 },
		"parts that wrap around": func(p *Params) { p.VictimBps, p.FinderBps = 1<<31, 1<<31 },
	} {
		p := Default()
		change(&p)
		if err := p.Validate(); !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
