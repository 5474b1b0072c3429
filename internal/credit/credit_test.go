package credit

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestDollars(t *testing.T) {
	for amount, want := range map[uint64]string{
		0:          "$0.00",
		1:          "$0.000001",
		120:        "$0.00012",
		250_000:    "$0.25",
		5_000_000:  "$5.00",
		12_345_678: "$12.345678",
	} {
		if got := Dollars(amount); got != want {
			t.Errorf("Dollars(%d) = %s, want %s", amount, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "$", ".", "-1", "1e3", "1,5", "0.0000001", "１"} {
		if _, err := Parse(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q) = %v, want ErrSyntax", s, err)
		}
	}
	for _, s := range []string{"18446744073710", "99999999999999999999"} {
		if _, err := Parse(s); !errors.Is(err, ErrRange) {
			t.Errorf("Parse(%q) = %v, want ErrRange", s, err)
		}
	}
}

func TestParseReadsWhatDollarsWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64().Draw(t, "amount")
		got, err := Parse(Dollars(amount))
		if err != nil || got != amount {
			t.Fatalf("Parse(Dollars(%d)) = %d, %v", amount, got, err)
		}
	})
}
