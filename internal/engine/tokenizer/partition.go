package tokenizer

import (
	"cmp"
	"slices"
)

// partition finds special tokens in text. Like llama.cpp it takes out the
// longest token wherever it is, from the left, then the next shorter one in
// what is left. Among tokens of one length the lower id comes first.
//
// It is an automaton of Aho and Corasick (1975) over the tokens' texts read
// backwards, so that one pass from the end of a text tells for each place the
// longest token that begins there, however many tokens there are.
type partition struct {
	root  [256]int32 // children of node 0
	nodes []node
	order []special
}

// node is a suffix of a token's text. Children are a list through siblings.
type node struct {
	child, sibling int32 // 0 for none
	fail           int32 // the longest proper suffix, read backwards, that is a node
	shorter        int32 // the nearest node by fail that is a whole token, or −1
	order          int32 // the place in order of the token that this is, or −1
	label          byte
}

type special struct {
	id, length int32
	strips     attributes
}

// fragment is a token, or text if that is −1.
type fragment struct {
	token int32
	text  string
}

func newPartition(t *tokens, ids []int32) *partition {
	slices.SortFunc(ids, func(a, b int32) int {
		return cmp.Or(cmp.Compare(len(t.vocabulary.Tokens[b]), len(t.vocabulary.Tokens[a])), cmp.Compare(a, b))
	})
	p := &partition{nodes: []node{{shorter: -1, order: -1}}}
	for i, id := range ids {
		text := t.vocabulary.Tokens[id]
		p.order = append(p.order, special{id, int32(len(text)), t.attributes[id]})
		at := int32(0)
		for j := len(text) - 1; j >= 0; j-- {
			at = p.grow(at, text[j])
		}
		p.nodes[at].order = int32(i)
	}
	p.link()
	return p
}

// child is a node's successor by a byte, or 0.
func (p *partition) child(at int32, b byte) int32 {
	if at == 0 {
		return p.root[b]
	}
	next := p.nodes[at].child
	for next != 0 && p.nodes[next].label != b {
		next = p.nodes[next].sibling
	}
	return next
}

func (p *partition) grow(at int32, b byte) int32 {
	if next := p.child(at, b); next != 0 {
		return next
	}
	next := int32(len(p.nodes))
	p.nodes = append(p.nodes, node{sibling: p.nodes[at].child, shorter: -1, order: -1, label: b})
	p.nodes[at].child = next
	if at == 0 {
		p.root[b] = next
	}
	return next
}

// step is the automaton's next state.
func (p *partition) step(at int32, b byte) int32 {
	for {
		if next := p.child(at, b); next != 0 || at == 0 {
			return next
		}
		at = p.nodes[at].fail
	}
}

// link sets fail and shorter in the order of depth.
func (p *partition) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for next := p.nodes[at].child; next != 0; next = p.nodes[next].sibling {
			if at != 0 {
				p.nodes[next].fail = p.step(p.nodes[at].fail, p.nodes[next].label)
			}
			p.nodes[next].shorter = p.whole(p.nodes[next].fail)
			queue = append(queue, next)
		}
	}
}

// whole is the nearest node from a state that is a whole token, or −1.
func (p *partition) whole(at int32) int32 {
	if p.nodes[at].order >= 0 {
		return at
	}
	return p.nodes[at].shorter
}

// split cuts text into special tokens and what is between them.
func (p *partition) split(text string) []fragment {
	if text == "" {
		return nil
	}
	var queue candidates
	at := int32(0)
	for i := len(text) - 1; i >= 0 && len(p.order) > 0; i-- {
		at = p.step(at, text[i])
		if n := p.whole(at); n >= 0 {
			queue = queue.push(candidate{rank: p.nodes[n].order, left: int32(i), token: n})
		}
	}
	if len(queue) == 0 {
		return []fragment{{-1, text}}
	}
	return p.cut(text, queue)
}

// found is a token at a place, with the white space that it takes along.
type found struct{ id, start, end int32 }

func (p *partition) cut(text string, queue candidates) []fragment {
	taken := make([]bool, len(text))
	var all []found
	for len(queue) > 0 {
		var c candidate
		c, queue = queue.pop()
		s := p.order[c.rank]
		start, end := c.left, c.left+s.length
		if taken[start] {
			continue
		}
		// All that is taken is at least as long, so a clash shows at the end.
		if taken[end-1] {
			if n := p.nodes[c.token].shorter; n >= 0 {
				queue = queue.push(candidate{rank: p.nodes[n].order, left: c.left, token: n})
			}
			continue
		}
		for s.strips&stripsLeft != 0 && start > 0 && !taken[start-1] && isSpaceByte(text[start-1]) {
			start--
		}
		for s.strips&stripsRight != 0 && int(end) < len(text) && !taken[end] && isSpaceByte(text[end]) {
			end++
		}
		for i := start; i < end; i++ {
			taken[i] = true
		}
		all = append(all, found{s.id, start, end})
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.start, b.start) })
	var fragments []fragment
	done := int32(0)
	for _, f := range all {
		if f.start > done {
			fragments = append(fragments, fragment{-1, text[done:f.start]})
		}
		fragments, done = append(fragments, fragment{token: f.id}), f.end
	}
	if int(done) < len(text) {
		fragments = append(fragments, fragment{-1, text[done:]})
	}
	return fragments
}

// isSpaceByte is C's isspace.
func isSpaceByte(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }
