package tokenizer

// candidate is a merge that might be made, or a special token that might be
// taken: the one with the lowest rank first, the leftmost among equals.
type candidate struct {
	rank, left, token int32
	size              int32 // of both symbols together when it was proposed
}

func (a candidate) before(b candidate) bool {
	return a.rank < b.rank || a.rank == b.rank && a.left < b.left
}

// candidates is a binary heap. It is written out, as container/heap would
// allocate for every element.
type candidates []candidate

func (h candidates) push(c candidate) candidates {
	h = append(h, c)
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	return h
}

func (h candidates) pop() (candidate, candidates) {
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return top, h
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return top, h
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
