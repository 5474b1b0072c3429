package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// Pooling is how one vector is made of a text's states.
type Pooling int

// The poolings. Models that do not say have PoolMean.
const (
	PoolMean Pooling = iota // the mean of all states
	PoolLast                // the state of the last token
)

// String is the pooling's name.
func (p Pooling) String() string {
	switch p {
	case PoolMean:
		return "mean"
	case PoolLast:
		return "last"
	}
	return fmt.Sprintf("pooling %d", int(p))
}

// ParsePooling reads a pooling's name.
func ParsePooling(name string) (Pooling, error) {
	for _, p := range []Pooling{PoolMean, PoolLast} {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%w: pooling %q; there are mean and last", ErrRequest, name)
}

// readPooling reads <architecture>.pooling_type, numbered as in llama.cpp
// (enum llama_pooling_type). Those of encoders and rankers have no meaning for
// a decoder.
func (m *Model) readPooling(f *gguf.File) error {
	key := m.Architecture + ".pooling_type"
	if !f.Has(key) {
		return nil
	}
	kind, err := f.Uint(key)
	if err != nil {
		return err
	}
	switch kind {
	case 0, 1: // none leaves the choice to us
		m.Pooling = PoolMean
	case 3:
		m.Pooling = PoolLast
	default:
		return fmt.Errorf("%w: %s is %d; 0 (none), 1 (mean) and 3 (last) are supported", ErrModel, key, kind)
	}
	return nil
}

// ErrNotFinite is returned when a model's arithmetic leaves the numbers, so that
// there is no result to speak of.
var ErrNotFinite = errors.New("the model computes numbers beyond float32")

// EmbeddingLength is how many elements a text's vector has.
func (m *Model) EmbeddingLength() int { return m.dim }

// CheckText says why tokens are no text that can be embedded or scored; nil if
// they are. The errors are ErrRequest and ErrContextLength.
func (m *Model) CheckText(tokens []int32) error { return m.checkText(tokens) }

// Embed is [Model.Embed], for one text at a time, so that memory stays bounded.
func (e *Engine) Embed(ctx context.Context, tokens []int32, pooling Pooling) ([]float32, error) {
	select {
	case e.embedding <- struct{}{}:
		defer func() { <-e.embedding }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return e.model.Embed(tokens, pooling, e.forward.workers)
}

// Embed is the vector of a text, of length 1 by its Euclidean norm (or 0, if all
// its states are), with EmbeddingLength elements: its states after the last
// norm, pooled. spec/engine.md fixes every bit. The errors are ErrRequest,
// ErrContextLength and ErrNotFinite.
func (m *Model) Embed(tokens []int32, pooling Pooling, threads int) ([]float32, error) {
	if err := m.checkText(tokens); err != nil {
		return nil, err
	}
	if pooling != PoolMean && pooling != PoolLast {
		return nil, fmt.Errorf("%w: %s", ErrRequest, pooling)
	}
	s := m.newSequence(threads)
	sum := make([]float64, m.dim)
	rows := make([]int, 0, prefillChunk)
	count := 0
	for at := 0; at < len(tokens); at += prefillChunk {
		n := min(prefillChunk, len(tokens)-at)
		rows = rows[:0]
		for row := range n {
			if pooling == PoolMean || at+row == len(tokens)-1 {
				rows = append(rows, row)
			}
		}
		s.chunk(tokens[at:at+n], rows, false)
		states := s.states()
		for i := range rows {
			for j, v := range states[i*m.dim:][:m.dim] {
				sum[j] += float64(v)
			}
		}
		count += len(rows)
	}
	for j := range sum {
		sum[j] /= float64(count)
	}
	return unit(sum)
}

// unit rounds a vector to float32, then divides it by its length. Squares of
// float32 are exact in float64, so that only their order matters.
func unit(exact []float64) ([]float32, error) {
	vector := make([]float32, len(exact))
	var squares float64
	for i, v := range exact {
		vector[i] = float32(v)
		squares += float64(float64(vector[i]) * float64(vector[i]))
	}
	if !(squares <= math.MaxFloat64) {
		return nil, fmt.Errorf("%w: there is no embedding of this text", ErrNotFinite)
	}
	if squares == 0 {
		return vector, nil
	}
	length := math.Sqrt(squares) // correctly rounded everywhere (IEEE 754)
	for i, v := range vector {
		vector[i] = float32(float64(v) / length)
	}
	return vector, nil
}
