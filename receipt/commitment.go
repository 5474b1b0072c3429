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

// Fold is the SHA-256 over folds, 8 bytes each, little-endian: of a step's logits,
// 1,024 by 1,024, or of a position's hidden state after each layer. Whoever disputes
// a leaf opens it to these, which say where two runs part.
func Fold(folds []uint64) Digest {
	var room [256]byte // enough for most models; a leaf is made of every token
	data := room[:0]
	for _, f := range folds {
		data = binary.LittleEndian.AppendUint64(data, f)
	}
	return Sum(data)
}

// Leaf commits to one step of a generation: its number from 0 in the whole
// answer, the token chosen, the [Fold] of the logits it was chosen from, and that
// of the layers that led to them, zero where an engine does not tell.
func Leaf(step uint64, token int32, logits, fold Digest) Digest {
	var room [128]byte // stays on the stack, as nothing is appended through a pointer
	data := canonical(room[:0]).begin("step")
	data = binary.BigEndian.AppendUint64(data, step)
	data = binary.BigEndian.AppendUint64(data, uint64(uint32(token)))
	data = append(append(data, logits[:]...), fold[:]...)
	return Sum(data)
}
