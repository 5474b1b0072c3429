package merkle

import (
	"github.com/koinon/koinon/internal/mechanism/canonical"
)

// Append writes the descent: count, range, node, agreed nodes, and whether it has
// ended.
func (d *Descent) Append(w *canonical.Writer) {
	w.Uint64(d.Count)
	w.Uint64(d.Lo)
	w.Uint64(d.Hi)
	w.Digest(d.Node)
	w.Digests(d.Agreed)
	if d.Ended {
		w.Byte(1)
	} else {
		w.Byte(0)
	}
}

// ReadDescent reads what Append writes. What could not have come of choices is
// read as the zero value, which is the descent of a tree that is not disputed yet.
func ReadDescent(r *canonical.Reader) Descent {
	var d Descent
	d.Count, d.Lo, d.Hi = r.Uint64(), r.Uint64(), r.Uint64()
	d.Node, d.Agreed = r.Digest(), r.Digests(64)
	d.Ended = r.Byte() == 1
	if !d.sound() {
		return Descent{}
	}
	return d
}

// sound says whether the range is a subtree, with as many agreed nodes as lie
// left of it.
func (d *Descent) sound() bool {
	if d.Lo >= d.Hi || d.Hi > d.Count || d.Ended && d.Hi-d.Lo != 1 {
		return false
	}
	agreed := 0
	for r := (Range{0, d.Count}); r != d.Range; {
		if r.Hi-r.Lo == 1 {
			return false
		}
		mid := Mid(r.Lo, r.Hi)
		switch {
		case d.Hi <= mid:
			r.Hi = mid
		case d.Lo >= mid:
			r.Lo = mid
			agreed++
		default:
			return false
		}
	}
	return agreed == len(d.Agreed)
}
