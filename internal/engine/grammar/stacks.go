package grammar

import (
	"encoding/binary"
	"slices"
)

// Bounds of matching.
const (
	// maxPlaces bounds the places that one step may come to; more is as if the
	// character were not allowed.
	maxPlaces = 1 << 13
	// maxDepth bounds stacks; a deeper one is left out.
	maxDepth = 1 << 12
	// maxWork bounds the places that the mask of one token may come to, with an
	// eighth of the stacks that are tried and a quarter of the classes of the states
	// that are made; what is beyond is not allowed.
	maxWork = 1 << 18
	// When more nodes or transitions than this are remembered, all but the
	// current state is forgotten.
	keepNodes, keepCells = 1 << 18, 1 << 20
)

// node is the top of a stack: a place in the program, and the node below. Node 0
// is the bottom.
type node struct{ place, below, depth int32 }

// state is a set of stacks, each with a set of characters on top; the bottom
// alone says that the text may end.
type state struct {
	tops []int32 // nodes, ascending
	next []transition
}

// transition is where a class of characters leads.
type transition struct {
	to   int32 // a state's number, −1 for nowhere
	cost int32 // 0 if it is not known yet
	// mark is the walk that last came here: each walk pays for a transition once,
	// known before or not, so that its bound falls alike for everybody.
	mark uint32
}

// stacks is the part of a matcher that knows nothing of bytes.
type stacks struct {
	*Grammar
	nodes  []node
	byNode map[[2]int32]int32
	states []state
	byTops map[string]int32
	cells  int

	todo []node
	seen map[[2]int32]struct{}
	key  []byte
}

// start is the state before the first character.
func (s *stacks) start() int32 {
	s.forget()
	s.begin()
	for _, a := range s.rules[s.root] {
		s.visit(a, 0)
	}
	tops, _ := s.close()
	return s.state(tops)
}

func (s *stacks) forget() {
	s.nodes, s.byNode = []node{{}}, map[[2]int32]int32{}
	s.states, s.byTops, s.cells = nil, map[string]int32{}, 0
}

// renew forgets everything but one state, and returns its new number.
func (s *stacks) renew(current int32) int32 {
	old, tops := s.nodes, s.states[current].tops
	s.forget()
	renewed := map[int32]int32{0: 0}
	fresh := make([]int32, len(tops))
	for i, top := range tops {
		var path []int32
		for n := top; ; n = old[n].below {
			if _, ok := renewed[n]; ok {
				break
			}
			path = append(path, n)
		}
		for _, n := range slices.Backward(path) {
			renewed[n] = s.node(old[n].place, renewed[old[n].below])
		}
		fresh[i] = renewed[top]
	}
	slices.Sort(fresh)
	return s.state(fresh)
}

// node is the number of a stack, −1 if it would be too deep.
func (s *stacks) node(place, below int32) int32 {
	key := [2]int32{place, below}
	if id, ok := s.byNode[key]; ok {
		return id
	}
	depth := s.nodes[below].depth + 1
	if depth > maxDepth {
		return -1
	}
	id := int32(len(s.nodes))
	s.nodes = append(s.nodes, node{place, below, depth})
	s.byNode[key] = id
	return id
}

// state is the number of a set of stacks.
func (s *stacks) state(tops []int32) int32 {
	s.key = s.key[:0]
	for _, top := range tops {
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(top))
	}
	if id, ok := s.byTops[string(s.key)]; ok {
		return id
	}
	id := int32(len(s.states))
	s.states = append(s.states, state{tops: tops, next: make([]transition, s.classes.count)})
	s.cells += s.classes.count
	s.byTops[string(s.key)] = id
	return id
}

// complete says whether the text may end in a state.
func (s *stacks) complete(id int32) bool {
	tops := s.states[id].tops
	return len(tops) > 0 && tops[0] == 0
}

// step computes where a class leads.
func (s *stacks) step(from, class int32) transition {
	s.begin()
	for _, top := range s.states[from].tops {
		n := s.nodes[top]
		if top != 0 && s.classes.has(int(s.program[n.place]-1), class) {
			s.visit(n.place+1, n.below)
		}
	}
	tops, ok := s.close()
	t := transition{to: -1, cost: int32(len(s.seen) + len(s.states[from].tops)/8 + 1)}
	if ok && len(tops) > 0 {
		t.to = s.state(tops)
		t.cost += int32(s.classes.count / 4)
	}
	return t
}

func (s *stacks) begin() {
	s.todo = s.todo[:0]
	if s.seen == nil || len(s.seen) > 256 {
		s.seen = map[[2]int32]struct{}{} // clearing takes as long as it was ever large
	}
	clear(s.seen)
}

// visit puts a place on the list, once.
func (s *stacks) visit(place, below int32) {
	key := [2]int32{place, below}
	if _, ok := s.seen[key]; !ok {
		s.seen[key] = struct{}{}
		s.todo = append(s.todo, node{place: place, below: below})
	}
}

// close follows what is on the list to the next characters: the ends of
// alternates to what comes after them, rules to their alternates. Nothing is put
// on the stack for a rule that an alternate ends with. It fails if there is too
// much of it.
func (s *stacks) close() (tops []int32, ok bool) {
	for len(s.todo) > 0 {
		if len(s.seen) > maxPlaces {
			return nil, false
		}
		n := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		switch e := s.program[n.place]; {
		case e == end && n.below == 0:
			tops = append(tops, 0)
		case e == end:
			below := s.nodes[n.below]
			s.visit(below.place, below.below)
		case e > 0:
			if id := s.node(n.place, n.below); id >= 0 {
				tops = append(tops, id)
			}
		default:
			below := n.below
			if s.program[n.place+1] != end {
				below = s.node(n.place+1, below)
			}
			for _, a := range s.rules[^e] {
				if below >= 0 {
					s.visit(a, below)
				}
			}
		}
	}
	slices.Sort(tops)
	return slices.Compact(tops), true
}
