package receipt

import (
	"encoding/binary"
	"math"
)

// VectorBytes are a vector's elements, 4 bytes each, little-endian: what is sent,
// and what digests are made of.
func VectorBytes(vector []float32) []byte {
	data := make([]byte, 0, 4*len(vector))
	for _, v := range vector {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

// VectorsDigest is the output digest of embeddings: the SHA-256 over the bytes
// of all vectors, one after the other.
func VectorsDigest(vectors [][]float32) Digest {
	var data []byte
	for _, v := range vectors {
		data = append(data, VectorBytes(v)...)
	}
	return Sum(data)
}

// VectorLeaf commits to the vector of a text, as [Leaf] does to a step: by its
// number from 0, the token 0, the digest of its bytes, and no fold.
func VectorLeaf(text uint64, vector []float32) Digest {
	return Leaf(text, 0, Sum(VectorBytes(vector)), Digest{})
}
