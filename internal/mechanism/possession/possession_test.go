package possession

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/receipt"
)

func drawTerms(t *rapid.T) Terms {
	return Terms{
		Size: rapid.Uint64Range(1, 1<<42).Draw(t, "size"), Price: rapid.Uint64Range(1, 1<<30).Draw(t, "price"),
		Epoch: rapid.Uint64Range(60, Month).Draw(t, "epoch"), Window: rapid.Uint64Range(1, 30).Draw(t, "window"), Epochs: rapid.Uint64Range(1, 60).Draw(t, "epochs"),
		Bond: rapid.Uint64Range(1, 1<<40).Draw(t, "bond"), MissBps: rapid.Uint32Range(1, Whole).Draw(t, "miss_bps"),
		Forgiven: rapid.Uint32Range(0, 5).Draw(t, "forgiven"),
	}
}

// Whatever happens in whatever order, what was locked comes out once, to the last
// unit; a holder is paid for the epochs it answered, and for no others.
func TestNothingIsMadeOrLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		p, err := Open(terms)
		if err != nil {
			t.Skip("more money than there may be")
		}
		var sum Payment
		var answers, earned uint64
		add := func(paid Payment) {
			sum.Fee += paid.Fee
			sum.Refund += paid.Refund
			sum.Slashed += paid.Slashed
			sum.Released += paid.Released
		}
		for !p.Over() {
			if p.Locked+sum.Fee+sum.Refund != terms.Deposit() || p.Staked+sum.Slashed+sum.Released != terms.Bond {
				t.Fatalf("locked %+v, given %+v, of %+v", p, sum, terms)
			}
			if _, _, err := p.Close(p.Epoch+1, true); !errors.Is(err, ErrEpoch) {
				t.Fatalf("an epoch that has not begun: %v", err)
			}
			var paid Payment
			switch rapid.IntRange(0, 12).Draw(t, "what happens") {
			case 0:
				p, paid, err = p.Cancel(rapid.Bool().Draw(t, "by the holder"))
			case 1, 2:
				if p, paid, err = p.Close(p.Epoch, false); paid.Slashed == 0 && sum.Slashed < terms.Bond {
					t.Fatalf("a miss costs nothing: %+v", p)
				}
			default:
				answers++
				fee := terms.fee(p.Epoch)
				earned += fee
				p, paid, err = p.Close(p.Epoch, true)
			}
			if err != nil {
				t.Fatal(err)
			}
			add(paid)
		}
		if sum.Fee+sum.Refund != terms.Deposit() || sum.Slashed+sum.Released != terms.Bond || sum.Fee != earned {
			t.Fatalf("given out %+v of %d and %d, earned %d", sum, terms.Deposit(), terms.Bond, earned)
		}
		if answers == terms.Epochs && sum.Fee != terms.Deposit() {
			t.Fatalf("a holder that always answered has %d of %d", sum.Fee, terms.Deposit())
		}
		if _, paid, err := p.Close(p.Epoch, true); !errors.Is(err, ErrOver) || paid != (Payment{}) {
			t.Fatalf("an ended pin pays %+v, %v", paid, err)
		}
		if _, paid, err := p.Cancel(true); !errors.Is(err, ErrOver) || paid != (Payment{}) {
			t.Fatalf("an ended pin pays %+v, %v", paid, err)
		}
	})
}

// The price is what its words say, rounded down once.
func TestThePriceIsByGiBAndMonth(t *testing.T) {
	month := Terms{Size: 3 << 30, Price: 20_000, Epoch: 3600, Window: 600, Epochs: 720, Bond: 1, MissBps: 1}
	if got := month.Deposit(); got != 60_000 {
		t.Errorf("three GiB for a month at $0.02 cost %d ucredit", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		exact := new(big.Int).SetUint64(terms.Size)
		for _, f := range []uint64{terms.Price, terms.Epoch, terms.Epochs} {
			exact.Mul(exact, new(big.Int).SetUint64(f))
		}
		exact.Div(exact, new(big.Int).SetUint64(Month<<30))
		err := terms.Validate()
		if tooMuch := exact.Cmp(big.NewInt(maxMicro)) > 0; tooMuch != (err != nil) {
			t.Fatalf("costs %s: %v", exact, err)
		}
		if err == nil && exact.Uint64() != terms.Deposit() {
			t.Fatalf("costs %d, exactly %s", terms.Deposit(), exact)
		}
	})
}

