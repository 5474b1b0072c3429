package sampling

// history counts the tokens that penalties look at. Its size does not grow with
// the text.
type history struct {
	all      []int32 // how often each token is in the window
	answered []int32 // of these, how often in the answer
	window   []int64 // a ring: token·2, plus 1 for the answer's; nil for no bound
	at       int
}

func newHistory(vocabulary, window int) *history {
	h := &history{all: make([]int32, vocabulary), answered: make([]int32, vocabulary)}
	if window > 0 {
		h.window = make([]int64, window)
		for i := range h.window {
			h.window[i] = -1
		}
	}
	return h
}

// add appends a token to the text.
func (h *history) add(id int32, answer bool) {
	entry := int64(id) << 1
	if answer {
		entry |= 1
	}
	h.count(entry, 1)
	if h.window == nil {
		return
	}
	if old := h.window[h.at]; old >= 0 {
		h.count(old, -1)
	}
	h.window[h.at] = entry
	h.at = (h.at + 1) % len(h.window)
}

func (h *history) count(entry int64, by int32) {
	h.all[entry>>1] += by
	if entry&1 != 0 {
		h.answered[entry>>1] += by
	}
}

// penalise changes the logits of tokens that occurred.
func (h *history) penalise(logits []float32, p *Params) {
	repeats := p.repeats()
	for id, n := range h.all {
		if n == 0 {
			continue
		}
		l := logits[id]
		if repeats {
			if l > 0 {
				l /= p.RepetitionPenalty
			} else {
				l = float32(l * p.RepetitionPenalty)
			}
			l = finite(l)
		}
		if n := h.answered[id]; n > 0 {
			l = finite(l - float32(float32(n)*p.FrequencyPenalty))
			l = finite(l - p.PresencePenalty)
		}
		logits[id] = l
	}
}
