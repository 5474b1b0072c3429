package referee

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// hash is a word of the state of SHA-256 after the next chunk of the Operator
// that is hashed: states are shown after each, so that to check one takes one
// chunk. The last state is the digest.
func (b *bench) hash(of Operator, layer uint64, r Run, i uint64) uint32 {
	state, number := i/stateWords, i%stateWords
	var before []uint32
	if state > 0 {
		before = b.words(b.segment, r.Operator, r.Layer, stateWords*(state-1), stateWords)
	}
	words := b.length(of, layer)
	first := state * ChunkWords
	next := b.words(b.segment, of, layer, first, min(ChunkWords, words-first))
	list, err := hashOn(before, 4*first, next, first+uint64(len(next)) == words)
	if err != nil {
		return b.fail(err)
	}
	return list[number]
}

// length is how many words an operator of the segment gives.
func (b *bench) length(o Operator, layer uint64) uint64 {
	for _, r := range b.Runs(b.segment) {
		if r.Operator == o && r.Layer == layer {
			return r.Words
		}
	}
	return 0
}

// stateWords are those of a state of SHA-256, and of a digest.
const stateWords = sha256.Size / 4

// hashMark and hashBytes are how crypto/sha256 writes its state: a mark, the state, a block
// that is begun, and the bytes so far.
const (
	hashMark  = "sha\x03"
	hashBytes = len(hashMark) + sha256.Size + sha256.BlockSize + 8
)

// errHash is returned if crypto/sha256 has another form of its state.
var errHash = errors.New("crypto/sha256 keeps its state in an unknown form")

// hashOn takes a SHA-256 on, from its state after so many bytes (none at the
// beginning) over whole blocks of words; the last words may be fewer, and end it.
func hashOn(before []uint32, bytes uint64, words []uint32, last bool) ([]uint32, error) {
	h := sha256.New()
	if len(before) > 0 {
		state := []byte(hashMark)
		for _, w := range before {
			state = binary.BigEndian.AppendUint32(state, w)
		}
		state = append(state, make([]byte, sha256.BlockSize)...)
		state = binary.BigEndian.AppendUint64(state, bytes)
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
			return nil, fmt.Errorf("%w: %w", errHash, err)
		}
	}
	var data []byte
	for _, w := range words {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	h.Write(data)
	if last {
		return digestWords(receipt.Digest(h.Sum(nil))), nil
	}
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil || len(state) != hashBytes || string(state[:len(hashMark)]) != hashMark {
		return nil, errHash
	}
	return digestWords(receipt.Digest(state[len(hashMark):][:sha256.Size])), nil
}

// HashStates are the states of a SHA-256 over words that a trace shows: after each
// chunk, the last being the digest.
func HashStates(words []uint32) (states []uint32, err error) {
	var state []uint32
	for at := 0; at < len(words); at += ChunkWords {
		part := words[at:min(at+ChunkWords, len(words))]
		if state, err = hashOn(state, uint64(4*at), part, at+len(part) == len(words)); err != nil {
			return nil, err
		}
		states = append(states, state...)
	}
	return states, nil
}

// digestWords are a digest as eight words, big-endian, as SHA-256 has them.
func digestWords(d receipt.Digest) (words []uint32) {
	for i := 0; i < len(d); i += 4 {
		words = append(words, binary.BigEndian.Uint32(d[i:]))
	}
	return words
}

// logitSpan is how many logits one fold is of.
const logitSpan = 1024

// logitFolds is how many folds so many logits have.
func logitFolds(vocabulary uint64) uint64 { return (vocabulary + logitSpan - 1) / logitSpan }

// foldWord is half of the fold of numbers: of an even word the lower 32 bits, of an
// odd one the upper. See spec/engine.md, "Fold".
func foldWord(x []float, word uint64) uint32 {
	const factor, lanes = 0x7feb352d, 16
	take := func(h, pair uint64) uint64 { return ((h ^ pair) ^ (h^pair)>>32) * factor }
	var h [lanes]uint64
	for j := range h {
		h[j] = uint64(j)
	}
	for j := 0; j < len(x); j += 2 {
		pair := uint64(x[j].Canonical())
		if j+1 < len(x) {
			pair |= uint64(x[j+1].Canonical()) << 32
		}
		h[j/2%lanes] = take(h[j/2%lanes], pair)
	}
	for _, lane := range h[1:] {
		h[0] = take(h[0], lane)
	}
	return uint32(h[0] >> (32 * (word % 2)))
}

// claim is a word of the claim: of the two digests, or the token, as it was
// drawn and as it was served.
func (b *bench) claim(i uint64) uint32 {
	last := func(o Operator, of uint64) uint32 {
		return b.words(b.segment, o, 0, hashWords(of)-stateWords+i%stateWords, 1)[0]
	}
	switch {
	case i < stateWords:
		return last(OpLogitsHash, 2*logitFolds(b.Shape.Vocabulary))
	case i < 2*stateWords:
		return last(OpFoldHash, 2*b.Shape.Layers)
	case (i == 2*stateWords || b.Step == b.Receipt.CompletionTokens) && drawOf(&b.Receipt.Sampling) != foreign:
		return b.drawnToken()
	}
	return b.token(OpOutput, b.Step)
}
