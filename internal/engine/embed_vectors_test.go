package engine

import (
	"slices"
	"testing"

	"github.com/koinon/koinon/receipt"
)

const embeddingsFile = "../../spec/vectors/engine/embeddings.json"

// embeddings are texts and what becomes of them.
type embeddings struct {
	Comment string            `json:"comment"`
	Models  []embeddingsOfOne `json:"models"`
}

type embeddingsOfOne struct {
	source
	Texts []embedding `json:"texts"`
}

type embedding struct {
	Text   string  `json:"text"`
	Tokens []int32 `json:"tokens"`
	// The vectors' digests: float32, little-endian.
	Mean receipt.Digest `json:"mean"`
	Last receipt.Digest `json:"last"`
}

func TestEmbeddingVectors(t *testing.T) {
	var published embeddings
	if *update {
		published = newEmbeddings()
	} else {
		readVectors(t, embeddingsFile, &published)
	}
	for i := range published.Models {
		one := &published.Models[i]
		m := one.model(t)
		for j := range one.Texts {
			e := &one.Texts[j]
			tokens := m.Prompt(e.Text)
			mean, last := embeddingDigest(t, m, tokens, PoolMean), embeddingDigest(t, m, tokens, PoolLast)
			if *update {
				e.Tokens, e.Mean, e.Last = tokens, mean, last
			}
			if !slices.Equal(e.Tokens, tokens) || e.Mean != mean || e.Last != last {
				t.Errorf("%s %s, %q: computed %v, %s and %s, published %+v", one.File, one.Format, e.Text, tokens, mean, last, *e)
			}
		}
	}
	writeVectors(t, embeddingsFile, published)
}

// newEmbeddings chooses what is published.
func newEmbeddings() embeddings {
	published := embeddings{Comment: "Vectors of texts, to the bit: see spec/engine.md. Made and checked by TestEmbeddingVectors."}
	for _, format := range []string{"", "F32"} {
		one := embeddingsOfOne{source: source{File: shipped, Format: format}}
		for _, text := range []string{"ROMEO:", "In the beginning", longText} {
			one.Texts = append(one.Texts, embedding{Text: text})
		}
		published.Models = append(published.Models, one)
	}
	return published
}

// longText is more than a chunk.
const longText = "\"Well, Prince,\" said Anna Pávlovna, and the whole of the company turned to the door, where a tall and " +
	"handsome young man had appeared, who looked about him as if he were searching for somebody he had not seen " +
	"for a very long time, and who might well have come in by another door.\n\n1, 2, 3; 北京 🙂"

func embeddingDigest(t *testing.T, m *Model, tokens []int32, pooling Pooling) receipt.Digest {
	t.Helper()
	vector, err := m.Embed(tokens, pooling, 2)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Sum(receipt.VectorBytes(vector))
}
