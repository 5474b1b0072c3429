package challenge

import (
	"encoding/binary"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// Seed is a version's own part of the beacon's randomness in an epoch.
func Seed(r receipt.Digest, model string, epoch int64) receipt.Digest {
	return beacon.Value(r, "challenge "+model, uint64(epoch))
}

// Prompts are made of the first Ids token ids, which every vocabulary but a toy's
// has, so that the ledger, which knows no vocabulary, knows the prompt. A model
// that has nothing to say to a prompt is asked the next, up to MaxAttempts.
const (
	Ids         = 256
	MaxAttempts = 16
)

// Prompt is the token ids that a seed draws for an attempt, each with the same
// chance. Nobody sells such a text, so that no cached answer helps.
func Prompt(seed receipt.Digest, attempt int, tokens int64) []int32 {
	own := beacon.Value(seed, "prompt", uint64(attempt))
	list := make([]int32, 0, max(0, tokens))
	for i := range tokens {
		d := beacon.Value(own, "token", uint64(i))
		list = append(list, int32(d[0]))
	}
	return list
}

// Announce says whether an epoch's challenges begin with this block, of which r
// is the randomness: from the epoch's beginning on with the same chance in each
// second of its first half, and at the end of that for certain. So nobody can
// leave just before, and come back just after.
func Announce(p Params, r receipt.Digest, start, before, now int64) bool {
	half := max(1, p.Epoch/2)
	if p.Epoch == 0 || now < start {
		return false
	}
	left := start + half - now
	passed := now - max(before, start)
	if left <= 0 {
		return true
	}
	d := beacon.Value(r, "announce", uint64(start))
	return binary.BigEndian.Uint64(d[:])%uint64(passed+left) < uint64(passed)
}
