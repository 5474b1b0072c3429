package grammar

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/koinon/koinon/internal/engine/sampling"
)

// Tokens are a model's tokens, as a tokenizer has them.
type Tokens interface {
	// Size is their number; ids are below it.
	Size() int
	// Piece is the bytes that a token stands for.
	Piece(id int32) []byte
	// IsControl says whether a token is no text; it is never allowed.
	IsControl(id int32) bool
	// EOS is the token that ends a text, or −1.
	EOS() int32
}

// maxPiece bounds the tokens that a grammar may allow, in bytes.
const maxPiece = 1 << 10

// Vocabulary is a model's tokens by their bytes, made once for a model. It does
// not change and may be shared.
type Vocabulary struct {
	tokens Tokens
	// Most tokens are plain: whole characters that a JSON string has as they are.
	// Where any such text may follow, as within those strings, there is no need
	// to walk them.
	plain, other trie
	allPlain     sampling.Mask
	deep         int
}

// trie has its vertices in the order of a walk, children by their bytes.
type trie struct {
	char  []byte
	depth []uint16
	skip  []int32 // the first vertex after those below
	token []int32 // that ends here, none, or none − 1 − the number of several in same
	same  [][]int32
}

// none stands for no token.
const none = -1

// NewVocabulary makes the trie. Control tokens and those without bytes are not
// in it: they would never end.
func NewVocabulary(t Tokens) *Vocabulary {
	v := &Vocabulary{tokens: t, allPlain: sampling.NewMask(t.Size())}
	var plain, other []int32
	for id := range int32(t.Size()) {
		if n := len(t.Piece(id)); n > 0 && n <= maxPiece && !t.IsControl(id) && id != t.EOS() {
			v.deep = max(v.deep, n)
			if isPlain(t.Piece(id)) {
				plain = append(plain, id)
				v.allPlain.Allow(id)
			} else {
				other = append(other, id)
			}
		}
	}
	v.plain.build(t, plain)
	v.other.build(t, other)
	return v
}

// isPlainRune says whether a JSON string has a character as it is.
func isPlainRune(r rune) bool { return r >= 0x20 && r != '"' && r != '\\' && r != 0x7f }

func isPlain(piece []byte) bool {
	for _, r := range string(piece) {
		if !isPlainRune(r) {
			return false
		}
	}
	return utf8.Valid(piece)
}

func (v *trie) build(t Tokens, ids []int32) {
	slices.SortStableFunc(ids, func(a, b int32) int { return bytes.Compare(t.Piece(a), t.Piece(b)) })
	var path []int32 // the vertices to the last piece
	var last []byte
	for i, id := range ids {
		piece := t.Piece(id)
		if i > 0 && bytes.Equal(piece, last) {
			v.add(path[len(path)-1], id)
			continue
		}
		common := 0
		for common < len(last) && last[common] == piece[common] {
			common++
		}
		v.leave(path[common:])
		path = path[:common]
		for _, b := range piece[common:] {
			path = append(path, int32(len(v.char)))
			v.char, v.depth = append(v.char, b), append(v.depth, uint16(len(path)))
			v.skip, v.token = append(v.skip, 0), append(v.token, none)
		}
		v.add(path[len(path)-1], id)
		last = piece
	}
	v.leave(path)
}

// add puts a token at a vertex.
func (v *trie) add(vertex, id int32) {
	switch there := v.token[vertex]; {
	case there == none:
		v.token[vertex] = id
	case there >= 0:
		v.token[vertex] = none - 1 - int32(len(v.same))
		v.same = append(v.same, []int32{there, id})
	default:
		list := &v.same[none-1-there]
		*list = append(*list, id)
	}
}

// leave ends vertices: what comes next is not below them.
func (v *trie) leave(path []int32) {
	for _, at := range path {
		v.skip[at] = int32(len(v.char))
	}
}
