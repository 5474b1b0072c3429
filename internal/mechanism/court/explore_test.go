package court

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// The explorer tries every order of moves and of missed deadlines in small cases:
// whatever anybody does or fails to do, in every state that can be reached,
//   - somebody may move, or the deadline moves the case on: no deadlock;
//   - from every state, doing nothing leads to the end: no bond is stuck;
//   - what came into the case is what left it and what it holds: money is kept;
//   - who has to move has the whole time that the parameters give;
//   - nobody is convicted twice, and nobody who did not move in vain.

// node is a case and what has happened to it so far.
type node struct {
	Case      Case
	In, Out   uint64
	Convicted []string // references
	Games     int      // moves made in this game
}

func (n node) clone() node {
	c := n
	c.Case.Seats = slices.Clone(n.Case.Seats)
	c.Case.Challengers = slices.Clone(n.Case.Challengers)
	c.Case.Sat = slices.Clone(n.Case.Sat)
	c.Convicted = slices.Clone(n.Convicted)
	return c
}

// key names what matters of a node: times are relative.
func (n node) key(now int64) string {
	n.Case.Deadline -= now
	n.Case.OpenedAt, n.Case.Height = 0, 0
	b, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// world is one small setting.
type world struct {
	bench      Bench
	filing     Filing
	candidates []Candidate
	votes      []Vote
	maxMoves   int // of one game
}

// step is one thing that somebody can do, or time.
type step struct {
	name string
	do   func(*node) error
}

func digest(text string) receipt.Digest { return receipt.Sum([]byte(text)) }

// steps are all that can happen in a node before its deadline, and the deadline.
func (w *world) steps(n node, b Bench) []step {
	var list []step
	add := func(name string, do func(*node, Bench) (Effects, error)) {
		list = append(list, step{name, func(n *node) error { return n.run(b, do) }})
	}
	c := &n.Case
	switch c.State {
	case Drawing:
		add("draw", func(n *node, b Bench) (Effects, error) { return n.Case.Draw(b, digest("beacon"), w.candidates) })
		poor := b
		poor.Fund = 0
		list = append(list, step{"draw from an empty fund", func(n *node) error {
			return n.run(poor, func(n *node, b Bench) (Effects, error) { return n.Case.Draw(b, digest("beacon"), w.candidates) })
		}})
	case Sealing:
		add("seal", func(n *node, b Bench) (Effects, error) { return Effects{}, n.Case.Seal(b, c.Accuser) })
	case Committing:
		for _, s := range c.Seats {
			for i, v := range w.votes {
				add(fmt.Sprintf("%s commits to vote %d", s.Auditor, i), func(n *node, b Bench) (Effects, error) {
					return Effects{}, n.Case.Commit(b, s.Auditor, Commitment(c.ID, c.Stage, s.Auditor, v, receipt.Digest{}))
				})
			}
		}
	case Opening:
		add("open", func(n *node, b Bench) (Effects, error) {
			n.Case.opened(b, w.votes[0].Leaves)
			return Effects{}, nil
		})
	case Revealing:
		for _, s := range c.Seats {
			for i, v := range w.votes {
				add(fmt.Sprintf("%s reveals vote %d", s.Auditor, i), func(n *node, b Bench) (Effects, error) {
					return n.Case.Reveal(b, s.Auditor, v, receipt.Digest{})
				})
			}
		}
	case Playing:
		w.play(n, add)
	case Unmasking:
		for _, good := range []bool{true, false} {
			add(fmt.Sprintf("unmask %v", good), func(n *node, b Bench) (Effects, error) { return n.Case.Unmask(b, good) })
		}
	}
	late := b
	late.Now = c.Deadline
	if c.State != Closed {
		list = append(list, step{"deadline", func(n *node) error {
			return n.run(late, func(n *node, b Bench) (Effects, error) { return n.Case.Expire(b) })
		}})
	}
	return list
}

// play moves a game of at most so many moves, which may end with either side's
// victory at each.
func (w *world) play(n node, add func(string, func(*node, Bench) (Effects, error))) {
	if n.Games < w.maxMoves {
		add("move", func(n *node, b Bench) (Effects, error) {
			n.Games++
			n.Case.Played(b, !n.Case.AccusedTurn)
			return Effects{}, nil
		})
	}
	for _, byAccused := range []bool{true, false} {
		add(fmt.Sprintf("accused wins: %v", byAccused), func(n *node, b Bench) (Effects, error) {
			n.Games = 0
			n.Case.Won(b, byAccused)
			return Effects{}, nil
		})
	}
}

// run does one thing and keeps the books.
func (n *node) run(b Bench, do func(*node, Bench) (Effects, error)) error {
	held := n.Case.Held()
	e, err := do(n, b)
	if err != nil {
		if n.Case.Held() != held {
			return fmt.Errorf("a refusal moved money")
		}
		return errRefused
	}
	n.In += e.FromFund
	for _, p := range e.Payments {
		n.Out += p.Amount
	}
	for _, v := range e.Convictions {
		n.Convicted = append(n.Convicted, v.Reference)
		if v.Offence == penalty.WrongModel && n.Case.Outcome != Convicted {
			return fmt.Errorf("the accused is slashed though the case is %v", n.Case.Outcome)
		}
	}
	return n.check(b)
}

var errRefused = fmt.Errorf("refused")

// check verifies what holds in every state.
func (n *node) check(b Bench) error {
	c := &n.Case
	if n.In != n.Out+c.Held() {
		return fmt.Errorf("%d came in, %d went out, %d is held", n.In, n.Out, c.Held())
	}
	list := slices.Sorted(slices.Values(n.Convicted))
	if len(slices.Compact(list)) != len(n.Convicted) {
		return fmt.Errorf("convicted twice: %v", n.Convicted)
	}
	lasts := map[State]int64{Drawing: b.DrawFor, Sealing: b.SealFor, Committing: b.CommitFor, Opening: b.OpenFor,
		Revealing: b.RevealFor, Playing: b.MoveFor, Unmasking: b.UnmaskFor}[c.State]
	switch {
	case c.State == Closed && c.Held() > 0:
		return fmt.Errorf("closed with %d ucredit in it", c.Held())
	case c.State == Closed && c.Outcome == Undecided:
		return fmt.Errorf("closed without an outcome")
	case c.State != Closed && c.Deadline != b.Now+lasts && c.Deadline <= b.Now:
		return fmt.Errorf("%v has no time left", c.State)
	case c.State == Playing && len(c.Challengers) == 0:
		return fmt.Errorf("nobody plays")
	}
	return nil
}

// explore visits everything that can be reached, and returns how many states
// there are and how often each outcome is.
func (w *world) explore(t *testing.T) (int, map[Outcome]int) {
	t.Helper()
	b := w.bench
	first, err := Open(b, 1, w.filing)
	if err != nil {
		t.Fatal(err)
	}
	start := node{Case: first, In: first.Held()}
	seen := map[string]bool{start.key(b.Now): true}
	outcomes := map[Outcome]int{}
	type place struct {
		node node
		now  int64
		path *trail
	}
	for stack := []place{{start, b.Now, nil}}; len(stack) > 0; {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		b.Now = at.now
		steps := w.steps(at.node, b)
		if at.node.Case.State == Closed {
			outcomes[at.node.Case.Outcome]++
			continue
		}
		moved := 0
		for _, s := range steps {
			next, path := at.node.clone(), &trail{at.path, s.name}
			err := s.do(&next)
			if err == errRefused {
				continue
			}
			if err != nil {
				t.Fatalf("%v\nafter %v", err, path)
			}
			if err := w.fair(at.node.Case, next.Case, s.name, b); err != nil {
				t.Fatalf("%v\nafter %v", err, path)
			}
			moved++
			now := at.now
			if s.name == "deadline" {
				now = at.node.Case.Deadline
			}
			if k := next.key(now); !seen[k] {
				seen[k] = true
				stack = append(stack, place{next, now, path})
			}
		}
		if moved == 0 {
			t.Fatalf("deadlock in %v after %v", at.node.Case.State, at.path)
		}
	}
	return len(seen), outcomes
}

// fair checks that a state which was just entered lasts as long as it should, so
// that whoever has to answer can.
func (w *world) fair(before, after Case, name string, b Bench) error {
	if before.State == after.State && (after.State != Playing || name != "move") {
		return nil
	}
	now := b.Now
	if name == "deadline" {
		now = before.Deadline
	}
	lasts := map[State]int64{Drawing: b.DrawFor, Sealing: b.SealFor, Committing: b.CommitFor, Opening: b.OpenFor,
		Revealing: b.RevealFor, Playing: b.MoveFor, Unmasking: b.UnmaskFor, Closed: b.KeepFor}[after.State]
	if after.Deadline != now+lasts {
		return fmt.Errorf("%v begins at %d and ends at %d, not after %d", after.State, now, after.Deadline, lasts)
	}
	return nil
}

// trail is how a node was reached.
type trail struct {
	before *trail
	name   string
}

func (t *trail) String() string {
	if t == nil {
		return "opening"
	}
	return t.before.String() + "\n  " + t.name
}

func smallBench() Bench {
	p := Default()
	p.Positions = 1
	return Bench{Params: p, Fund: 1_000_000_000, Now: 1_000, Height: 5}
}

func auditors(n int) []Candidate {
	var list []Candidate
	for i := range n {
		list = append(list, Candidate{Account: fmt.Sprintf("auditor%d", i), Bond: 10})
	}
	return list
}

func exactWorld(claimed bool) *world {
	w := &world{bench: smallBench(), candidates: auditors(3), maxMoves: 3}
	w.bench.Exact = []Stage{{Size: 1}, {Size: 2}}
	w.filing = Filing{Receipt: digest("receipt"), Root: digest("root"), Steps: 1, Provider: "provider", Accuser: "accuser", Payer: "payer", Exact: true, Cost: 100}
	leaf := []receipt.Digest{digest("leaf")}
	if claimed {
		w.filing.Claimed = digest("other root")
	}
	w.votes = []Vote{
		{Root: digest("root"), Leaves: leaf},                                    // ran it
		{Root: digest("other root"), Leaves: []receipt.Digest{digest("other")}}, // contradicts
		{Root: digest("root"), Leaves: []receipt.Digest{digest("guess")}},       // copied the root
		{Reason: Unreadable},
	}
	return w
}

func statisticalWorld() *world {
	w := &world{bench: smallBench(), candidates: auditors(5)}
	w.bench.Statistical, w.bench.LeastToSlash = []Stage{{2, whole}, {3, 6_000}}, 3
	w.bench.Profile = Profile{Profile: eprocess.Profile{Mean: 1_000, Bet: 999 * eprocess.Unit}, Tolerance: 10, Slashable: true}
	// One more high score reaches either threshold.
	for range 3 {
		w.bench.Watch, _ = eprocess.Add(w.bench.Watch, w.bench.Profile.Profile, eprocess.Unit/2)
		w.bench.Guilt, _ = eprocess.Add(w.bench.Guilt, w.bench.Profile.Profile, eprocess.Unit/2)
	}
	w.filing = Filing{Receipt: digest("receipt"), Root: digest("root"), Steps: 9, Provider: "provider", Accuser: "accuser", Payer: "payer", Cost: 100}
	w.votes = []Vote{{Scores: []uint32{0}}, {Scores: []uint32{MaxScore}}, {Reason: Engine}}
	return w
}

// openWorld has no evidence before, so that one case can only raise suspicion.
func openWorld() *world {
	w := statisticalWorld()
	w.bench.Watch, w.bench.Guilt = eprocess.Evidence{}, eprocess.Evidence{}
	w.bench.Profile.Bet = eprocess.Unit
	return w
}

// escalated is a world whose accuser pays no bond.
func escalated(w *world) *world {
	w.filing.Escalated = true
	return w
}

func TestEveryOrderOfMoves(t *testing.T) {
	for _, c := range []struct {
		name  string
		world *world
		want  []Outcome
	}{
		{"exact", exactWorld(false), []Outcome{Convicted, Cleared, Void, Dismissed, Planted}},
		{"exact, the accuser has run it", exactWorld(true), []Outcome{Convicted, Cleared, Dismissed, Planted}},
		{"exact, escalated", escalated(exactWorld(false)), []Outcome{Convicted, Cleared, Void, Dismissed, Planted}},
		{"statistical, escalated", escalated(openWorld()), []Outcome{Convicted, Cleared, Unproven, Void, Dismissed, Planted}},
		{"statistical, suspected before", statisticalWorld(), []Outcome{Convicted, Cleared, Void, Dismissed, Planted}},
		{"statistical, without a record", openWorld(), []Outcome{Convicted, Cleared, Unproven, Void, Dismissed, Planted}},
	} {
		states, outcomes := c.world.explore(t)
		t.Logf("%s: %d states, ends: %v", c.name, states, outcomes)
		for _, o := range c.want {
			if outcomes[o] == 0 {
				t.Errorf("%s: no way leads to %v", c.name, o)
			}
		}
	}
}

// FuzzCase plays what bytes say: each picks one of the things that can happen.
func FuzzCase(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0}, false)
	f.Add([]byte{0, 0, 1, 0, 1, 0, 2, 9}, true)
	f.Fuzz(func(t *testing.T, picks []byte, exact bool) {
		w := statisticalWorld()
		if exact {
			w = exactWorld(len(picks)%2 == 0)
		}
		b := w.bench
		c, err := Open(b, 1, w.filing)
		if err != nil {
			t.Fatal(err)
		}
		n := node{Case: c, In: b.DisputeBond}
		for _, pick := range picks {
			steps := w.steps(n, b)
			if len(steps) == 0 {
				break
			}
			s := steps[int(pick)%len(steps)]
			before := n.clone()
			if err := s.do(&n); err != nil && err != errRefused {
				t.Fatalf("%s in %v: %v", s.name, before.Case.State, err)
			}
			if s.name == "deadline" {
				b.Now = max(b.Now, before.Case.Deadline)
			}
		}
	})
}
