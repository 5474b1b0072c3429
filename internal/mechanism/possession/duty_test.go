package possession

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/receipt"
)

// Whatever the ledger's blocks are like: who answers in the first block that it sees
// after a draw is paid for every epoch, also when the ledger stood still meanwhile;
// who never does is out after one miss more than is forgiven; what was locked comes
// out once.
func TestADutyOverAnyBlocks(t *testing.T) {
	f, pieces, tree := file(5*PieceSize + 7)
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		terms.Size = f.Size
		answers := rapid.Bool().Draw(t, "answers")
		now := int64(1_000)
		d, err := Accept(terms, now)
		if err != nil {
			t.Skip("more money than there may be")
		}
		var sum Payment
		add := func(paid Payment) {
			sum.Fee += paid.Fee
			sum.Refund += paid.Refund
			sum.Slashed += paid.Slashed
			sum.Released += paid.Released
		}
		for block := range 100_000 {
			if d.Pin.Over() {
				break
			}
			now += rapid.Int64Range(0, int64(terms.Epoch)).Draw(t, "seconds")
			if answers && len(d.Drawn) > 0 { // in this block, whose end comes below
				a := Answer{Proof: merkle.Prove(tree.Node, 0, f.Pieces(), d.Drawn)}
				for _, i := range d.Drawn {
					a.Pieces = append(a.Pieces, pieces[i])
				}
				if _, _, err := d.Answer(f, d.Pin.Epoch+1, a); !errors.Is(err, ErrEpoch) {
					t.Fatalf("another epoch's: %v", err)
				}
				var paid Payment
				if d, paid, err = d.Answer(f, d.Pin.Epoch, a); err != nil {
					t.Fatal(err)
				}
				add(paid)
				if _, _, err := d.Answer(f, d.Pin.Epoch, a); !errors.Is(err, ErrEpoch) {
					t.Fatalf("twice: %v", err)
				}
			}
			if next, drawn := d.Draw(f, receipt.Sum([]byte{byte(block)}), 1, "holder", 4, now); drawn {
				if now < d.Due || len(next.Drawn) == 0 || next.Due != now+int64(terms.Window) || next.Next != now+int64(terms.Epoch) {
					t.Fatalf("at %d, %+v became %+v", now, d, next)
				}
				d = next
				continue
			}
			next, paid, missed, err := d.Miss(now)
			if err != nil || missed && (now < d.Due || d.Late != patience) {
				t.Fatalf("at %d, %+v missed: %v", now, d, err)
			}
			add(paid)
			d = next
		}
		deposit := terms.Deposit()
		if !d.Pin.Over() || sum.Fee+sum.Refund != deposit || sum.Slashed+sum.Released != terms.Bond {
			t.Fatalf("%+v gave %+v of %d and %d", d, sum, deposit, terms.Bond)
		}
		misses := min(uint64(terms.Forgiven)+1, terms.Epochs)
		if answers && (sum.Fee != deposit || sum.Slashed != 0) || !answers && (sum.Fee != 0 || sum.Slashed == 0 || d.Pin.Missed != misses) {
			t.Fatalf("answers %v: %+v, %+v", answers, d, sum)
		}
	})
}
