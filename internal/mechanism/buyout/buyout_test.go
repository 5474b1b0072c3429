package buyout

import (
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// Over random histories no credit is made or lost, no share is in two hands, and
// whoever sold was paid the price, or has its shares: at most a millionth of a dollar
// is lost to rounding, once for a holder.
func TestNobodyLosesMoreThanItAgreedTo(t *testing.T) {
	const holders, start = 4, 1_000
	rapid.Check(t, func(t *rapid.T) {
		var has, tendered, sold, paid [holders]uint64
		terms := Terms{
			Price: rapid.OneOf(rapid.Uint64Range(1, 3_000_000), rapid.Uint64Range(1, 1<<60)).Draw(t, "price"), Deadline: 1_000,
		}
		for i := range has {
			has[i] = rapid.Uint64Range(0, 1<<20).Draw(t, "shares")
			terms.Most += has[i]
		}
		all := has
		terms.Least = rapid.Uint64Range(1, max(1, terms.Most)).Draw(t, "least")
		b, err := New(terms, start-1_000)
		if err != nil {
			if exact := new(big.Int).Mul(new(big.Int).SetUint64(terms.Price), new(big.Int).SetUint64(terms.Most)); terms.Most > 0 && exact.Sign() > 0 && exact.BitLen() < 82 {
				t.Fatalf("%+v: %v", terms, err)
			}
			t.Skip("no terms")
		}
		deposit, refund, closed := b.Held, uint64(0), false
		settle := func(i int) {
			next, ucredit, bought := Settle(terms, b, tendered[i])
			if bought {
				sold[i] += tendered[i]
				paid[i] += ucredit
				if ucredit != terms.Worth(tendered[i]) {
					t.Fatalf("%d shares brought %d", tendered[i], ucredit)
				}
			} else {
				has[i] += tendered[i]
			}
			b, tendered[i] = next, 0
		}
		for now := int64(0); now <= terms.Deadline+200; now += rapid.Int64Range(10, 300).Draw(t, "later") {
			i := rapid.IntRange(0, holders-1).Draw(t, "who")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				n := rapid.Uint64Range(0, has[i]).Draw(t, "tender")
				next, err := Tender(terms, b, n, now)
				if err != nil {
					if now < terms.Deadline && b.Status != Failed && terms.Worth(n) > 0 {
						t.Fatalf("%d of %d are refused: %v", n, has[i], err)
					}
					continue
				}
				b, has[i], tendered[i] = next, has[i]-n, tendered[i]+n
			case 2:
				n := rapid.Uint64Range(0, tendered[i]).Draw(t, "back")
				next, err := TakeBack(terms, b, tendered[i], n)
				if err == nil {
					b, has[i], tendered[i] = next, has[i]+n, tendered[i]-n
				} else if b.Status == Open && n == tendered[i] && n > 0 {
					t.Fatalf("%d shares cannot be taken back: %v", n, err)
				}
			case 3:
				if b.Status != Open {
					settle(i)
				}
			}
			if b.Status == Open && b.Tendered >= terms.Least {
				t.Fatalf("%+v waits for %d", b, terms.Least)
			}
			if next, back, over := Close(terms, b, now); over {
				b, refund, closed = next, refund+back, true
			}
		}
		for range 2 { // a bid that succeeded pays before it is closed, one that fails after
			if next, back, over := Close(terms, b, terms.Deadline); over {
				b, refund, closed = next, refund+back, true
			}
			for i := range has {
				settle(i)
			}
		}
		sum := refund
		for i := range has {
			sum += paid[i]
			if has[i]+sold[i] != all[i] || b.Status == Failed && sold[i] != 0 {
				t.Fatalf("holder %d has %d and sold %d of %d; %+v", i, has[i], sold[i], all[i], b)
			}
		}
		if !closed || sum != deposit || b.Held != 0 || b.Tendered != 0 {
			t.Fatalf("%d of %d came out, closed %v, %+v", sum, deposit, closed, b)
		}
	})
}

func TestRefusals(t *testing.T) {
	sound := Terms{Price: Million, Least: 5, Most: 10, Deadline: 100}
	for name, change := range map[string]func(*Terms){
		"price": func(t *Terms) { t.Price = 0 }, "least": func(t *Terms) { t.Least = 11 }, "none": func(t *Terms) { t.Least = 0 },
		"late": func(t *Terms) { t.Deadline = 7 }, "far": func(t *Terms) { t.Deadline = 8 + maxSeconds },
		"large": func(t *Terms) { t.Price, t.Most = 1<<60, 1<<40 },
	} {
		bad := sound
		change(&bad)
		if _, err := New(bad, 7); !errors.Is(err, ErrTerms) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := New(sound, 7)
	if err != nil || b.Held != 10 {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, err := Tender(sound, b, 11, 8); !errors.Is(err, ErrFull) {
		t.Errorf("more than others have: %v", err)
	}
	if _, err := Tender(sound, b, 1, 100); !errors.Is(err, ErrClosed) {
		t.Errorf("at the deadline: %v", err)
	}
	if b, err = Tender(sound, b, 5, 99); err != nil || b.Status != Succeeded {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, err := TakeBack(sound, b, 5, 1); !errors.Is(err, ErrBought) {
		t.Errorf("back from what is bought: %v", err)
	}
	if _, _, closed := Close(sound, b, 200); closed {
		t.Error("closed before it paid")
	}
}
