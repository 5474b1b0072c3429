package provider

import (
	"context"
	"errors"
	"fmt"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// finishEmbedded is the finish reason of embeddings.
const finishEmbedded = "stop"

// fitTexts encodes the texts of a request for embeddings.
func (s *session) fitTexts() error {
	embedder, ok := s.p.out.Engine.(Embedder)
	if !ok {
		return inference.Errorf(inference.CodeModelNotFound, "this provider's engine makes no embeddings")
	}
	var err error
	if s.texts, err = embedder.Texts(s.request.Embed); errors.Is(err, ErrUnsupported) {
		e := inference.Errorf(inference.CodeInvalidRequest, "%v", err)
		e.Retryable = true // by another provider
		return e
	} else if err != nil {
		return inference.Errorf(inference.CodeInvalidRequest, "%v", err)
	}
	for _, text := range s.texts {
		s.prompt = append(s.prompt, text...)
	}
	return nil
}

// embed sends the vector of each text. They are owed together, at the end: what
// a payer may take for nothing before its grant is active covers all of them.
func (s *session) embed(ctx context.Context) (finish string, err error) {
	if err := s.book.prompt(ctx, s.metered, s.p.exposure, s.p.config); err != nil {
		return "", err
	}
	for i, text := range s.texts {
		vector, err := s.p.out.Engine.(Embedder).Embed(ctx, text, s.request.Embed.Pooling)
		if err != nil {
			return "", fmt.Errorf("embedding text %d: %w", i, err)
		}
		if i == 0 {
			s.first = s.p.now()
		}
		s.vectors = append(s.vectors, vector)
		s.leaves = append(s.leaves, receipt.VectorLeaf(uint64(i), vector))
		err = s.send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Vectors{Vectors: &inferencev1.Vectors{
			Vectors: [][]byte{receipt.VectorBytes(vector)},
		}}})
		if err != nil {
			return "", errors.Join(errBroken, err)
		}
	}
	return finishEmbedded, nil
}

// output is the digest of the first n tokens, or of all vectors.
func (s *session) output(n int) receipt.Digest {
	if s.request.Embed != nil {
		return receipt.VectorsDigest(s.vectors)
	}
	return receipt.TokensDigest(s.tokens[:n])
}

// commitment is the root over the steps of the first n tokens, or over all
// vectors.
func (s *session) commitment(n int) receipt.Digest {
	if s.request.Embed != nil {
		n = len(s.leaves)
	}
	return receipt.MerkleRoot(s.leaves[:n])
}
