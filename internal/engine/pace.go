package engine

import (
	"fmt"
	"time"
)

// Pace times the decoder alone, on texts of arbitrary tokens that it continues
// side by side: without sampling, digests and queues, so that engines can be
// compared and kernels judged. It is not safe for concurrent use.
type Pace struct {
	forward *forward
	store   *pages
	texts   []history
	tokens  []int32 // scratch
	spans   []span
	rows    []int
}

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
// takes them, and returns how long it took to have the logits of what follows.
func (p *Pace) Prefill(tokens int) (time.Duration, error) {
	for i := range p.texts {
		p.texts[i].release()
	}
	began := time.Now()
	for done := 0; done < tokens; {
		n := min(max(1, prefillChunk/len(p.texts)), tokens-done)
		if err := p.run(n, done+n == tokens); err != nil {
			return 0, err
		}
		done += n
	}
	return time.Since(began), nil
}

// Decode adds so many tokens to every text, one at a time with the logits of
// what follows, and returns how long it took.
func (p *Pace) Decode(steps int) (time.Duration, error) {
	began := time.Now()
	for range steps {
		if err := p.run(1, true); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
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
		p.rows = append(p.rows, from+n-1)
	}
	p.forward.run(p.spans)
	if predict {
		p.forward.predict(p.rows)
	}
	return nil
}

// Bytes is the memory that keys and values take by now.
func (p *Pace) Bytes() int { return p.store.count * p.store.pageFloats() * 4 }
