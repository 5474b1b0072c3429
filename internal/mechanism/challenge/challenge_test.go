package challenge

import (
	"crypto/ed25519"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

func anyDigest(t *rapid.T, name string) receipt.Digest {
	d := receipt.Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, name))
	d[0] |= 1 // never zero
	return d
}

// One who reveals another's answer, or commits to another's commitment, never
// matches: the commitment covers the address.
func TestTheCopierNeverMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Challenge{Stage: Committing, Seed: anyDigest(t, "seed")}
		answer, guess := anyDigest(t, "answer"), anyDigest(t, "guess")
		salt, other := [32]byte(anyDigest(t, "salt")), [32]byte(anyDigest(t, "other salt"))
		address := rapid.StringMatching("koinon1[a-z]{4}")
		owner, copier := address.Draw(t, "owner"), address.Draw(t, "copier")
		if owner == copier {
			return
		}
		own := Commitment(c.Seed, answer, owner, salt)
		honest, err := c.Commit(Participant{Provider: owner}, own)
		if err != nil {
			t.Fatal(err)
		}
		committed := own // the copier's choice before any answer is known: another's, or some guess
		if rapid.Bool().Draw(t, "guesses") && guess != answer {
			committed = Commitment(c.Seed, guess, copier, other)
		}
		thief, err := c.Commit(Participant{Provider: copier}, committed)
		if err != nil {
			t.Fatal(err)
		}
		c.Stage = Revealing
		if honest, err = c.Reveal(honest, Answer{Digest: answer}, salt); err != nil {
			t.Fatal(err)
		}
		for _, s := range [][32]byte{salt, other} {
			if _, err := c.Reveal(thief, Answer{Digest: honest.Answer.Digest}, s); !errors.Is(err, ErrCommitment) {
				t.Fatalf("the copied answer is taken: %v", err)
			}
		}
	})
}

func TestACommitmentIsOfOneSeed(t *testing.T) {
	c := Challenge{Stage: Revealing, Seed: receipt.Digest{1}}
	old := Commitment(receipt.Digest{2}, receipt.Digest{3}, "p", [32]byte{})
	if _, err := c.Reveal(Participant{Provider: "p", Commitment: old}, Answer{Digest: receipt.Digest{3}}, [32]byte{}); !errors.Is(err, ErrCommitment) {
		t.Errorf("an answer to another prompt is taken: %v", err)
	}
}

// Outside its stage each move is refused and changes nothing.
func TestMovesHaveTheirStage(t *testing.T) {
	q := Participant{Provider: "p"}
	salt := [32]byte{5}
	committed := q
	committed.Commitment = Commitment(receipt.Digest{}, right, "p", salt)
	for stage := Enrolled; stage <= Closed; stage++ {
		c := Challenge{Stage: stage}
		moves := map[Stage]func() error{
			Enrolled:   func() error { _, err := c.Draw(exploreParams, right, 0, 0); return err },
			Committing: func() error { _, err := c.Commit(q, right); return err },
			Revealing:  func() error { _, err := c.Reveal(committed, Answer{Digest: right}, salt); return err },
			Judging:    func() error { _, _, err := c.Judge(q, Tally{}, false, false); return err },
			Disputed:   func() error { _, err := c.Decide(Participant{Outcome: Differed}, true); return err },
		}
		for want, move := range moves {
			if err := move(); (err == nil) != (stage == want) || err != nil && !errors.Is(err, ErrStage) {
				t.Errorf("a move of %s while %s: %v", want, stage, err)
			}
		}
	}
	if _, err := (Challenge{Stage: Committing}).Commit(committed, right); !errors.Is(err, ErrTwice) {
		t.Errorf("a second commitment: %v", err)
	}
}

// No stage ends before its time and its blocks, whatever the ledger's pace.
func TestEachStageLasts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Params{Commit: rapid.Int64Range(1, 20).Draw(t, "commit"), Reveal: rapid.Int64Range(1, 20).Draw(t, "reveal"), Blocks: rapid.Int64Range(2, 6).Draw(t, "blocks")}
		c, err := Challenge{Stage: Enrolled}.Draw(p, right, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var now, height, since, at int64
		for c.Stage != Judging {
			now += rapid.Int64Range(0, 30).Draw(t, "seconds")
			height++
			before := c.Stage
			if c = c.Advance(p, now, height); c.Stage == before {
				continue
			}
			want := p.Commit
			if before == Revealing {
				want = p.Reveal
			}
			if now-since < want || height-at < p.Blocks {
				t.Fatalf("%s lasted %d seconds and %d blocks", before, now-since, height-at)
			}
			since, at = now, height
		}
	})
}

