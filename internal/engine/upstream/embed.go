package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
)

// maxElements bounds a vector, so that it fits a frame; maxVector the answer with one,
// in bytes.
const (
	maxElements = 1 << 15
	maxVector   = 32 * maxElements
)

// vectors is how a kind of engine is asked for embeddings.
type vectors struct {
	path string // below the engine's root
	body func(e *Engine, text any) any
}

// The addresses: Ollama's own, which does not cut a text short without a word, and
// OpenAI's, which the others have.
var (
	ollamaVectors = vectors{"/api/embed", func(e *Engine, text any) any {
		return map[string]any{"model": e.config.Model, "input": text, "truncate": false, "options": map[string]any{"num_ctx": e.context}}
	}}
	openAIVectors = vectors{"/v1/embeddings", func(e *Engine, text any) any {
		return map[string]any{"model": e.config.Model, "input": text, "encoding_format": "float"}
	}}
)

// Embeds says whether the engine makes a vector of a text: one made for text alone
// says so itself, and what makes sense is not known before it is asked.
func (e *Engine) Embeds(ctx context.Context, p *Pieces, text []int32) (bool, error) {
	_, err := e.Embed(ctx, p, text)
	if refusal := new(statusError); errors.As(err, &refusal) || errors.Is(err, ErrAnswer) {
		return false, nil
	}
	return err == nil, err
}

// Embed is the engine's vector of a text, pooled as the engine does. It waits for a
// slot as [Engine.Generate] does. An engine that says it read another number of
// tokens is refused with [ErrAnswer].
func (e *Engine) Embed(ctx context.Context, p *Pieces, text []int32) ([]float32, error) {
	leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, e.config.Stall, fmt.Errorf("%w: nothing for %s", ErrUnavailable, e.config.Stall))
	defer cancel()
	var input any = text
	if !e.dialect.takesTokens {
		input = written(p.v, text)
	}
	response, err := e.do(ctx, http.MethodPost, e.dialect.vectors.path, e.dialect.vectors.body(e, input))
	if err != nil {
		return nil, ended(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxVector))
	if err != nil {
		return nil, ended(ctx, fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	return readVector(body, len(text))
}

// readVector reads an answer of either form with one vector of so many tokens.
func readVector(body []byte, tokens int) ([]float32, error) {
	var w struct {
		Embeddings [][]float32                     // Ollama's
		Read       int                             `json:"prompt_eval_count"`
		Data       []struct{ Embedding []float32 } // OpenAI's
		Usage      struct {
			Read int `json:"prompt_tokens"`
		}
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("%w: it is not a vector's JSON", ErrAnswer)
	}
	for _, d := range w.Data {
		w.Embeddings = append(w.Embeddings, d.Embedding)
	}
	if len(w.Embeddings) != 1 || len(w.Embeddings[0]) == 0 || len(w.Embeddings[0]) > maxElements {
		return nil, fmt.Errorf("%w: not one vector of 1 to %d elements", ErrAnswer, maxElements)
	}
	if read := w.Read + w.Usage.Read; read != 0 && read != tokens {
		return nil, fmt.Errorf("%w: it read %d tokens of a text of %d", ErrAnswer, read, tokens)
	}
	for _, v := range w.Embeddings[0] {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%w: an element that is no finite number", ErrAnswer)
		}
	}
	return w.Embeddings[0], nil
}
