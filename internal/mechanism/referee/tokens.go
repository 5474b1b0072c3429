package referee

import (
	"slices"

	"github.com/koinon/koinon/receipt"
)

// The tokens are given, not computed: the receipt has their SHA-256. So that a few
// of them can be proved without the others, they lie in blocks, the last block
// first, each with the state of SHA-256 before it. A block is right if, from that
// state, it leads to the state that the chunk on its left has, or to the receipt's
// digest: no other block does, as SHA-256 has no known collisions.

// blockTokens are the tokens of a block: three blocks of SHA-256.
const blockTokens = 48

// BlockTokens is how many tokens a block has.
func BlockTokens(block []uint32) int { return len(block) - stateWords }

func blocksOf(tokens uint64) uint64 { return (tokens + blockTokens - 1) / blockTokens }

// TokenChunks are the chunks of a run of tokens.
func TokenChunks(tokens []int32) (chunks [][]uint32, err error) {
	var state []uint32
	for at := 0; at < len(tokens); at += blockTokens {
		part := tokens[at:min(at+blockTokens, len(tokens))]
		words := make([]uint32, len(part))
		for i, id := range part {
			words[i] = uint32(id)
		}
		if state == nil {
			if state, err = hashOn(nil, 0, nil, false); err != nil {
				return nil, err
			}
		}
		chunks = append([][]uint32{append(append([]uint32{}, state...), words...)}, chunks...)
		if state, err = hashOn(state, uint64(4*at), words, at+len(part) == len(tokens)); err != nil {
			return nil, err
		}
	}
	return chunks, nil
}

// follows says whether a chunk of tokens leads to what the receipt, or the chunk
// on its left, says.
func (b *bench) follows(r Run, i uint64, claimed []uint32) bool {
	goal := digestWords(b.digest(r.Operator))
	if i > 0 {
		goal = b.chunk(0, r.First+i-1)[:stateWords]
	}
	right, err := leads(claimed, blockTokens*(r.chunks()-1-i), i == 0, goal)
	if err != nil {
		b.fail(err)
	}
	return right
}

// leads says whether a block of tokens that begins with the at-th leads from its
// state to a goal, which is a digest if the block is the last.
func leads(block []uint32, at uint64, last bool, goal []uint32) (bool, error) {
	state := block[:stateWords]
	if at == 0 {
		if beginning, err := hashOn(nil, 0, nil, false); err != nil || !slices.Equal(state, beginning) {
			return false, err
		}
	}
	got, err := hashOn(state, 4*at, block[stateWords:], last)
	return slices.Equal(got, goal), err
}

// digest is the receipt's of prompt or answer.
func (b *bench) digest(o Operator) receipt.Digest {
	if o == OpPrompt {
		return b.Receipt.PromptDigest
	}
	return b.Receipt.OutputDigest
}

// token is the i-th token of prompt or answer.
func (b *bench) token(o Operator, i uint64) uint32 {
	for _, r := range b.Runs(0) {
		if r.Operator == o {
			return b.chunk(0, r.First+r.chunks()-1-i/blockTokens)[stateWords+i%blockTokens]
		}
	}
	return b.fail(ErrPlace)
}

// tokenAt is the i-th token of prompt and answer together.
func (b *bench) tokenAt(i uint64) uint32 {
	if prompt := b.Receipt.PromptTokens; i >= prompt {
		return b.token(OpOutput, i-prompt)
	}
	return b.token(OpPrompt, i)
}
