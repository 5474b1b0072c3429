package store

import (
	"testing"
	"time"

	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/receipt"
)

// What was written is there after a restart; the first ballot of a stage counts.
func TestWhatIsKeptSurvives(t *testing.T) {
	home, ctx := t.TempDir(), t.Context()
	s, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(home); err == nil {
		t.Error("two processes share a home")
	}
	r := receipt.Receipt{Provider: "peter", Sequence: 7}
	t1 := receipt.Transcript{Request: "{}", Output: []int32{4}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first := bench.Ballot{Vote: court.Vote{Root: receipt.Sum([]byte("root")), Leaves: []receipt.Digest{{1}}}, Salt: receipt.Digest{2}}
	must(s.Keep(ctx, Purchase{Record: receipt.Record{Receipt: r, Transcript: &t1}, Provider: "peter", Epoch: 3, Bought: time.Unix(5, 0)}))
	must(s.KeepBallot(ctx, 9, 1, first))
	must(s.KeepBallot(ctx, 9, 1, bench.Ballot{Salt: receipt.Digest{3}}))
	must(s.Close())

	if s, err = Open(home); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if b, ok, err := s.Ballot(ctx, 9, 1); err != nil || !ok || b.Salt != first.Salt || b.Vote.Root != first.Vote.Root || b.Vote.Leaves[0] != first.Vote.Leaves[0] {
		t.Errorf("%+v, %t, %v", b, ok, err)
	}
	if _, ok, err := s.Ballot(ctx, 9, 2); err != nil || ok {
		t.Errorf("a ballot that was never kept: %t, %v", ok, err)
	}
	if got, ok, err := s.Transcript(ctx, r); err != nil || !ok || got.Output[0] != 4 {
		t.Errorf("%+v, %t, %v", got, ok, err)
	}
	if n, err := s.Bought(ctx, 3, "peter"); err != nil || n != 1 {
		t.Errorf("%d bought, %v", n, err)
	}
	count := func(which Which) int {
		t.Helper()
		list, err := s.Purchases(ctx, which)
		must(err)
		return len(list)
	}
	if count(Unchecked) != 1 || count(Unreported) != 0 {
		t.Error("a new purchase is unchecked, and not to be reported")
	}
	must(s.Found(ctx, r.Hash(), proof.Finding{Verdict: proof.Refuted, Step: 2}))
	if count(Unchecked) != 0 || count(Unreported) != 1 {
		t.Error("a checked purchase is to be reported")
	}
	must(s.Told(ctx, r.Hash(), false, true))
	must(s.Told(ctx, r.Hash(), true, false))
	list, err := s.Purchases(ctx, All)
	if err != nil || len(list) != 1 || !list[0].Reported || !list[0].Disputed || list[0].Finding.Step != 2 || count(Unreported) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}
