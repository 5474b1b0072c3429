package tokenizer

// symbol is a stretch of text being encoded, in a doubly linked list. Its token
// is −1 if it has none, its size 0 once it is merged into the one before it.
type symbol struct{ token, start, size, previous, next int32 }

// merging joins neighbouring symbols, those with the most urgent merge first,
// until no two have one. It keeps what may be merged in a heap, so that n
// symbols take n·log n.
type merging struct {
	symbols []symbol
	queue   candidates
	// join says how urgent the merge of two neighbours is and what it makes.
	join func(left, right *symbol) (rank, token int32, ok bool)
}

// add appends a symbol.
func (m *merging) add(token, start, size int32) {
	n := int32(len(m.symbols))
	m.symbols = append(m.symbols, symbol{token, start, size, n - 1, n + 1})
}

// run merges what can be merged.
func (m *merging) run() {
	if len(m.symbols) == 0 {
		return
	}
	m.symbols[len(m.symbols)-1].next = -1
	for i := range len(m.symbols) - 1 {
		m.propose(int32(i))
	}
	for len(m.queue) > 0 {
		var c candidate
		c, m.queue = m.queue.pop()
		left := &m.symbols[c.left]
		// Symbols only ever grow, so the same size is the same two symbols.
		if left.size == 0 || left.next < 0 || left.size+m.symbols[left.next].size != c.size {
			continue
		}
		right := &m.symbols[left.next]
		left.token, left.size, left.next = c.token, c.size, right.next
		right.size = 0
		if left.next >= 0 {
			m.symbols[left.next].previous = c.left
			m.propose(c.left)
		}
		if left.previous >= 0 {
			m.propose(left.previous)
		}
	}
}

// propose queues the merge of the symbol at left with its successor, if there is one.
func (m *merging) propose(left int32) {
	l := &m.symbols[left]
	r := &m.symbols[l.next]
	if rank, token, ok := m.join(l, r); ok {
		m.queue = m.queue.push(candidate{rank: rank, left: left, token: token, size: l.size + r.size})
	}
}

// each calls visit with what is left after run, in order.
func (m *merging) each(visit func(s *symbol)) {
	for i := int32(0); i >= 0 && int(i) < len(m.symbols); i = m.symbols[i].next {
		visit(&m.symbols[i])
	}
}