func TestTermsOutOfRange(t *testing.T) {
	sound := Terms{Size: 1, Price: 1, Epoch: 60, Window: 30, Epochs: 1, Bond: 1, MissBps: 1}
	if err := sound.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Terms){
		"size": func(t *Terms) { t.Size = 0 }, "price": func(t *Terms) { t.Price = 1 << 60 }, "epoch": func(t *Terms) { t.Epoch = 1 }, "window": func(t *Terms) { t.Window = 31 },
		"epochs": func(t *Terms) { t.Epochs = 0 }, "bond": func(t *Terms) { t.Bond = 0 }, "miss": func(t *Terms) { t.MissBps = Whole + 1 },
		"whole": func(t *Terms) { t.Size, t.Price, t.Epoch, t.Epochs = maxMicro, maxMicro, Month, maxEpochs },
	} {
		bad := sound
		change(&bad)
		if _, err := Open(bad); !errors.Is(err, ErrTerms) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// file makes a file of a size and its tree. No two pieces are alike: where they
// were, one's bytes would rightly answer for the other's.
func file(size int) (File, [][]byte, *merkle.Tree) {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*i>>3 + i/PieceSize)
	}
	pieces := slices.Collect(slices.Chunk(data, PieceSize))
	leaves := make([]receipt.Digest, len(pieces))
	for i, p := range pieces {
		leaves[i] = receipt.Sum(p)
	}
	tree := merkle.New(leaves)
	return File{Root: tree.Root(), Size: uint64(size)}, pieces, tree
}

// Who has the bytes can answer; who has other bytes, or another's answer, cannot.
func TestOnlyTheBytesAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, pieces, tree := file(rapid.IntRange(1, 40*PieceSize).Draw(t, "size"))
		randomness := receipt.Sum(rapid.SliceOf(rapid.Byte()).Draw(t, "randomness"))
		drawn := f.Drawn(randomness, 7, "holder", rapid.IntRange(1, MaxDrawn+9).Draw(t, "n"))
		answer := func(drawn []uint64) Answer {
			var a Answer
			for _, i := range drawn {
				a.Pieces = append(a.Pieces, slices.Clone(pieces[i]))
			}
			a.Proof = merkle.Prove(tree.Node, 0, f.Pieces(), drawn)
			return a
		}
		if len(drawn) == 0 || len(drawn) > MaxDrawn || drawn[len(drawn)-1] >= f.Pieces() {
			t.Fatalf("drawn %v of %d", drawn, f.Pieces())
		}
		if err := f.Check(drawn, answer(drawn)); err != nil {
			t.Fatalf("an honest answer: %v", err)
		}
		flipped := answer(drawn)
		victim := flipped.Pieces[rapid.IntRange(0, len(drawn)-1).Draw(t, "piece")]
		victim[rapid.IntRange(0, len(victim)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		short := answer(drawn)
		short.Pieces[0] = short.Pieces[0][1:]
		for name, bad := range map[string]Answer{"flipped": flipped, "short": short} {
			if err := f.Check(drawn, bad); !errors.Is(err, ErrBytes) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := f.Check(drawn, Answer{Pieces: answer(drawn).Pieces[1:]}); !errors.Is(err, ErrAnswer) {
			t.Fatalf("one piece too few: %v", err)
		}
		other := f.Drawn(randomness, 7, "another", len(drawn))
		if !slices.Equal(other, drawn) && f.Check(drawn, answer(other)) == nil {
			t.Fatal("another's answer counts")
		}
	})
}

// Every piece is drawn about as often as every other: who drops a tenth of a file
// is caught by sixteen pieces in four challenges of five.
func TestWhoDropsATenthIsCaught(t *testing.T) {
	f := File{Size: 1000 * PieceSize}
	caught := 0
	const rounds = 2000
	for i := range rounds {
		for _, n := range f.Drawn(receipt.Sum([]byte{byte(i), byte(i >> 8)}), 1, "holder", MaxDrawn) {
			if n >= 300 && n < 400 {
				caught++
				break
			}
		}
	}
	// 1 − 0.9¹⁶ is 0.815; four deviations of 2000 draws are 0.035.
	if part := float64(caught) / rounds; part < 0.78 || part > 0.85 {
		t.Errorf("caught in %.3f of the challenges", part)
	}
}
