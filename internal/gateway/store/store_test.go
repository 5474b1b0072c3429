package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testGrant() Grant {
	g := receipt.Grant{ChainID: "c", Payer: "a", Provider: "b", Model: receipt.Sum(nil), TicketValue: 1, Tickets: 1 << 20, Expiry: 1 << 40, Anchor: receipt.Sum([]byte("x"))}
	return Grant{SignedGrant: receipt.SignedGrant{Grant: g, Signature: []byte("s")}, Seed: [32]byte{1}}
}

// crashPath tells a process started by [TestKill] that it is to write until it
// is killed.
const crashPath = "KOINON_STORE_TO_WRITE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

// writeForever moves the books on from several goroutines, and prints each
// index once the store has acknowledged it.
func writeForever(path string) {
	s, err := Open(context.Background(), path)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	g := testGrant()
	before, err := s.Books(context.Background(), g.ID())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	index := before.Revealed
	for range 8 {
		go func() {
			for {
				mu.Lock()
				index++
				mine := index
				mu.Unlock()
				err := s.Save(Progress{Grant: g.ID(), Books: inference.Books{Settled: mine, Revealed: mine}, Charges: []Charge{{"k", 1}}}).Wait()
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println(mine) // as good as revealed
			}
		}()
	}
	select {}
}

// TestKill kills a writing process again and again: whatever it had revealed is
// in the database, and no charge is lost or doubled.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	s := open(t, path)
	g := testGrant()
	if err := errors.Join(s.AddGrant(g, time.Now()), s.AddKey(Key{ID: "k", Budget: 1 << 40, Created: time.Now()}), s.Close()); err != nil {
		t.Fatal(err)
	}
	var acknowledged uint64
	for round := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashPath+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var highest uint64
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			index, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
			highest = max(highest, index)
			acknowledged++
			if n == 20+7*round {
				child.Process.Kill() // and read what it had said by then
			}
		}
		child.Wait()
		s := open(t, path)
		books, err := s.Books(context.Background(), g.ID())
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.Key(context.Background(), "k")
		if err != nil {
			t.Fatal(err)
		}
		if books.Revealed < highest {
			t.Fatalf("round %d: ticket %d was revealed, the database knows of %d", round, highest, books.Revealed)
		}
		// At most the eight writes in flight were stored and not acknowledged.
		if most := acknowledged + 8*uint64(round+1); key.Spent < acknowledged || key.Spent > most {
			t.Fatalf("round %d: charged %d for %d acknowledged", round, key.Spent, acknowledged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBooksNeverGoBack(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a ?b.db")) // a path that a URL would misread
	defer s.Close()
	g := testGrant()
	if err := s.AddGrant(g, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, b := range []inference.Books{{Settled: 5, Revealed: 7}, {Settled: 9, Revealed: 3}, {}} {
		if err := s.Save(Progress{Grant: g.ID(), Books: b}).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.OpenGrants(context.Background(), time.Unix(1, 0))
	if err != nil || len(all) != 1 || all[0].Books.Settled != 9 || all[0].Books.Revealed != 7 || all[0].ID() != g.ID() || all[0].Seed != g.Seed {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := s.RetireGrant(g.ID(), "why not"); err != nil {
		t.Fatal(err)
	}
	if all, err := s.OpenGrants(context.Background(), time.Unix(1, 0)); err != nil || len(all) != 0 {
		t.Errorf("a retired grant: %+v, %v", all, err)
	}
	if err := s.Save(Progress{Grant: receipt.Sum([]byte("unknown"))}).Wait(); !errors.Is(err, ErrNotFound) {
		t.Errorf("progress on an unknown grant: %v", err)
	}
}

// TestOneBadWriteHurtsNobodyElse gathers good and impossible writes.
func TestOneBadWriteHurtsNobodyElse(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gateway.db"))
	g := testGrant()
	if err := s.AddGrant(g, time.Now()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			p := Progress{Grant: g.ID(), Books: inference.Books{Revealed: uint64(i)}}
			if i%5 == 0 {
				p.Grant[0] ^= 1
			}
			if err := s.Save(p).Wait(); (err != nil) != (i%5 == 0) {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(Progress{Grant: g.ID()}).Wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
}

func TestDatabaseIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	s := open(t, path)
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database's mode is %v, %v", info.Mode(), err)
	}
}