// Who left or was jailed is excused, unless it answered.
func TestExcused(t *testing.T) {
	c := Challenge{Stage: Judging}
	leader := Tally{Answer: Answer{Digest: right}}
	for _, test := range []struct {
		q       Participant
		excused bool
		want    Outcome
	}{
		{Participant{}, true, Excused}, {Participant{}, false, NoAnswer}, {Participant{Commitment: right}, false, NoAnswer},
		{Participant{Revealed: true, Answer: Answer{Digest: right}}, true, Agreed},
		{Participant{Revealed: true, Answer: Answer{Digest: wrong}}, true, Differed},
	} {
		if _, q, err := c.Judge(test.q, leader, test.excused, false); err != nil || q.Outcome != test.want {
			t.Errorf("%+v, excused is %t: %s %v, not %s", test.q, test.excused, q.Outcome, err, test.want)
		}
	}
}

// The leader does not depend on the order of reveals.
func TestLeaderIsTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := make([]Participant, rapid.IntRange(1, 6).Draw(t, "participants"))
		for i := range list {
			list[i] = Participant{Bond: rapid.Uint64().Draw(t, "bond"), Answer: Answer{Digest: receipt.Digest{rapid.ByteRange(1, 3).Draw(t, "answer")}}}
		}
		lead := func(order []Participant) receipt.Digest {
			tallies := map[receipt.Digest]Tally{}
			var leader Tally
			for _, q := range order {
				tally := tallies[q.Answer.Digest].Add(q)
				tallies[q.Answer.Digest] = tally
				if tally.Leads(leader) {
					leader = tally
				}
			}
			return leader.Answer.Digest
		}
		if a, b := lead(list), lead(rapid.Permutation(list).Draw(t, "order")); a != b {
			t.Fatalf("%s leads, or %s", a, b)
		}
	})
}

// Exact answers are held to the bit. Of the statistical class nothing is compared:
// those whom chance draws are scored, and the court decides about them once.
func TestClasses(t *testing.T) {
	leader := Tally{Answer: Answer{right}}
	for _, test := range []struct {
		statistical, drawn bool
		answer             receipt.Digest
		want               Outcome
		differing          int
	}{
		{false, false, wrong, Differed, 1}, {false, true, right, Agreed, 0},
		{true, false, wrong, Agreed, 0}, {true, true, wrong, Examined, 1}, {true, true, right, Examined, 1},
	} {
		c := Challenge{Stage: Judging, Statistical: test.statistical}
		c, q, err := c.Judge(Participant{Revealed: true, Answer: Answer{test.answer}}, leader, false, test.drawn)
		if err != nil || q.Outcome != test.want || c.Differing != test.differing {
			t.Errorf("%+v: %s, %d, %v", test, q.Outcome, c.Differing, err)
		}
		c.Stage = Disputed
		if q, err = c.Decide(q, false); err != nil || q.Outcome != Convicted {
			t.Errorf("%+v: the court's judgement: %s, %v", test, q.Outcome, err)
		}
	}
	silent, drawn, _ := Challenge{Stage: Judging, Statistical: true}.Judge(Participant{}, leader, false, true)
	if drawn.Outcome != NoAnswer || silent.Differing > 0 {
		t.Errorf("who says nothing: %s", drawn.Outcome)
	}
}

// As many are drawn to be scored as the audit rate and its part say, by randomness
// that nobody can foresee, and each by its own.
func TestDraws(t *testing.T) {
	p := Params{Examine: 100_000}
	for _, rate := range []uint64{0, 20_000, 1_000_000, 1 << 63} {
		const n = 20_000
		drawn := 0
		for i := range uint64(n) {
			if p.Draws(beacon.Value(right, "epoch", i), "provider", rate) {
				drawn++
			}
		}
		want := float64(n) * float64(min(rate, million)) / million / 10
		if off := math.Abs(float64(drawn) - want); off > 5*math.Sqrt(want)+1e-9 {
			t.Errorf("at a rate of %d, %d of %d are drawn, not about %g", rate, drawn, n, want)
		}
	}
	if p.Examine = million; !p.Draws(right, "a", million) {
		t.Error("a rate of one leaves somebody out")
	}
}

