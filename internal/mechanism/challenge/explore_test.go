package challenge

import (
	"fmt"
	"testing"

	"github.com/koinon/koinon/receipt"
)

// The explorer plays every course that a challenge of three providers can take:
// an honest one, who has some delay; one who does as it likes, with answers
// right and wrong and those of others; and one who may be honest, or silent.
// The ledger makes blocks at any pace and stands still at any time.

const explored = 3

var (
	exploreParams = Params{Epoch: 100, Commit: 2, Reveal: 2, Verdict: 2, Blocks: 2, Tokens: 4}
	names         = [explored]string{"honest", "copier", "sleepy"} // of one length, as addresses are
	right, wrong  = receipt.Digest{1}, receipt.Digest{2}
	salts         = [explored][32]byte{{1}, {2}, {3}}
)

// world is one state; equal worlds have equal futures.
type world struct {
	challenge    Challenge
	participants [explored]participant
	now, height  int64
	tallies      [2]uint64 // bonds behind right and wrong
	punished     [explored]int
	// turns is how many blocks there were in this stage, which is what the
	// honest have.
	turns int
}

// participant is a Participant with what can be compared.
type participant struct {
	commitment, digest receipt.Digest
	revealed           bool
	outcome            Outcome
}

func (w *world) get(i int) Participant {
	q := w.participants[i]
	return Participant{Provider: names[i], Bond: uint64(i)*10 + 10, Commitment: q.commitment, Revealed: q.revealed, Answer: Answer{Digest: q.digest}, Outcome: q.outcome}
}

func (w *world) set(i int, q Participant) {
	w.participants[i] = participant{q.Commitment, q.Answer.Digest, q.Revealed, q.Outcome}
}

// commit and reveal return the worlds after a transaction that was taken.
func (w world) commit(i int, commitment receipt.Digest) []world {
	q, err := w.challenge.Commit(w.get(i), commitment)
	if err != nil {
		return nil
	}
	w.set(i, q)
	return []world{w}
}

func (w world) reveal(i int, answer receipt.Digest, salt [32]byte) []world {
	q, err := w.challenge.Reveal(w.get(i), Answer{Digest: answer}, salt)
	if err != nil {
		return nil
	}
	w.set(i, q)
	if answer == right {
		w.tallies[0] += q.Bond
	} else {
		w.tallies[1] += q.Bond
	}
	return []world{w}
}

// free are the moves of those who do as they like.
func (w world) free() (next []world) {
	seed := w.challenge.Seed
	// The copier commits to right and wrong, or copies another's commitment, and
	// reveals whatever it has seen with whatever salt.
	for _, answer := range []receipt.Digest{right, wrong} {
		next = append(next, w.commit(1, Commitment(seed, answer, names[1], salts[1]))...)
	}
	next = append(next, w.commit(1, w.participants[0].commitment)...)
	for _, answer := range []receipt.Digest{right, wrong} {
		for _, salt := range salts[:2] {
			next = append(next, w.reveal(1, answer, salt)...)
		}
	}
	// The sleepy one may act as the honest does, at any time or not at all.
	next = append(next, w.commit(2, Commitment(seed, right, names[2], salts[2]))...)
	return append(next, w.reveal(2, right, salts[2])...)
}

// leader is the tally that leads.
func (w *world) leader() Tally {
	r, l := Tally{Answer{Digest: right}, w.tallies[0]}, Tally{Answer{Digest: wrong}, w.tallies[1]}
	if l.Bond > 0 && (r.Bond == 0 || l.Leads(r)) {
		return l
	}
	return r
}

// block makes a block some seconds later. The honest act with one block's
// delay: their transaction is in the second block of a stage at the latest.
func (w world) block(t *testing.T, seconds int64) world {
	w.now += seconds
	w.height++
	w.turns++
	if w.turns == 1 {
		var acted []world
		switch w.challenge.Stage {
		case Committing:
			acted = w.commit(0, Commitment(w.challenge.Seed, right, names[0], salts[0]))
		case Revealing:
			acted = w.reveal(0, right, salts[0])
		}
		if len(acted) == 1 {
			w = acted[0]
		}
	}
	before := w.challenge.Stage
	w.challenge = w.challenge.Advance(exploreParams, w.now, w.height)
	if w.challenge.Stage == Judging {
		w.judge(t)
	}
	if w.challenge.Stage != before {
		w.turns = 0
	}
	return w
}

