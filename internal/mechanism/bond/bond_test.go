package bond

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Nothing is made or lost: what was bonded is bonded still, or on its way back.
func TestBondsAreConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Params{Min: rapid.Uint64Range(0, 100).Draw(t, "min"), Unbonding: 10}
		var bond, in, out uint64
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			amount := rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Just(uint64(math.MaxUint64))).Draw(t, "amount")
			if rapid.Bool().Draw(t, "add") {
				if next, err := Add(bond, amount); err == nil {
					bond, in = next, in+amount
				}
				continue
			}
			offers := rapid.IntRange(0, 1).Draw(t, "offers")
			rest, due, err := Unbond(p, bond, amount, offers, 5)
			if err != nil {
				if rest != bond {
					t.Fatal("a refusal changed the bond")
				}
				continue
			}
			if offers > 0 && rest < p.Min {
				t.Fatalf("%d left with offers open, least is %d", rest, p.Min)
			}
			if due != 15 {
				t.Fatalf("due at %d", due)
			}
			bond, out = rest, out+amount
		}
		if bond+out != in {
			t.Fatalf("%d bonded and %d returned of %d", bond, out, in)
		}
	})
}

func TestRefusals(t *testing.T) {
	p := Params{Min: 100, Unbonding: 10}
	if err := Register(p, 99); !errors.Is(err, ErrTooLittle) {
		t.Error(err)
	}
	if err := Register(Params{}, 0); !errors.Is(err, ErrTooLittle) {
		t.Error(err)
	}
	if _, err := Add(1, math.MaxUint64); !errors.Is(err, ErrOverflow) {
		t.Error(err)
	}
	for want, args := range map[error][2]uint64{ErrZeroAmount: {100, 0}, ErrTooMuch: {100, 101}, ErrOffersOpen: {150, 51}} {
		if _, _, err := Unbond(p, args[0], args[1], 1, 0); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if err := (Params{Unbonding: -1}).Validate(); !errors.Is(err, ErrParams) {
		t.Error(err)
	}
}
