package court

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/auditor/store"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	mechanism "github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/receipt"
)

const (
	tick   = 1800 // seconds
	window = 30 * 24 * 3600
)

// world is a network of sellers and auditors, the rules of its ledger and its
// money, with a clock and chance of its own.
type world struct {
	t      testing.TB
	now    int64
	height int64
	chance *rand.Rand
	seed   uint64
	drawn  uint64 // digests

	chain   string
	model   receipt.Digest
	sellers []*seller
	sitters []*sitter
	engines map[*engine.Model]*engine.Engine

	params  mechanism.Params
	penalty penalty.Params
	cases   []mechanism.Case
	files   map[uint64]*file

	fund    uint64            // ucredit
	credit  map[string]uint64 // ucredit
	burnt   uint64            // ukoin
	koin    map[string]uint64 // ukoin, paid out of fines
	minted  uint64            // ucredit at all
	bonded  uint64            // ukoin at all
	crashes bool
	lines   []string
}

// file is what the ledger has of a case beside its state.
type file struct {
	receipt receipt.Receipt
	sealed  []byte
	game    *bisection.Game
}

// cast says who plays.
type cast struct {
	liars, shills, absent int
	crashes               bool
}

func newWorld(t testing.TB, seed uint64, c cast) *world {
	bard, twin := weights(t)
	w := &world{
		t: t, chance: rand.New(rand.NewPCG(seed, 5)), seed: seed, chain: "koinon-court", model: receipt.Sum([]byte("bard@1")),
		engines: map[*engine.Model]*engine.Engine{}, params: mechanism.Default(), penalty: penalty.Default(),
		files: map[uint64]*file{}, fund: 1_000_000_000, credit: map[string]uint64{}, koin: map[string]uint64{}, crashes: c.crashes,
	}
	for _, m := range []*engine.Model{bard.Model, twin.Model} {
		w.engines[m] = engine.New(m, engine.Options{Slots: 1, Queue: 4, Threads: 1})
	}
	for _, s := range []*seller{
		{name: "honest", weights: bard, challenged: answers}, {name: "quantiser", weights: twin, challenged: answers},
		{name: "truncator", weights: bard, cut: 5, challenged: answers},
		{name: "copier", weights: bard, challenged: copies}, {name: "silent", weights: bard, challenged: silent},
		{name: "stopper", weights: bard, stops: 4, challenged: answers},
	} {
		s.court = view{w, s.name}
		s.w, s.bond, s.kept = w, 500_000_000, map[receipt.Digest]provider.Evidence{}
		private := sha256.Sum256([]byte(s.name))
		s.key = ed25519.NewKeyFromSeed(private[:])
		s.start()
		w.bonded += s.bond
		w.sellers = append(w.sellers, s)
	}
	how := []malice{honest, honest, honest, honest, honest, honest}
	for range c.liars {
		how = append(how, liar)
	}
	for range c.shills {
		how = append(how, shill)
	}
	for range c.absent {
		how = append(how, absent)
	}
	for i, h := range how {
		w.seat(t, fmt.Sprintf("auditor-%d", i+1), h)
	}
	w.minted = w.fund
	for _, credit := range w.credit {
		w.minted += credit
	}
	return w
}

func (w *world) seat(t testing.TB, name string, how malice) {
	key, err := bench.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := store.Open(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	s := &sitter{w: w, name: name, how: how, key: key, store: kept, bond: 200_000_000}
	s.start()
	w.bonded += s.bond
	w.credit[name] = 100_000_000
	w.sitters = append(w.sitters, s)
}

func (w *world) time() time.Time { return time.Unix(w.now, 0) }

func (w *world) engineOf(s *seller) *engine.Engine { return w.engines[s.weights.Model] }

// digest is the next of the world's own randomness.
func (w *world) digest() receipt.Digest {
	w.drawn++
	return receipt.Sum(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte("world"), w.seed), w.drawn))
}

// randomness is a block's.
func (w *world) randomness() receipt.Digest {
	return receipt.Sum(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte("block"), w.seed), uint64(w.height)))
}

