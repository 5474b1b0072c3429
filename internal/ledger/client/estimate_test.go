package client

import "testing"

func TestReasonIsForPeople(t *testing.T) {
	for said, want := range map[string]string{
		"failed to execute message; message index: 0: spendable balance 0ucredit is smaller than 3000000ucredit: insufficient funds [cosmos/cosmos-sdk@v0.54.4/x/bank/keeper/send.go:324] with gas used: '64824'": "spendable balance $0.00 is smaller than $3.00",
		"out of gas in location: ReadFlat [a/b.go:1]":                      "out of gas in location: ReadFlat",
		"not enough: 10000000 ucredit asked for, 400000 ucredit available": "not enough: $10.00 asked for, $0.40 available",
		"2500000ukoin [not a place] is what it is":                         "2.5 KOIN [not a place] is what it is",
		"99999999999999999999ucredit: too much to say":                     "99999999999999999999ucredit: too much to say",
	} {
		if got := reason(said); got != want {
			t.Errorf("%q\nwas made %q\nnot      %q", said, got, want)
		}
	}
}