func TestPrompt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := anyDigest(t, "seed")
		attempt := rapid.IntRange(0, MaxAttempts-1).Draw(t, "attempt")
		tokens := rapid.Int64Range(2, 200).Draw(t, "tokens")
		prompt := Prompt(seed, attempt, tokens)
		if int64(len(prompt)) != tokens || !slices.Equal(prompt, Prompt(seed, attempt, tokens)) {
			t.Fatalf("prompt %v", prompt)
		}
		for _, id := range prompt {
			if id < 0 || id >= Ids {
				t.Fatalf("token %d", id)
			}
		}
	})
	if slices.Equal(Prompt(Seed(right, "a", 1), 0, 8), Prompt(Seed(right, "a", 2), 0, 8)) || Seed(right, "a", 1) == Seed(right, "b", 1) {
		t.Error("epochs or models share a prompt")
	}
}

// A signed statement is a receipt like any other, and any change of it another.
func TestAStatementIsAReceipt(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	s := Statement{Chain: "c", Class: receipt.Exact, Payer: "koinon1m", Provider: "koinon1p", Model: right, Seed: wrong, Tokens: 4, Steps: 2, Output: []int32{7}, Root: right}
	if err := s.Receipt().Sign(key).Verify(); err != nil {
		t.Fatal(err)
	}
	for i, change := range []func(*Statement){
		func(s *Statement) { s.Chain = "d" }, func(s *Statement) { s.Class = receipt.Statistical }, func(s *Statement) { s.Provider = "koinon1q" }, func(s *Statement) { s.Model = wrong },
		func(s *Statement) { s.Seed = right }, func(s *Statement) { s.Tokens++ }, func(s *Statement) { s.Steps++ },
		func(s *Statement) { s.Attempt++ }, func(s *Statement) { s.Output = []int32{8} }, func(s *Statement) { s.Root = wrong },
	} {
		changed := s
		if change(&changed); changed.Receipt().Hash() == s.Receipt().Hash() {
			t.Errorf("change %d leaves the statement as it was", i)
		}
	}
}

// Challenges begin once in the first half of each epoch, at any second of it
// alike, whatever the pace of blocks.
func TestAnnouncementsAreSpread(t *testing.T) {
	p := Params{Epoch: 40}
	const start, runs = 1000, 4000
	var counts [20]int
	for run := range runs {
		now, before := int64(start-3), int64(start-4)
		for n := uint64(0); ; n++ {
			if Announce(p, beacon.Value(receipt.Digest{byte(run), byte(run >> 8)}, "block", n), start, before, now) {
				break
			}
			before = now
			if n%2 == 1 { // two blocks a second
				now++
			}
		}
		if now < start || now > start+20 {
			t.Fatalf("announced at %d", now-start)
		}
		counts[min(now-start-1, 19)]++
	}
	for second, n := range counts {
		if mean := runs / 20.0; math.Abs(float64(n)-mean) > 5*math.Sqrt(mean) {
			t.Errorf("second %d: %d of %d announcements", second+1, n, runs)
		}
	}
	if Announce(Params{}, receipt.Digest{}, 0, 0, math.MaxInt32) {
		t.Error("an epoch of zero seconds announces")
	}
}

func TestParams(t *testing.T) {
	good := Params{Epoch: 3600, Commit: 600, Reveal: 600, Verdict: 86400, Blocks: 20, Tokens: 64, Steps: 8, Excuse: 24}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Params){
		func(p *Params) { p.Epoch = 2000 }, func(p *Params) { p.Commit = 0 }, func(p *Params) { p.Blocks = 1 },
		func(p *Params) { p.Tokens = MaxTokens + 1 }, func(p *Params) { p.Examine = million + 1 }, func(p *Params) { p.Scored = -1 }, func(p *Params) { p.Epoch = -1 },
	} {
		p := good
		change(&p)
		if err := p.Validate(); !errors.Is(err, ErrParams) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
