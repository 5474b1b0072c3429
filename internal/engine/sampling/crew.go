package sampling

import "slices"

// Crew are samplers of one answer whose tokens are given, one for each worker, so
// that its steps can be drawn side by side. Draws are those of one sampler.
type Crew struct {
	given    []int32
	samplers []*Sampler
	accepted []int // by each
}

// Crew is for an answer that goes on with the given tokens after what the sampler
// accepted. The sampler itself is not used again.
func (s *Sampler) Crew(given []int32, workers int) *Crew {
	c := &Crew{given: given, samplers: make([]*Sampler, max(1, workers)), accepted: make([]int, max(1, workers))}
	for i := range c.samplers {
		c.samplers[i] = &Sampler{params: s.params, history: s.history.clone(), work: make([]float32, len(s.work)), domain: s.domain}
	}
	return c
}

// At is a worker's sampler after so many of the given tokens; it cannot go back.
func (c *Crew) At(worker, accepted int) *Sampler {
	s := c.samplers[worker]
	for ; c.accepted[worker] < accepted; c.accepted[worker]++ {
		s.Accept(c.given[c.accepted[worker]])
	}
	return s
}

func (h *history) clone() *history {
	if h == nil {
		return nil
	}
	return &history{all: slices.Clone(h.all), answered: slices.Clone(h.answered), window: slices.Clone(h.window), at: h.at}
}
