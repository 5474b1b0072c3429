package bisection

import (
	"bytes"
	"errors"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

func sample() receipt.Receipt {
	return receipt.Receipt{
		Class: receipt.Exact, PromptTokens: 5, CompletionTokens: 40, Commitment: receipt.Sum([]byte("steps")),
		Sampling: receipt.Sampling{Kind: receipt.Categorical, TopP: 1},
	}
}

func moves() []Move {
	d := receipt.Sum(nil)
	return []Move{
		Split{[]receipt.Digest{d, d}}, Choose{3}, Reveal{[]uint32{1, 2, 3}},
		Claim{Token: -1, Logits: d, EndProof: []receipt.Digest{d}, Shape: []byte("shape")},
		Prove{2, referee.Witness{
			Chunks: []referee.Chunk{{Segment: 1, Index: 2, Words: []uint32{4}}}, Proof: []receipt.Digest{d},
			Rows: []referee.Row{{Index: 7, Data: []byte{1, 2}}}, Bias: []referee.Bias{{Token: 1, Value: 2}},
		}},
		End{[]byte("shape"), []receipt.Digest{d}, referee.Ending{
			Stop: []string{"stop"}, Blocks: [][]uint32{{1, 2, 3}}, Pieces: []referee.Row{{Index: 9, Data: []byte("stop")}}, RowProof: []receipt.Digest{d},
		}},
	}
}

// FuzzParseMove: any bytes are one move or an error, and a move has one encoding.
func FuzzParseMove(f *testing.F) {
	for _, m := range moves() {
		f.Add(m.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMove(data)
		if err != nil {
			if !errors.Is(err, ErrMove) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(m.Bytes(), data) {
			t.Fatalf("%x is read as %+v, which is written %x", data, m, m.Bytes())
		}
	})
}

// FuzzUnmarshal: any bytes are one game or an error, and no move makes a game panic.
func FuzzUnmarshal(f *testing.F) {
	g, err := Begin(sample(), receipt.Sum([]byte("weights")))
	if err != nil {
		f.Fatal(err)
	}
	for i, m := range moves() {
		f.Add(g.Marshal(), m.Bytes())
		g.stage, g.steps.Ended = min(Stage(i), Over), i > 0
	}
	f.Fuzz(func(t *testing.T, state, move []byte) {
		g, err := Unmarshal(state)
		if err != nil {
			return
		}
		if !bytes.Equal(g.Marshal(), state) {
			t.Fatal("two encodings of one game")
		}
		_ = g.Rounds()
		_, _ = g.Trace()
		m, err := ParseMove(move)
		if err != nil {
			return
		}
		before := g.Marshal()
		if err := g.Play(m); err != nil && !bytes.Equal(g.Marshal(), before) {
			t.Fatalf("a refused move changed the game: %v", err)
		}
	})
}

func TestReceiptsThatNoGameIsAbout(t *testing.T) {
	weights := receipt.Sum([]byte("weights"))
	statistical, empty := sample(), sample()
	statistical.Class, empty.CompletionTokens = receipt.Statistical, 0
	for name, c := range map[string]struct {
		receipt receipt.Receipt
		weights receipt.Digest
	}{"statistical": {statistical, weights}, "without tokens": {empty, weights}, "without a root": {sample(), receipt.Digest{}}} {
		if _, err := Begin(c.receipt, c.weights); !errors.Is(err, ErrReceipt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMovesOutOfTurn(t *testing.T) {
	g, err := Begin(sample(), receipt.Sum([]byte("weights")))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range moves() {
		want := ErrTurn
		if _, split := m.(Split); split {
			continue
		}
		if err := g.Play(m); !errors.Is(err, want) {
			t.Errorf("%T: %v", m, err)
		}
	}
	if err := g.Forfeit(Challenger); !errors.Is(err, ErrTurn) {
		t.Errorf("the challenger passed a turn that was not its: %v", err)
	}
	if err := g.Forfeit(Accused); err != nil {
		t.Fatal(err)
	}
	if winner, over := g.Winner(); !over || winner != Challenger {
		t.Errorf("%s wins", winner)
	}
	if err := g.Play(Choose{0}); !errors.Is(err, ErrOver) {
		t.Errorf("a move after the end: %v", err)
	}
}
