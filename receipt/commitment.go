package receipt

import "encoding/binary"

// TokensDigest is the SHA-256 over token ids, 4 bytes each, little-endian.
func TokensDigest(ids []int32) Digest { return Sum(tokenBytes(ids)) }

func tokenBytes(ids []int32) []byte {
	data := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		data = binary.LittleEndian.AppendUint32(data, uint32(id))
	}
	return data
}

// Fold is the SHA-256 over the folds of a position's hidden state after each
// layer, 8 bytes each, little-endian, the first layer's first. Whoever disputes a
// leaf opens it to these, which say in which layer two runs part.
func Fold(layers []uint64) Digest {
	data := make([]byte, 0, 8*len(layers))
	for _, f := range layers {
		data = binary.LittleEndian.AppendUint64(data, f)
	}
	return Sum(data)
}

// Leaf commits to one step of a generation: its number from 0 in the whole
// answer, the token chosen, the digest of the logits it was chosen from, and the
// [Fold] of the layers that led to them, zero where an engine does not tell.
func Leaf(step uint64, token int32, logits, fold Digest) Digest {
	c := begin("step")
	c.integer(step)
	c.integer(uint64(uint32(token)))
	c.digest(logits)
	c.digest(fold)
	return Sum(c)
}
