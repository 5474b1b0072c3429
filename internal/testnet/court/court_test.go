package court

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mechanism "github.com/koinon/koinon/internal/mechanism/court"
)

var update = flag.Bool("rewrite", false, "write testdata anew")

// caught says that the cheats were convicted and nothing is open.
func (w *world) caught() bool {
	for _, s := range w.sellers {
		guilty := map[string]uint32{"quantiser": s.record.Frauds, "truncator": s.record.Frauds, "stopper": s.record.Frauds, "copier": s.record.Absences, "silent": s.record.Absences}
		if n, cheats := guilty[s.name]; cheats && n == 0 {
			return false
		}
	}
	for i := range w.cases {
		if w.cases[i].Held() > 0 {
			return false
		}
	}
	return true
}

// untouched fails if anybody honest has lost anything.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	for _, s := range w.sellers {
		if strings.HasPrefix(s.name, "honest") && (s.bond != 500_000_000 || s.record.Frauds+s.record.Absences > 0 || s.jailed > 0) {
			t.Errorf("seed %d: %s was touched: %+v, bond %d", w.seed, s.name, s.record, s.bond)
		}
	}
	for _, s := range w.sitters {
		if s.how == honest && (s.bond != 200_000_000 || s.record.Frauds+s.record.Absences > 0) {
			t.Errorf("seed %d: %s was touched: %+v, bond %d", w.seed, s.name, s.record, s.bond)
		}
	}
	for i := range w.cases {
		c := &w.cases[i]
		accused, accuser := strings.HasPrefix(c.Provider, "honest"), w.sitter(c.Accuser).how
		switch {
		case accused && c.Outcome == mechanism.Convicted:
			t.Errorf("seed %d: case %d convicts %s", w.seed, c.ID, c.Provider)
		case !accused && accuser == honest && c.Outcome != mechanism.Convicted:
			t.Errorf("seed %d: case %d against %s ends %s, and %s loses its bond", w.seed, c.ID, c.Provider, c.Outcome, c.Accuser)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(w.lines, "\n"))
	}
}

// Of six providers one serves a quantised twin, one does not read all of a prompt,
// one stops early and says that the model did, one copies answers to challenges and
// one is silent: each is convicted
// and slashed. Nobody honest loses anything, whatever a third of the auditors do,
// and though everybody may be killed at any moment.
func TestCheatsAreConvictedAndNobodyElse(t *testing.T) {
	seeds := uint64(50)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		crooks := []cast{{}, {liars: 3}, {shills: 3}, {liars: 1, shills: 1, absent: 1}}[seed%4]
		crooks.crashes = seed%2 == 1
		w := newWorld(t, seed+1, crooks)
		w.run(context.Background(), 120, w.caught)
		w.untouched(t)
		for _, name := range []string{"quantiser", "truncator", "stopper", "copier", "silent"} {
			if s := w.seller(name); s.bond == 500_000_000 || s.jailed == 0 {
				t.Errorf("seed %d: %s was not punished: bond %d", w.seed, name, s.bond)
			}
		}
	}
}

// A transcript of one world, to read.
func TestTranscript(t *testing.T) {
	w := newWorld(t, 2, cast{liars: 2, shills: 1})
	w.run(context.Background(), 120, w.caught)
	w.untouched(t)
	file := filepath.Join("testdata", "court.txt")
	got := strings.Join(w.lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the transcript has changed; run with -rewrite and read the difference:\n%s", got)
	}
}
