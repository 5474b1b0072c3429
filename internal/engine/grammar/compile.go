package grammar

// Grammar is a parsed grammar. It does not change and may be shared.
type Grammar struct {
	classes *classes
	// program has the alternates of all rules one after another, each closed by
	// end: a set's number plus 1, or a rule's as ^number. A stack is a list of
	// places in it.
	program []int32
	rules   [][]int32 // where the alternates of each rule begin
	root    int32
}

// end closes an alternate in the program.
const end = 0

// compile checks the rules and writes the program.
func (p *parser) compile() *Grammar {
	for name, id := range p.names {
		if !p.rules[id].defined {
			p.fail(p.firstUndefined(), "the rule %q is used but not defined", p.nameAt(p.firstUndefined(), name))
		}
	}
	root, ok := p.names["root"]
	if !ok {
		p.fail(0, "there is no rule named root")
	}
	c := p.classify()
	p.prune(c)
	if len(p.rules[root].alternates) == 0 {
		p.fail(p.rules[root].at, "no text matches root: each of its alternates goes on for ever")
	}
	p.refuseLeftRecursion()
	g := &Grammar{classes: c, root: int32(root), rules: make([][]int32, len(p.rules))}
	for id, r := range p.rules {
		for _, a := range r.alternates {
			g.rules[id] = append(g.rules[id], int32(len(g.program)))
			for _, e := range a {
				if e < 0 {
					g.program = append(g.program, int32(^e)+1)
				} else {
					g.program = append(g.program, ^int32(e))
				}
			}
			g.program = append(g.program, end)
		}
	}
	if s := (&stacks{Grammar: g}); len(s.states[s.start()].tops) == 0 {
		p.fail(p.rules[root].at, "the rules have too many ways to begin: more than %d places, or deeper than %d", maxPlaces, maxDepth)
	}
	return g
}

// firstUndefined is where the first name without a rule is used: errors must
// not depend on the order of a map.
func (p *parser) firstUndefined() int {
	at := len(p.source)
	for _, id := range p.names {
		if r := p.rules[id]; !r.defined {
			at = min(at, r.at)
		}
	}
	return at
}

func (p *parser) nameAt(at int, fallback string) string {
	for name, id := range p.names {
		if r := p.rules[id]; !r.defined && r.at == at {
			return name
		}
	}
	return fallback
}

// settle finds the rules for which an alternate has only elements that count: a
// least fixed point, in linear time. Sets count as said.
func (p *parser) settle(set func(int) bool) []bool {
	type place struct{ rule, alternate int }
	done := make([]bool, len(p.rules))
	missing := make([][]int, len(p.rules))
	users := make([][]place, len(p.rules))
	var ready []int
	finish := func(id int) {
		if !done[id] {
			done[id] = true
			ready = append(ready, id)
		}
	}
	for id, r := range p.rules {
		missing[id] = make([]int, len(r.alternates))
		for i, a := range r.alternates {
			for _, e := range a {
				switch {
				case e >= 0:
					users[e] = append(users[e], place{id, i})
					missing[id][i]++
				case !set(int(^e)):
					missing[id][i]++ // never done
				}
			}
			if missing[id][i] == 0 {
				finish(id)
			}
		}
	}
	for len(ready) > 0 {
		id := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, u := range users[id] {
			if missing[u.rule][u.alternate]--; missing[u.rule][u.alternate] == 0 {
				finish(u.rule)
			}
		}
	}
	return done
}

// prune leaves out alternates that no text can end, so that what a matcher
// allows can be completed.
func (p *parser) prune(c *classes) {
	some := func(set int) bool {
		for _, word := range c.members[set] {
			if word != 0 {
				return true
			}
		}
		return false
	}
	productive := p.settle(some)
	for id := range p.rules {
		r := &p.rules[id]
		kept := r.alternates[:0]
		for _, a := range r.alternates {
			ok := true
			for _, e := range a {
				ok = ok && (e >= 0 && productive[e] || e < 0 && some(int(^e)))
			}
			if ok {
				kept = append(kept, a)
			}
		}
		r.alternates = kept
	}
}

// refuseLeftRecursion fails if a rule can come to itself before a character: its
// stacks would have no end. That a loop ends in itself is harmless, as nothing is
// put on a stack for it.
func (p *parser) refuseLeftRecursion() {
	empty := p.settle(func(int) bool { return false })
	const (
		fresh = iota
		open
		closed
	)
	state := make([]byte, len(p.rules))
	type frame struct {
		rule int
		next []element
	}
	for start := range p.rules {
		if state[start] != fresh {
			continue
		}
		state[start] = open
		path := []frame{{start, p.leftmost(start, empty)}}
		for len(path) > 0 {
			top := &path[len(path)-1]
			if len(top.next) == 0 {
				state[top.rule] = closed
				path = path[:len(path)-1]
				continue
			}
			to := int(top.next[0])
			top.next = top.next[1:]
			switch state[to] {
			case open:
				at := p.rules[to].at
				for i := len(path) - 1; path[i].rule != to; i-- {
					at = min(at, p.rules[path[i].rule].at)
				}
				p.fail(at, "left recursion: a rule can come to itself before it has matched a character")
			case fresh:
				state[to] = open
				path = append(path, frame{to, p.leftmost(to, empty)})
			}
		}
	}
}

// leftmost are the rules with which a rule can begin.
func (p *parser) leftmost(id int, empty []bool) []element {
	var list []element
	r := &p.rules[id]
	for _, a := range r.alternates {
		for i, e := range a {
			if e < 0 {
				break
			}
			if !r.loop || i < len(a)-1 || int(e) != id {
				list = append(list, e)
			}
			if !empty[e] {
				break
			}
		}
	}
	return list
}
