package grammar

import "github.com/koinon/koinon/internal/engine/sampling"

// Matcher follows one text through a grammar. It is not safe for concurrent use.
type Matcher struct {
	stacks
	vocabulary *Vocabulary
	at         cursor
	path       []cursor
	walk       uint32
	work       int
}

// cursor is a place in a text: the state after its last whole character, and
// what the bytes since say of the next.
type cursor struct {
	state  int32
	value  uint32 // bits so far
	left   uint8  // bytes to come
	length uint8  // of the character's bytes
}

// NewMatcher begins a text.
func NewMatcher(g *Grammar, v *Vocabulary) *Matcher {
	m := &Matcher{stacks: stacks{Grammar: g}, vocabulary: v, path: make([]cursor, v.deep+1)}
	m.at = cursor{state: m.start()}
	return m
}

// Complete says whether the text so far matches the grammar.
func (m *Matcher) Complete() bool { return m.at.left == 0 && m.complete(m.at.state) }

// Mask replaces what mask has by the tokens that may come next: those that
// leave the text the beginning of one that matches, and the one that ends it if
// it matches already.
func (m *Matcher) Mask(mask sampling.Mask) {
	m.begins()
	v := m.vocabulary
	if m.takesPlain() {
		copy(mask, v.allPlain)
	} else {
		clear(mask)
		m.mark(&v.plain, mask)
	}
	m.mark(&v.other, mask)
	if eos := v.tokens.EOS(); eos >= 0 && m.Complete() {
		mask.Allow(eos)
	}
}

// takesPlain says whether every plain character leads back to where the text is.
func (m *Matcher) takesPlain() bool {
	for _, class := range m.classes.plain {
		if m.at.left > 0 || m.follow(m.at.state, class) != m.at.state {
			return false
		}
	}
	return m.at.left == 0
}

// mark walks a trie and allows the tokens that it reaches.
func (m *Matcher) mark(v *trie, mask sampling.Mask) {
	path := m.path
	path[0] = m.at
	row, rowOf := m.states[m.at.state].next, m.at.state // of the state met last
	for i, n := int32(0), int32(len(v.char)); i < n; {
		d, b := v.depth[i], v.char[i]
		if c := path[d-1]; c.left == 0 && b < 0x80 { // advance, without the calls
			if c.state != rowOf {
				row, rowOf = m.states[c.state].next, c.state
			}
			t := &row[m.classes.ascii[b]]
			if t.mark != m.walk {
				m.discover(c.state, m.classes.ascii[b])
			}
			if c.state = t.to; t.mark != m.walk {
				c.state = -1
			}
			if path[d] = c; c.state < 0 {
				i = v.skip[i]
				continue
			}
		} else if next, ok := m.advance(c, b); ok {
			path[d] = next
		} else {
			i = v.skip[i]
			continue
		}
		if t := v.token[i]; t >= 0 {
			mask.Allow(t)
		} else if t < none {
			for _, id := range v.same[none-1-t] {
				mask.Allow(id)
			}
		}
		i++
	}
}

// Accept appends a token to the text, and says whether the grammar allows it;
// if not, the text stays as it is.
func (m *Matcher) Accept(id int32) bool {
	t := m.vocabulary.tokens
	if id == t.EOS() {
		return m.Complete()
	}
	if id < 0 || int(id) >= t.Size() || t.IsControl(id) {
		return false
	}
	return m.AcceptBytes(t.Piece(id))
}

// AcceptBytes is Accept for any bytes.
func (m *Matcher) AcceptBytes(b []byte) bool {
	m.begins()
	at, ok := m.at, true
	for _, c := range b {
		if at, ok = m.advance(at, c); !ok {
			return false
		}
	}
	m.at = at
	return true
}

// begins starts counting work, and forgets if too much is remembered.
func (m *Matcher) begins() {
	m.work = 0
	if m.walk++; m.walk == 0 || len(m.nodes) > keepNodes || m.cells > keepCells {
		m.at.state = m.renew(m.at.state)
		m.walk = 1
	}
}

// follow is the state to which a class leads, −1 for none.
func (m *Matcher) follow(from, class int32) int32 {
	if t := &m.states[from].next[class]; t.mark == m.walk {
		return t.to
	}
	return m.discover(from, class)
}

// discover is follow for the first time in a walk.
func (m *Matcher) discover(from, class int32) int32 {
	t := &m.states[from].next[class]
	if m.work >= maxWork {
		return -1
	}
	if t.cost == 0 {
		found := m.step(from, class)
		t = &m.states[from].next[class] // the states may have moved
		*t = found
	}
	t.mark = m.walk
	m.work += int(t.cost)
	return t.to
}

// advance reads a byte.
func (m *Matcher) advance(c cursor, b byte) (cursor, bool) {
	if c.left == 0 {
		if b < 0x80 {
			c.state = m.follow(c.state, m.classes.ascii[b])
			return c, c.state >= 0
		}
		switch {
		case b < 0xc2 || b > 0xf4:
			return c, false
		case b < 0xe0:
			c.value, c.left, c.length = uint32(b&0x1f), 1, 2
		case b < 0xf0:
			c.value, c.left, c.length = uint32(b&0x0f), 2, 3
		default:
			c.value, c.left, c.length = uint32(b&0x07), 3, 4
		}
		return c, m.possible(c)
	}
	if b&0xc0 != 0x80 {
		return c, false
	}
	c.value, c.left = c.value<<6|uint32(b&0x3f), c.left-1
	if c.left > 0 {
		return c, m.possible(c)
	}
	if c.value < least[c.length] || c.value > 0x10ffff {
		return c, false
	}
	class := m.classes.of(rune(c.value))
	if class < 0 {
		return c, false
	}
	c = cursor{state: m.follow(c.state, class)}
	return c, c.state >= 0
}

// least is the first code point that needs so many bytes (RFC 3629).
var least = [5]uint32{2: 0x80, 3: 0x800, 4: 0x10000}

// possible says whether a character that begins as the bytes so far may follow.
func (m *Matcher) possible(c cursor) bool {
	bits := 6 * uint32(c.left)
	low, high := max(c.value<<bits, least[c.length]), min(c.value<<bits|(1<<bits-1), 0x10ffff)
	if low > high {
		return false
	}
	k := m.classes
	for i := k.interval(rune(low)); i < len(k.starts) && k.starts[i] <= rune(high); i++ {
		if k.class[i] >= 0 && m.follow(c.state, k.class[i]) >= 0 {
			return true
		}
	}
	return false
}
