package bank

import (
	"errors"
	"strings"
	"testing"
)

// FuzzJournal reads what nobody can trust: a journal or an error, no transfer
// without a name, and none named twice.
func FuzzJournal(f *testing.F) {
	f.Add("id,amount,currency,reference\n1,5.00,USD,koinon1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq\n")
	f.Add("\ufeffReference,ID,Amount,Currency\nkoinon-cash-out-7,a,-1,USD\n\n,\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := read(strings.NewReader(text))
		if err != nil && !errors.Is(err, ErrJournal) {
			t.Fatalf("an error without a name: %v", err)
		}
		known := map[string]bool{}
		for _, tr := range list {
			tr.recipient(func(string) error { return nil })
			tr.cashOut()
			if tr.err != nil {
				continue
			}
			if tr.id == "" || known[tr.id] {
				t.Fatalf("%+v", tr)
			}
			known[tr.id] = true
		}
	})
}