func (w *world) judge(t *testing.T) {
	for i := range w.participants {
		c, q, err := w.challenge.Judge(w.get(i), w.leader(), false, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Judge(q, w.leader(), false, false); err == nil {
			t.Fatal("judged twice")
		}
		w.challenge = c
		w.set(i, q)
		if q.Outcome == NoAnswer {
			w.punished[i]++
		}
	}
	var err error
	if w.challenge, err = w.challenge.Conclude(exploreParams, w.now, w.height); err != nil {
		t.Fatal(err)
	}
}

// court are the judgements that a court which finds the truth can make, of each
// and in any order.
func (w world) court() (next []world) {
	for i := range w.participants {
		q, err := w.challenge.Decide(w.get(i), w.participants[i].digest == right)
		if err != nil {
			continue
		}
		after := w
		after.set(i, q)
		if q.Outcome == Convicted {
			after.punished[i]++
		}
		next = append(next, after)
	}
	return next
}

// check is what must hold in every state.
func (w *world) check(t *testing.T) {
	if w.punished[0] > 0 || w.participants[0].outcome == NoAnswer || w.participants[0].outcome == Convicted {
		t.Fatalf("the honest one is punished: %+v", *w)
	}
	for i, n := range w.punished {
		if n > 1 {
			t.Fatalf("%s is punished %d times", names[i], n)
		}
		guilty := w.participants[i].outcome == NoAnswer || w.participants[i].outcome == Convicted
		if (n == 1) != guilty {
			t.Fatalf("%s: outcome %q, punished %d times", names[i], w.participants[i].outcome, n)
		}
	}
	if q := w.participants[1]; q.revealed && q.commitment == Commitment(w.challenge.Seed, right, names[0], salts[0]) {
		t.Fatal("a copied commitment was opened")
	}
	if w.challenge.Stage == Closed && !w.participants[2].revealed && w.punished[2] != 1 {
		t.Fatalf("the silent one goes free: %+v", *w)
	}
	if q := w.participants[1]; w.challenge.Stage == Closed && q.revealed && q.digest == wrong && q.outcome == Agreed {
		if w.participants[0].outcome != Differed && w.participants[0].outcome != Upheld {
			t.Fatalf("nobody noticed a wrong answer: %+v", *w)
		}
	}
}

// Every course of a challenge ends, punishes nobody twice and the honest never.
func TestEveryCourse(t *testing.T) {
	first := world{challenge: Challenge{Stage: Enrolled}}
	var err error
	if first.challenge, err = first.challenge.Draw(exploreParams, receipt.Digest{9}, 0, 0); err != nil {
		t.Fatal(err)
	}
	seen := map[world]bool{}
	endings := map[string]int{}
	ends := map[world]bool{} // whether blocks alone lead to the end
	var visit func(w world)
	visit = func(w world) {
		if seen[w] {
			return
		}
		seen[w] = true
		w.check(t)
		if w.challenge.Stage == Closed {
			endings[fmt.Sprint(w.participants[0].outcome, ", ", w.participants[1].outcome, ", ", w.participants[2].outcome)]++
			return
		}
		steps := 0
		for x := w; x.challenge.Stage != Closed; steps++ {
			if ends[x] {
				break
			}
			ends[x] = true
			if x = x.block(t, 1); steps > 20 {
				t.Fatalf("a challenge does not end: %+v", w)
			}
		}
		for _, next := range w.free() {
			visit(next)
		}
		for _, next := range w.court() {
			visit(next)
		}
		for _, seconds := range []int64{0, 1, 10} { // 10: the ledger stood still beyond a deadline
			if seconds == 0 && w.turns > 2 {
				continue // blocks without time change nothing more
			}
			visit(w.block(t, seconds))
		}
	}
	visit(first)
	t.Logf("%d states; endings of honest, copier and sleepy: %v", len(seen), endings)
	for _, want := range []string{"agreed, agreed, agreed", "agreed, no answer, no answer", "upheld, convicted, upheld", "upheld, convicted, no answer", "agreed, differed, agreed", "differed, agreed, no answer"} {
		if endings[want] == 0 {
			t.Errorf("no course ends with %s: the explorer sees too little", want)
		}
	}
}