// prompt is one that cannot be told from another.
func (w *world) prompt() string {
	words := []string{"the", "river", "of", "evening", "sings", "to", "no", "one", "and", "a", "lamp", "burns", "under", "old", "stones"}
	var text []string
	for range 5 + w.chance.IntN(5) {
		text = append(text, words[w.chance.IntN(len(words))])
	}
	return strings.Join(text, " ")
}

func (w *world) seller(name string) *seller {
	for _, s := range w.sellers {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (w *world) sitter(name string) *sitter {
	for _, s := range w.sitters {
		if s.name == name {
			return s
		}
	}
	return nil
}

// say writes a line of the transcript.
func (w *world) say(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("day %2d %02d:%02d  ", w.now/86400, w.now%86400/3600, w.now%3600/60)+fmt.Sprintf(format, args...))
}

// earn pays a provider for an answer; the money waits.
func (w *world) earn(s *seller, from *sitter, amount uint64) {
	w.credit[from.name] -= amount
	s.maturing = append(s.maturing, earning{amount, w.now + window})
}

// run lets time pass until a condition holds. In each hour everybody acts once,
// in an order that chance gives, one auditor or two go shopping, and deadlines
// fall due.
func (w *world) run(ctx context.Context, days int, until func() bool) {
	w.t.Helper()
	for range days * 86400 / tick {
		if until() {
			return
		}
		w.now, w.height = w.now+tick, w.height+1
		w.draws()
		for _, i := range w.chance.Perm(len(w.sitters) + len(w.sellers)) {
			w.act(ctx, i)
			w.check()
		}
		if w.now%86400 == 0 {
			w.challenge(ctx)
		}
		if w.now%(6*3600) == 0 {
			w.shop(ctx)
		}
		w.expire()
		w.mature()
		w.check()
	}
	if !until() {
		w.t.Fatalf("seed %d: not over after %d days:\n%s", w.seed, days, strings.Join(w.lines, "\n"))
	}
}

// act lets one of them do what is its turn. It may have been killed before.
func (w *world) act(ctx context.Context, i int) {
	if killed := w.crashes && w.chance.IntN(3) == 0; i < len(w.sitters) {
		s := w.sitters[i]
		if killed {
			s.start()
		}
		if err := s.step(ctx); err != nil && s.how == honest {
			w.t.Fatalf("seed %d: %s: %v", w.seed, s.name, err)
		}
	} else {
		s := w.sellers[i-len(w.sitters)]
		if killed {
			s.start()
		}
		if err := s.step(ctx); err != nil && strings.HasPrefix(s.name, "honest") {
			w.t.Fatalf("seed %d: %s: %v", w.seed, s.name, err)
		}
	}
}

// shop sends an auditor to a provider, both drawn; whether it goes is the
// provider's audit rate.
func (w *world) shop(ctx context.Context) {
	from := w.sellers[w.chance.IntN(len(w.sellers))]
	by := w.sitters[w.chance.IntN(len(w.sitters))]
	rate := mechanism.Rate(from.clean, 10, 20_000, false)
	if !from.sells() || !by.sits() || w.chance.Uint64N(mechanism.Million) >= rate {
		return
	}
	if err := by.shop(ctx, from); err != nil {
		w.t.Fatalf("seed %d: %s buys of %s: %v", w.seed, by.name, from.name, err)
	}
}

// mature pays out what nobody can take any more.
func (w *world) mature() {
	for _, s := range w.sellers {
		for len(s.maturing) > 0 && s.maturing[0].at <= w.now {
			w.credit[s.name] += s.maturing[0].amount
			s.maturing = s.maturing[1:]
		}
	}
}

// check is the ledger's promise: no money is made or lost, in either token.
func (w *world) check() {
	w.t.Helper()
	credit := w.fund
	for _, amount := range w.credit {
		credit += amount
	}
	for i := range w.cases {
		credit += w.cases[i].Held()
	}
	koin := w.burnt
	for _, amount := range w.koin {
		koin += amount
	}
	for _, s := range w.sellers {
		koin += s.bond
		for _, e := range s.maturing {
			credit += e.amount
		}
	}
	for _, s := range w.sitters {
		koin += s.bond
	}
	if credit != w.minted || koin != w.bonded {
		w.t.Fatalf("seed %d: %d of %d ucredit, %d of %d ukoin:\n%s", w.seed, credit, w.minted, koin, w.bonded, strings.Join(w.lines, "\n"))
	}
}
