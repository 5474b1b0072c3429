package trace

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

const vectorsPath = "../../../spec/vectors/bisection/v1.json"

// vectors are spec/vectors/bisection/v1.json. Bytes are hexadecimal.
type vectors struct {
	Note  string       `json:"note"`
	Game  gameVector   `json:"game"`
	Words []wordVector `json:"words"`
}

// gameVector is a game, move by move.
type gameVector struct {
	Receipt     string         `json:"receipt"` // encoded
	WeightsRoot receipt.Digest `json:"weights_root"`
	Moves       []moveVector   `json:"moves"`
	Winner      string         `json:"winner"`
}

type moveVector struct {
	Turn  string         `json:"turn"`
	Stage string         `json:"stage"` // before it
	Move  string         `json:"move"`
	State receipt.Digest `json:"state"` // SHA-256 of the game's bytes after it
}

// wordVector is a word that is judged, without proofs.
type wordVector struct {
	Format   string        `json:"format"` // of the matrices
	Operator string        `json:"operator"`
	Shape    string        `json:"shape"`
	Receipt  string        `json:"receipt"`
	Step     uint64        `json:"step"`
	Place    referee.Place `json:"place"`
	Claimed  []uint32      `json:"claimed"`
	Witness  string        `json:"witness"`
	Right    bool          `json:"right"`
}

// The published vectors hold: games are played, and words judged, as they say.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	data, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	replayGame(t, v.Game)
	for _, w := range v.Words {
		r, err := receipt.Decode(unhex(t, w.Receipt))
		if err != nil {
			t.Fatal(err)
		}
		shape, err := referee.ParseShape(unhex(t, w.Shape))
		if err != nil {
			t.Fatal(err)
		}
		tr, err := referee.NewTrace(shape, r, w.Step)
		if err != nil {
			t.Fatal(err)
		}
		in := canonical.NewReader(unhex(t, w.Witness))
		witness := referee.ReadWitness(in)
		right, err := tr.Judge(w.Place, w.Claimed, &witness)
		if err != nil || right != w.Right || !in.Done() {
			t.Errorf("%s, %s: %v, %v", w.Format, w.Operator, right, err)
		}
	}
}

func replayGame(t *testing.T, v gameVector) {
	r, err := receipt.Decode(unhex(t, v.Receipt))
	if err != nil {
		t.Fatal(err)
	}
	g, err := bisection.Begin(r, v.WeightsRoot)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range v.Moves {
		if g.Turn().String() != m.Turn || g.Stage().String() != m.Stage {
			t.Fatalf("move %d: %s's turn in stage %s", i, g.Turn(), g.Stage())
		}
		move, err := bisection.ParseMove(unhex(t, m.Move))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Play(move); err != nil {
			t.Fatal(err)
		}
		if receipt.Sum(g.Marshal()) != m.State {
			t.Fatalf("move %d leads to another state", i)
		}
	}
	if winner, _ := g.Winner(); winner.String() != v.Winner {
		t.Fatalf("the %s wins", winner)
	}
}

func writeVectors(t *testing.T) {
	v := vectors{Note: "spec/bisection.md: a game whose accused changed one bit of a score, and one word of each operator, true and false"}
	d := newDispute(t, hot)
	tr := d.truth.trace
	lie := d.truth.with(1, func(words [][][]uint32) {
		for _, r := range tr.Runs(40) {
			if r.Operator == referee.OpScores && r.Layer == 1 {
				words[40][r.First+1][5] ^= 1
			}
		}
	})
	g := d.against(t, lie)
	v.Game.WeightsRoot, v.Game.Receipt = d.c.Rows.Root(), hex.EncodeToString(g.Receipt().Encode())
	player := honest(t, d.player)
	for g.Turn() != bisection.Nobody {
		m := moveVector{Turn: g.Turn().String(), Stage: g.Stage().String()}
		move := lie.move
		if g.Turn() == bisection.Challenger {
			move = player
		}
		played := move(&g)
		if err := g.Play(played); err != nil {
			t.Fatal(err)
		}
		m.Move, m.State = hex.EncodeToString(played.Bytes()), receipt.Sum(g.Marshal())
		v.Game.Moves = append(v.Game.Moves, m)
	}
	winner, _ := g.Winner()
	v.Game.Winner = winner.String()
	for _, kind := range block.Formats() {
		m := model{kind: kind, dim: 16, hidden: 24}
		if kind.Elements() > 1 {
			m.dim, m.hidden = 256, 256
		}
		c, _ := answer(t, m.write(t), 3, 1, hot)
		tr, err := New(c, 0)
		if err != nil {
			t.Fatal(err)
		}
		v.Words = append(v.Words, wordsOf(t, tr, kind)...)
	}
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("../../../spec/vectors/bisection", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsPath, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wordsOf is a word of each operator that depends on the format; of F32, of each.
func wordsOf(t *testing.T, tr *Trace, kind block.Format) (list []wordVector) {
	seen := map[referee.Operator]bool{}
	for segment := range tr.Segments() {
		for _, r := range tr.Runs(segment) {
			wanted := kind == block.F32 || r.Operator == referee.OpEmbed || r.Operator == referee.OpK
			if seen[r.Operator] || !wanted || segment == 1 && kind == block.F32 && r.Operator > referee.OpEmbed {
				continue
			}
			seen[r.Operator] = true
			words, err := tr.Chunk(segment, r.First)
			if err != nil {
				t.Fatal(err)
			}
			at := referee.Place{Segment: segment, Chunk: r.First, Word: uint64(len(words)) / 2}
			for _, right := range []bool{true, false} {
				claimed := slices.Clone(words)
				if !right {
					claimed[at.Word] ^= 1
				}
				source := &recorder{source: tr}
				if got, err := tr.Judge(at, claimed, source); err != nil || got != right {
					t.Fatal(got, err)
				}
				var witness canonical.Writer
				slices.SortFunc(source.witness.Chunks, referee.Chunk.Compare)
				source.witness.Chunks = slices.CompactFunc(source.witness.Chunks, func(a, b referee.Chunk) bool { return a.Compare(b) == 0 })
				source.witness.Append(&witness)
				list = append(list, wordVector{
					Format: kind.String(), Operator: r.Operator.String(), Shape: hex.EncodeToString(tr.Shape.Bytes()),
					Receipt: hex.EncodeToString(tr.Receipt.Encode()), Place: at, Claimed: claimed, Witness: hex.EncodeToString(witness), Right: right,
				})
			}
		}
	}
	return list
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	data, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
