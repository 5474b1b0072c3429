package credit

import (
	"errors"
	"testing"
)

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]Amount{
		"$5": {Denom, 5_000_000}, "5.00": {Denom, 5_000_000}, " 0.25 ": {Denom, 250_000},
		"3 KOIN": {KoinDenom, 3_000_000}, "0.5koin": {KoinDenom, 500_000}, "1 Koin": {KoinDenom, 1_000_000},
	} {
		got, err := ParseAmount(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
		if again, err := ParseAmount(got.String()); err != nil || again != got {
			t.Errorf("%q is written %s, which reads %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "koin", "$", "0", "$0.00", "0 KOIN", "-1", "5 EUR", "$3 KOIN", "1e6", "0.0000001", "5ukoin"} {
		if got, err := ParseAmount(text); !errors.Is(err, ErrAmount) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if _, err := ParseAmount("99999999999999999999 KOIN"); !errors.Is(err, ErrRange) {
		t.Errorf("too much: %v", err)
	}
}
