package gateway

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/route"
)

// embeddings serves POST /v1/embeddings: all texts of a request go to one
// provider, over one stream, for one receipt.
func (g *Gateway) embeddings(w http.ResponseWriter, r *http.Request, key store.Key) error {
	body, err := openai.ReadBody(r)
	if err != nil {
		return err
	}
	e, err := openai.ParseEmbedding(body)
	if err != nil {
		return err
	}
	v, vocabulary, _, err := g.understand(r.Context(), openai.Completion{Model: e.Model, Controls: e.Controls})
	if err != nil {
		return err
	}
	c := &call{
		id: "embd-" + rand.Text(), key: key.ID, version: v, vocabulary: vocabulary,
		request: inference.Request{Model: v.digest, TopP: 1, Embed: &inference.Embed{Texts: e.Texts, Tokens: e.Tokens, Pooling: e.Pooling}},
	}
	if err := c.request.Validate(); err != nil {
		return openai.Invalid("input", "The request cannot be sent to a provider: %v.", err)
	}
	j := &job{gateway: g, version: v, calls: []*call{c}, query: route.Query{Controls: e.Controls}}
	if err := j.fitTexts(e); err != nil {
		return err
	}
	if err := g.choose(j, e.Model); err != nil {
		return err
	}
	if err := g.back(r.Context(), j, key); err != nil {
		return err
	}
	result, err := g.answer(r.Context(), j, c, func(openai.Delta) error { return nil })
	j.settle(result)
	if err != nil {
		return err
	}
	list := openai.EmbeddingList{
		Object: "list", Model: j.Model(), Koinon: j.koinon(result),
		Usage: openai.EmbeddingUsage{PromptTokens: result.usage.prompt, TotalTokens: result.usage.prompt},
	}
	for i, vector := range result.vectors {
		list.Data = append(list.Data, e.Entry(i, vector))
	}
	openai.Label(w, j, []openai.Answer{j.describe(result)})
	return openai.WriteJSON(w, http.StatusOK, list)
}

// fitTexts counts the tokens of the texts and checks each against the model's
// context.
func (j *job) fitTexts(e openai.Embedding) error {
	c := j.calls[0]
	texts := e.Tokens
	for _, text := range e.Texts {
		ids, err := c.vocabulary.Prompt(inference.Request{Model: j.version.digest, Prompt: text})
		if err != nil {
			return openai.Invalid("input", "The text cannot be put into the model's form: %v.", err)
		}
		texts = append(texts, ids)
	}
	limit := j.version.index.Widest(uint64(j.version.ContextLength))
	for _, ids := range texts {
		if n := uint64(len(ids)); n == 0 {
			return openai.Invalid("input", "The text has no tokens.")
		} else if n > limit {
			return openai.ContextLength("input", limit, n, 0)
		}
		for _, id := range ids {
			if _, ok := c.vocabulary.Piece(id); !ok {
				return openai.Invalid("input", "Invalid 'input': the model has no token %d.", id)
			}
		}
		j.query.Prompt = max(j.query.Prompt, uint64(len(ids)))
		c.prompt = append(c.prompt, ids...)
	}
	return nil
}

// embedded takes vectors that arrived. All of a request's are equally long.
func (a *attempt) embedded(vectors [][]byte) error {
	for _, data := range vectors {
		if a.request.Embed == nil || len(a.vectors) >= a.request.Embed.Len() {
			return fmt.Errorf("%w: more vectors than were asked for", errProtocol)
		}
		n := len(data) / 4
		if len(data)%4 != 0 || n == 0 || n > inference.MaxVector || len(a.vectors) > 0 && n != len(a.vectors[0]) {
			return fmt.Errorf("%w: a vector of %d bytes", errProtocol, len(data))
		}
		vector := make([]float32, n)
		for i := range vector {
			vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			if v := float64(vector[i]); math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%w: a vector with an element that is no number", errProtocol)
			}
		}
		a.vectors = append(a.vectors, vector)
	}
	return nil
}
