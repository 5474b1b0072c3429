package engine

import (
	"fmt"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// checkText refuses what is no text of the model's, or does not fit.
func (m *Model) checkText(tokens []int32) error {
	if len(tokens) == 0 {
		return fmt.Errorf("%w: a text without tokens; one is needed", ErrRequest)
	}
	if len(tokens) > m.ContextLength {
		return fmt.Errorf("%w: it has %d tokens, %d are possible", ErrContextLength, len(tokens), m.ContextLength)
	}
	return m.checkTokens(tokens)
}

// checkTokens refuses ids that the vocabulary does not have.
func (m *Model) checkTokens(tokens []int32) error {
	for i, id := range tokens {
		if id < 0 || int(id) >= m.Size() {
			return fmt.Errorf("%w: token %d is %d; ids are 0 to %d", ErrRequest, i, id, m.Size()-1)
		}
	}
	return nil
}

// Logits computes a text, many tokens at once, and shows the logits of what
// follows each token, in order; they are valid during the call. An error of
// visit ends it.
func (m *Model) Logits(tokens []int32, threads int, visit func(position int, logits []float32) error) error {
	if err := m.checkText(tokens); err != nil {
		return err
	}
	return m.force(tokens, pass{}, threads, func(c forced) error {
		for i := range c.rows {
			if err := visit(c.at(i), c.logits(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// LogitsAfter is Logits from what follows the token at a position on, shown by as
// many workers as there are threads at once: each has runs of positions, in order. Of
// positions that are not wanted, nil being all, no logits are computed.
func (m *Model) LogitsAfter(tokens []int32, from, threads int, wanted func(position int) bool, visit func(worker, position int, logits []float32)) error {
	if err := m.checkText(tokens); err != nil {
		return err
	}
	return m.force(tokens, pass{from: from, wanted: wanted}, threads, func(c forced) error {
		c.split(func(worker, i int) { visit(worker, c.at(i), c.logits(i)) })
		return nil
	})
}

// pass is what is shown of a text: what follows the tokens from one on, of these what
// is wanted, nil being all, and the folds of layers for all of them, if at all.
type pass struct {
	from   int
	wanted func(position int) bool
	folds  bool
}

// forced are rows of a chunk of a text that is given, of which the logits are there.
type forced struct {
	*forward
	first int // position of the chunk's first row
	rows  []int
	all   []float32
}

// at is the position of the i-th row.
func (c forced) at(i int) int { return c.first + c.rows[i] }

func (c forced) logits(i int) []float32 { return c.all[i*c.Size():][:c.Size()] }

// split has each worker do a run of the rows, in order.
func (c forced) split(do func(worker, i int)) {
	n, workers := len(c.rows), min(c.workers, len(c.rows))
	tensor.Parallel(workers, workers, func(worker int) {
		for i := worker * n / workers; i < (worker+1)*n/workers; i++ {
			do(worker, i)
		}
	})
}

// fold is of the layers that led to the logits.
func (c forced) fold(i int) receipt.Digest { return c.folded(i) }

// force computes a text, many tokens at once, and shows what follows the token at
// a position, and each after it; it is valid during the call.
func (m *Model) force(tokens []int32, p pass, threads int, visit func(forced) error) error {
	s := m.newSequence(threads)
	rows := make([]int, 0, prefillChunk)
	for at := 0; at < len(tokens); at += prefillChunk {
		n := min(prefillChunk, len(tokens)-at)
		rows = rows[:0]
		for i := max(0, p.from-at); i < n; i++ {
			if p.wanted == nil || p.wanted(at+i) {
				rows = append(rows, i)
			}
		}
		s.chunk(tokens[at:at+n], rows, p.folds)
		if len(rows) == 0 {
			continue
		}
		if err := visit(forced{s.forward, at, rows, s.predict()}); err != nil {
			return err
		}
	}
	return nil
}

// Score returns the log-probability of each token but the first, given those
// before it: what an answer's likelihood is judged by.
func (m *Model) Score(tokens []int32, threads int) ([]float32, error) {
	if len(tokens) < 2 {
		return nil, fmt.Errorf("%w: %d tokens to score, 2 at least", ErrRequest, len(tokens))
	}
	scores := make([]float32, 0, len(tokens)-1)
	err := m.Logits(tokens[:len(tokens)-1], threads, func(i int, logits []float32) error {
		scores = append(scores, logProbabilities(logits, tokens[i+1:i+2])[0])
		return nil
	})
	return scores, err
}

// ScoredToken is a token of a text, how likely it was, and what was likeliest in
// its place.
type ScoredToken struct {
	ID      int32          `json:"id"`
	Logprob *float32       `json:"logprob"` // nil for the first, which nothing precedes
	Top     []TokenLogprob `json:"top,omitempty"`
}

// ScoreTop is Score with, in the place of each token, the most likely tokens.
func (m *Model) ScoreTop(tokens []int32, top, threads int) ([]ScoredToken, error) {
	list := make([]ScoredToken, len(tokens))
	for i, id := range tokens {
		list[i].ID = id
	}
	err := m.Logits(tokens, threads, func(i int, logits []float32) error {
		if i+1 == len(tokens) {
			return nil
		}
		next := &list[i+1]
		next.Logprob = &logProbabilities(logits, tokens[i+1:i+2])[0]
		if top > 0 {
			next.Top = topLogprobs(logits, top)
		}
		return nil
	})
	return list, err
}

// DigestLogits is the digest of the logits after each token of a text, as
// spec/engine.md says.
func (m *Model) DigestLogits(tokens []int32, threads int) ([]receipt.Digest, error) {
	list := make([]receipt.Digest, 0, len(tokens))
	err := m.Logits(tokens, threads, func(_ int, logits []float32) error {
		list = append(list, digest(logits))
		return nil
	})
	return list, err
}
