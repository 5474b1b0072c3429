package engine

import (
	"fmt"
	"time"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

// Pace times the decoder alone, on texts of arbitrary tokens that it continues
// side by side: without sampling, digests and queues, so that engines can be
// compared and kernels judged. It is not safe for concurrent use.
type Pace struct {
	// Committing makes the leaf of each step, too, as an answer that is sold has one.
	Committing bool

	forward *forward
	store   *pages
	texts   []history
	tokens  []int32 // scratch
	spans   []span
	rows    []int
}

// Spent is a number of tokens, of all texts together, and what they took.
type Spent struct {
	Tokens int
	Time   time.Duration
}

// Rate is in tokens per second.
func (s Spent) Rate() float64 { return float64(s.Tokens) / s.Time.Seconds() }

// NewPace prepares batch texts of at most length tokens each, computed with so
// many threads.
func (m *Model) NewPace(batch, length, threads int) (*Pace, error) {
	if batch < 1 || length < 1 || length > m.ContextLength {
		return nil, fmt.Errorf("%w: %d texts of %d tokens; the model's context has %d", ErrRequest, batch, length, m.ContextLength)
	}
	perText := (length + pageTokens - 1) / pageTokens
	p := &Pace{forward: m.newForward(threads), store: newPages(m, batch*perText), texts: make([]history, batch)}
	for i := range p.texts {
		p.texts[i].store = p.store
	}
	return p, nil
}

// Prefill begins all texts anew with so many tokens each, in chunks as [Engine]
// takes them, until the logits of what follows are there. It ends early once it
// took limit.
func (p *Pace) Prefill(tokens int, limit time.Duration) (Spent, error) {
	for i := range p.texts {
		p.texts[i].release()
	}
	began, done := time.Now(), 0
	for done < tokens && time.Since(began) < limit {
		n := min(max(1, prefillChunk/len(p.texts)), tokens-done)
		if err := p.run(n, done+n == tokens); err != nil {
			return Spent{}, err
		}
		done += n
	}
	return Spent{done * len(p.texts), time.Since(began)}, nil
}

// Decode adds so many tokens to every text, one at a time with the logits of
// what follows. It ends early once it took limit.
func (p *Pace) Decode(steps int, limit time.Duration) (Spent, error) {
	began, done := time.Now(), 0
	for ; done < steps && time.Since(began) < limit; done++ {
		if err := p.run(1, true); err != nil {
			return Spent{}, err
		}
	}
	return Spent{done * len(p.texts), time.Since(began)}, nil
}

// run computes n tokens more of every text.
func (p *Pace) run(n int, predict bool) error {
	p.tokens, p.spans, p.rows = p.tokens[:0], p.spans[:0], p.rows[:0]
	size := p.forward.Size()
	for i := range p.texts {
		text := &p.texts[i]
		if !text.grow(n) {
			return fmt.Errorf("%w: the texts are full after %d tokens", ErrRequest, len(text.tokens))
		}
		from := len(p.tokens)
		for j := range n {
			p.tokens = append(p.tokens, int32(((len(text.tokens)+j)*7919+i*104729+17)%size))
		}
		p.spans = append(p.spans, span{history: text, tokens: p.tokens[from:]})
		if predict {
			p.rows = append(p.rows, from+n-1)
		}
	}
	p.forward.run(p.spans, p.rows, p.Committing)
	if !predict {
		return nil
	}
	logits := p.forward.predict()
	if p.Committing {
		tensor.Parallel(len(p.rows), p.forward.workers, func(i int) {
			receipt.Leaf(uint64(len(p.texts[i].tokens)), p.tokens[p.rows[i]], digest(logits[i*size:][:size]), p.forward.folded(i))
		})
	}
	return nil
}

// Bytes is the memory that keys and values take by now.
func (p *Pace) Bytes() int { return p.store.count * p.store.pageFloats() * 4 }

// Cost is what a token costs: the multiplications with weights of its layers,
// and of the output, which only tokens whose successor is drawn need; and the
// bytes that those weights take, which a step reads once for all of its texts.
type Cost struct {
	Layers, Output int // multiplications, each with an addition
	Bytes          int
}

// Cost adds up the matrices.
func (m *Model) Cost() Cost {
	c := Cost{Output: m.output.Out() * m.output.In(), Bytes: m.output.Bytes()}
	for i := range m.layers {
		l := &m.layers[i]
		for _, w := range []*tensor.Matrix{l.q, l.k, l.v, l.o, l.gate, l.up, l.down} {
			c.Layers += w.Out() * w.In()
			c.Bytes += w.Bytes()
		}
	}
	return c
}

// Format is how the first layer's matrices are stored, which stands for all.
func (m *Model) Format() block.Format { return m.layers[0].q.Format() }
