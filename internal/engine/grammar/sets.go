package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// span is a range of code points, both ends included.
type span struct{ low, high rune }

// setTable holds sets of code points once each.
type setTable struct {
	sets [][]span
	ids  map[string]int
}

// set is the element of a set that is sorted and without overlaps.
func (p *parser) set(spans []span) element {
	key := make([]byte, 0, 8*len(spans))
	for _, s := range spans {
		key = binary.LittleEndian.AppendUint32(key, uint32(s.low))
		key = binary.LittleEndian.AppendUint32(key, uint32(s.high))
	}
	id, ok := p.sets.ids[string(key)]
	if !ok {
		if p.sets.ids == nil {
			p.sets.ids = map[string]int{}
		}
		id = len(p.sets.sets)
		p.sets.ids[string(key)] = id
		p.sets.sets = append(p.sets.sets, spans)
	}
	return ^element(id)
}

// normalise sorts spans and joins those that touch.
func normalise(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.low, b.low) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.low <= out[n-1].high+1 {
			out[n-1].high = max(out[n-1].high, s.high)
		} else {
			out = append(out, s)
		}
	}
	return out
}

func complement(spans []span) []span {
	var out []span
	next := rune(0)
	for _, s := range spans {
		if s.low > next {
			out = append(out, span{next, s.low - 1})
		}
		next = s.high + 1
	}
	if next <= utf8.MaxRune {
		out = append(out, span{next, utf8.MaxRune})
	}
	return out
}

// Bounds of what classes cost.
const (
	maxClasses   = 1 << 10
	maxSplitting = 1 << 23
)

// surrogates are no characters of UTF-8.
var surrogates = span{0xd800, 0xdfff}

// classes divide the code points: those of one class are in the same sets, so
// that an automaton needs to know no more of a character than its class.
type classes struct {
	starts  []rune  // of intervals, ascending from 0
	class   []int32 // of each interval; −1 for surrogates
	ascii   [utf8.RuneSelf]int32
	pages   [(utf8.MaxRune + 1) >> pageBits]int32 // the class of a whole page, or mixed
	count   int
	members [][]uint64 // of each set, a bit for each class
	plain   []int32    // the classes that have a plain character
}

// classify refines one class of everything by each set in turn.
func (p *parser) classify() *classes {
	sets := p.sets.sets
	bounds := []rune{0, surrogates.low, surrogates.high + 1}
	for _, set := range sets {
		for _, s := range set {
			bounds = append(bounds, s.low)
			if s.high < utf8.MaxRune {
				bounds = append(bounds, s.high+1)
			}
		}
	}
	slices.Sort(bounds)
	c := &classes{starts: slices.Compact(bounds), count: 1}
	c.class = make([]int32, len(c.starts))
	sizes := []int{len(c.starts)} // intervals of each class
	work := 0
	for _, set := range sets {
		split := map[int32]int32{} // class → its part within the set
		for _, s := range set {
			for i := c.interval(s.low); i < len(c.starts) && c.starts[i] <= s.high; i++ {
				if work++; work > maxSplitting {
					p.fail(0, "the grammar has too many different character classes")
				}
				old := c.class[i]
				part, ok := split[old]
				if !ok {
					part = int32(len(sizes))
					split[old] = part
					sizes = append(sizes, 0)
				}
				c.class[i] = part
				sizes[old]--
				sizes[part]++
			}
		}
		sizes = c.renumber(sizes)
		if len(sizes) > maxClasses {
			p.fail(0, "the grammar tells more than %d classes of characters apart", maxClasses)
		}
	}
	c.count = len(sizes)
	c.class[c.interval(surrogates.low)] = -1
	c.member(sets)
	return c
}

// renumber leaves out classes without intervals.
func (c *classes) renumber(sizes []int) []int {
	numbers, kept := make([]int32, len(sizes)), sizes[:0]
	for i, n := range sizes {
		numbers[i] = int32(len(kept))
		if n > 0 {
			kept = append(kept, n)
		}
	}
	if len(kept) == len(numbers) {
		return kept
	}
	for i, old := range c.class {
		c.class[i] = numbers[old]
	}
	return kept
}

// member fills in which classes each set has, and the classes of ASCII.
func (c *classes) member(sets [][]span) {
	c.members = make([][]uint64, len(sets))
	for i, set := range sets {
		c.members[i] = make([]uint64, (c.count+63)/64)
		for _, s := range set {
			for j := c.interval(s.low); j < len(c.starts) && c.starts[j] <= s.high; j++ {
				if id := c.class[j]; id >= 0 {
					c.members[i][id>>6] |= 1 << (id & 63)
				}
			}
		}
	}
	for r := range c.ascii {
		c.ascii[r] = c.class[c.interval(rune(r))]
	}
	c.paginate()
	for i, low := range c.starts {
		for low <= '\\'+1 && !isPlainRune(low) || low == 0x7f {
			low++
		}
		within := i+1 == len(c.starts) || low < c.starts[i+1]
		if id := c.class[i]; id >= 0 && within && !slices.Contains(c.plain, id) {
			c.plain = append(c.plain, id)
		}
	}
}

// Most pages of so many code points are of one class.
const (
	pageBits = 8
	mixed    = -2
)

// paginate fills in the classes of whole pages.
func (c *classes) paginate() {
	for page := range c.pages {
		first := rune(page << pageBits)
		i := c.interval(first)
		c.pages[page] = c.class[i]
		if i+1 < len(c.starts) && c.starts[i+1] < first+1<<pageBits {
			c.pages[page] = mixed
		}
	}
}

// of is the class of a code point.
func (c *classes) of(r rune) int32 {
	if class := c.pages[r>>pageBits]; class != mixed {
		return class
	}
	return c.class[c.interval(r)]
}

func (c *classes) has(set int, class int32) bool {
	return c.members[set][class>>6]>>(class&63)&1 != 0
}

// interval is the number of the interval that has a code point.
func (c *classes) interval(r rune) int {
	i, found := slices.BinarySearch(c.starts, r)
	if found {
		return i
	}
	return i - 1
}
