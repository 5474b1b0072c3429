package trace

import (
	"cmp"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/referee"
)

// end is the accused's answer to who says that the answer goes on: a stop string
// that came, the full context, or the draw that ended it.
func (p *Player) end(g *bisection.Game) (bisection.Move, error) {
	m := bisection.End{Shape: p.c.Rows.Shape().Bytes(), ShapeProof: p.c.Rows.Prove([]uint64{0})}
	if p.c.Receipt.FinishReason == referee.FinishLength {
		return m, nil
	}
	n, stopped := p.stopped()
	if !stopped {
		return p.claim(g)
	}
	if err := p.show(&m.Ending, n); err != nil {
		return nil, err
	}
	return m, nil
}

// stopped says whether a stop string came with the last token, and how many of the
// last tokens it takes to see it.
func (p *Player) stopped() (tokens int, ok bool) {
	all := p.resumed()
	if !p.c.Model.Stopped(p.c.Stop, all) {
		return 0, false
	}
	for tokens < len(all) {
		if tokens++; p.c.Model.Stopped(p.c.Stop, all[len(all)-tokens:]) {
			break
		}
	}
	return tokens, true
}

// resumed are the tokens of the answer, with those of the prompt that began it.
func (p *Player) resumed() []int32 {
	asked := len(p.c.Prompt) - min(len(p.c.Prompt), int(p.c.Receipt.Sampling.Resumed))
	return slices.Concat(p.c.Prompt[asked:], p.c.Output)
}

// show brings the last n tokens and what they stand for.
func (p *Player) show(e *referee.Ending, n int) error {
	e.Stop = p.c.Stop
	for _, tokens := range [][]int32{p.c.Output, p.c.Prompt} {
		blocks, err := referee.TokenChunks(tokens)
		if err != nil {
			return err
		}
		for n > 0 && len(blocks) > 0 {
			e.Blocks, n = append(e.Blocks, blocks[0]), n-referee.BlockTokens(blocks[0])
			blocks = blocks[1:]
		}
	}
	shape := p.c.Rows.Shape()
	seen := map[int32]bool{}
	var wanted []uint64
	all := p.resumed()
	for _, id := range all[max(0, len(all)-shownTokens(e)):] {
		if seen[id] {
			continue
		}
		seen[id] = true
		row := shape.PieceRow(uint32(id))
		data, err := p.c.Rows.Row(row)
		if err != nil {
			return err
		}
		e.Pieces, wanted = append(e.Pieces, referee.Row{Index: row, Data: data}), append(wanted, row)
	}
	slices.SortFunc(e.Pieces, func(a, b referee.Row) int { return cmp.Compare(a.Index, b.Index) })
	slices.Sort(wanted)
	e.RowProof = p.c.Rows.Prove(wanted)
	return nil
}

// shownTokens is how many tokens an ending's blocks have.
func shownTokens(e *referee.Ending) (n int) {
	for _, b := range e.Blocks {
		n += referee.BlockTokens(b)
	}
	return n
}
