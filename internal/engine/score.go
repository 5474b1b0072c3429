package engine

import "fmt"

// Score returns the log-probability of each token but the first, given those
// before it: what an answer's likelihood is judged by.
func (m *Model) Score(tokens []int32, threads int) ([]float32, error) {
	if len(tokens) < 2 || len(tokens) > m.ContextLength {
		return nil, fmt.Errorf("%w: %d tokens to score, 2 to %d are possible", ErrRequest, len(tokens), m.ContextLength)
	}
	for _, id := range tokens {
		if id < 0 || int(id) >= m.Size() {
			return nil, fmt.Errorf("%w: token %d of %d", ErrRequest, id, m.Size())
		}
	}
	s := m.newSequence(threads)
	scores := make([]float32, 0, len(tokens)-1)
	rows := make([]int, 0, prefillChunk)
	for at := 0; at < len(tokens)-1; at += prefillChunk {
		n := min(prefillChunk, len(tokens)-1-at)
		s.chunk(tokens[at : at+n])
		rows = rows[:0]
		for i := range n {
			rows = append(rows, i)
		}
		logits := s.predict(rows)
		for i := range n {
			scores = append(scores, logProbabilities(logits[i*m.Size():][:m.Size()], tokens[at+i+1:at+i+2])[0])
		}
	}
	return scores, nil
}
