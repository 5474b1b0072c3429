package trainer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// ErrTooLittleText is returned when a text is too short to learn from.
var ErrTooLittleText = errors.New("too little text to learn from")

// pair is two adjacent tokens.
type pair struct{ left, right int32 }

// word is a piece of pre-tokenised text, as tokens, and how often it occurs.
type word struct {
	tokens []int32
	count  int
}

// learnBPE learns merges from texts until the vocabulary, the 256 bytes and one
// token a merge, has size tokens (Sennrich et al., 2016; over bytes, Radford
// et al., 2019). Among equally frequent pairs the one with the smaller left,
// then right token is merged, so that the outcome is fixed. It returns the
// tokens' bytes, the first 256 being the bytes themselves, and the merges.
func learnBPE(texts []string, size int) (pieces []string, merges []pair, err error) {
	for b := range 256 {
		pieces = append(pieces, string([]byte{byte(b)}))
	}
	words := countWords(texts)
	counts, where := map[pair]int{}, map[pair][]int{}
	for i, w := range words {
		for j := range len(w.tokens) - 1 {
			p := pair{w.tokens[j], w.tokens[j+1]}
			counts[p] += w.count
			where[p] = append(where[p], i)
		}
	}
	for len(pieces) < size {
		best, most := pair{}, 0
		for p, n := range counts {
			if n > most || n == most && (p.left < best.left || p.left == best.left && p.right < best.right) {
				best, most = p, n
			}
		}
		if most < 2 {
			return nil, nil, fmt.Errorf("%w: only %d of %d tokens found; give more text or a smaller vocabulary", ErrTooLittleText, len(pieces), size)
		}
		token := int32(len(pieces))
		pieces = append(pieces, pieces[best.left]+pieces[best.right])
		merges = append(merges, best)
		touched := where[best]
		delete(where, best)
		for _, i := range slices.Compact(touched) {
			mergeWord(&words[i], i, best, token, counts, where)
		}
		delete(counts, best)
	}
	return pieces, merges, nil
}

// mergeWord replaces best by token in one word and brings the counts up to date.
func mergeWord(w *word, index int, best pair, token int32, counts map[pair]int, where map[pair][]int) {
	old := w.tokens
	merged := make([]int32, 0, len(old))
	for j := 0; j < len(old); j++ {
		if j+1 < len(old) && old[j] == best.left && old[j+1] == best.right {
			merged = append(merged, token)
			j++
		} else {
			merged = append(merged, old[j])
		}
	}
	if len(merged) == len(old) {
		return
	}
	for j := range len(old) - 1 {
		p := pair{old[j], old[j+1]}
		if counts[p] -= w.count; counts[p] <= 0 {
			delete(counts, p)
		}
	}
	for j := range len(merged) - 1 {
		p := pair{merged[j], merged[j+1]}
		counts[p] += w.count
		if n := len(where[p]); n == 0 || where[p][n-1] != index {
			where[p] = append(where[p], index)
		}
	}
	w.tokens = merged
}

// countWords splits the texts as the tokenizer will and returns the distinct
// words in the order of their first occurrence.
func countWords(texts []string) []word {
	index, words := map[string]int{}, []word(nil)
	for _, text := range texts {
		for piece := range tokenizer.Split(text) {
			i, seen := index[piece]
			if !seen {
				i = len(words)
				index[strings.Clone(piece)] = i
				tokens := make([]int32, len(piece))
				for j := range len(piece) {
					tokens[j] = int32(piece[j])
				}
				words = append(words, word{tokens: tokens})
			}
			words[i].count++
		}
	}
	return words
}
