package keys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
)

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	s, err := store.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	text, key, err := Create(s, Terms{Name: "alice", Budget: 500}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Authenticate(context.Background(), s, text, time.Now())
	if err != nil || got.ID != key.ID || got.Name != "alice" || got.Budget != 500 {
		t.Fatalf("%+v, %v", got, err)
	}
	flipped := text[:len(text)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", text[len(text)-1])+1)%16])
	for name, wrong := range map[string]string{
		"empty": "", "another secret": flipped, "cut": text[:len(text)-1], "longer": text + "0", "upper case": strings.ToUpper(text),
		"the identifier alone": prefix + key.ID, "another kind": "sk-proj-" + text[len(prefix):],
	} {
		if _, err := Authenticate(context.Background(), s, wrong, time.Now()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Revoke(s, key.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := Authenticate(context.Background(), s, text, time.Now()); !errors.Is(err, ErrInvalid) {
		t.Errorf("revoked: %v", err)
	}
	if err := Revoke(s, "nobody", time.Now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoking an unknown key: %v", err)
	}
	if _, _, err := Create(s, Terms{Name: strings.Repeat("x", maxName+1)}, time.Now()); !errors.Is(err, ErrName) {
		t.Errorf("a long name: %v", err)
	}
	if all, err := List(context.Background(), s); err != nil || len(all) != 1 || all[0].Revoked.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if secret := text[len(prefix)+idDigits+1:]; bytes.Contains(data, []byte(secret)) || !bytes.Contains(data, []byte(key.ID)) {
		t.Error("the database holds the key's secret, or not its row")
	}
}

func TestBudgets(t *testing.T) {
	b, key := NewBudgets(), store.Key{ID: "k", Budget: 100, Spent: 10, Recent: 10}
	first, err := b.Reserve(key, 60, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Reserve(key, 31, time.Now()); !errors.Is(err, ErrBudget) {
		t.Errorf("more than is left: %v", err)
	}
	first.Settle(5)
	first.Settle(5)
	second, err := b.Reserve(key, 85, time.Now())
	if err != nil {
		t.Fatalf("after settling at 5, 85 are left: %v", err)
	}
	if _, err := b.Reserve(key, 0, time.Now()); !errors.Is(err, ErrBudget) {
		t.Errorf("nothing is left: %v", err)
	}
	second.Settle(85)
	if _, err := b.Reserve(store.Key{ID: "big", Budget: 1<<63 - 1}, 1<<64-1, time.Now()); !errors.Is(err, ErrBudget) {
		t.Errorf("an absurd amount: %v", err)
	}
	if _, err := b.Reserve(store.Key{ID: "cut", Budget: 5, Spent: 9, Recent: 9}, 0, time.Now()); !errors.Is(err, ErrBudget) {
		t.Errorf("a budget below what was spent: %v", err)
	}
}

func TestBudgetsInParallel(t *testing.T) {
	b, key := NewBudgets(), store.Key{ID: "k", Budget: 1000}
	var mu sync.Mutex
	var wg sync.WaitGroup
	spent := uint64(0)
	for range 100 {
		wg.Go(func() {
			r, err := b.Reserve(key, 30, time.Now())
			if err != nil {
				return
			}
			mu.Lock()
			spent += 20
			mu.Unlock()
			r.Settle(20)
		})
	}
	wg.Wait()
	if spent > 1000 || spent == 0 {
		t.Errorf("spent %d of 1000", spent)
	}
}

// A budget is there anew in each period, counted from the key's making.
func TestBudgetsRenew(t *testing.T) {
	made := time.Unix(1_000_000, 0)
	b, key := NewBudgets(), store.Key{ID: "k", Budget: 100, Period: time.Hour, Created: made, Spent: 500, Recent: 90, Window: 2}
	if _, err := b.Reserve(key, 20, made.Add(2*time.Hour)); !errors.Is(err, ErrBudget) {
		t.Errorf("90 of 100 were spent in this period: %v", err)
	}
	r, err := b.Reserve(key, 100, made.Add(3*time.Hour))
	if err != nil {
		t.Fatalf("a new period: %v", err)
	}
	if _, err := b.Reserve(key, 1, made.Add(4*time.Hour)); !errors.Is(err, ErrBudget) {
		t.Errorf("a running request is forgotten when a period begins: %v", err)
	}
	r.Settle(30) // counts in the period in which it ended
	if _, err := b.Reserve(key, 71, made.Add(4*time.Hour)); !errors.Is(err, ErrBudget) {
		t.Errorf("70 are left: %v", err)
	}
	if _, err := b.Reserve(key, 70, made.Add(4*time.Hour)); err != nil {
		t.Error(err)
	}
}

func TestRates(t *testing.T) {
	r, key, now := NewRates(), store.Key{ID: "k", Rate: 3, RatePer: time.Minute}, time.Unix(1000, 0)
	for i := range 3 {
		if a := r.Take(key, now); !a.OK || a.Remaining != uint32(2-i) || a.Limit != 3 {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
	a := r.Take(key, now)
	if a.OK || a.Retry != 20*time.Second || a.Reset != time.Minute || a.Remaining != 0 {
		t.Fatalf("a fourth: %+v", a)
	}
	if early := r.Take(key, now.Add(a.Retry-time.Millisecond)); early.OK {
		t.Error("let in before the time that was said")
	}
	if punctual := r.Take(key, now.Add(a.Retry)); !punctual.OK {
		t.Errorf("refused at the time that was said: %+v", punctual)
	}
	if late := r.Take(key, now.Add(time.Hour)); late.Remaining != 2 {
		t.Errorf("the bucket holds more than the rate: %+v", late)
	}
	if free := r.Take(store.Key{ID: "other"}, now); !free.OK || free.Limited {
		t.Errorf("a key without a rate: %+v", free)
	}
}

func TestRingSeesWhatThisProcessChanges(t *testing.T) {
	s, err := store.Open(context.Background(), filepath.Join(t.TempDir(), "gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	ring := NewRing(s, func() time.Time { return now })
	text, key, err := Create(s, Terms{Expires: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := ring.Authenticate(context.Background(), text); err != nil || got.ID != key.ID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	now = now.Add(time.Hour)
	if _, err := ring.Authenticate(context.Background(), text); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired: %v", err)
	}
	now = now.Add(-time.Hour)
	if err := Revoke(s, key.ID, now); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Authenticate(context.Background(), text); !errors.Is(err, ErrInvalid) {
		t.Errorf("revoked: %v", err)
	}
}

func TestTermsThatMakeNoSense(t *testing.T) {
	for name, terms := range map[string]Terms{
		"a short period": {Period: time.Second}, "a rate for no time": {Rate: 1}, "an empty model": {Models: []string{""}},
		"two models in one": {Models: []string{"a,b"}},
	} {
		if _, _, err := Create(nil, terms, time.Now()); !errors.Is(err, ErrTerms) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
