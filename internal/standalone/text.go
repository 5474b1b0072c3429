package standalone

import (
	"context"
	"net/http"
	"strings"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
)

// alone computes what takes a whole text at once, one request after the other,
// so that memory stays bounded. It ends early when the client leaves.
func (s *Server) alone(ctx context.Context, compute func() error) error {
	select {
	case s.whole <- struct{}{}:
		defer func() { <-s.whole }()
	case <-ctx.Done():
		return openai.ErrClient
	}
	return compute()
}

// embeddings serves POST /v1/embeddings.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) error {
	body, err := openai.ReadBody(r)
	if err != nil {
		return err
	}
	e, err := openai.ParseEmbedding(body)
	if err != nil {
		return err
	}
	if err := s.serves(e.Model); err != nil {
		return err
	}
	pooling := s.engine.Model().Pooling
	if e.Pooling != "" {
		if pooling, err = engine.ParsePooling(e.Pooling); err != nil {
			return openai.Invalid("pooling", "%v.", err)
		}
	}
	inputs := e.Tokens
	for _, text := range e.Texts {
		inputs = append(inputs, s.vocabulary.Vocabulary.Prompt(text))
	}
	list := openai.EmbeddingList{Object: "list", Model: s.config.Name}
	for i, ids := range inputs {
		if err := s.check("input", ids); err != nil {
			return err
		}
		var vector []float32
		err := s.alone(r.Context(), func() (err error) {
			vector, err = s.engine.Model().Embed(ids, pooling, s.config.Threads)
			return err
		})
		if err != nil {
			return s.explain(r.Context(), err)
		}
		list.Data = append(list.Data, e.Entry(i, vector))
		list.Usage.PromptTokens += uint64(len(ids))
	}
	list.Usage.TotalTokens = list.Usage.PromptTokens
	return openai.WriteJSON(w, http.StatusOK, list)
}

// check refuses token ids that are no text of the model.
func (s *Server) check(param string, ids []int32) error {
	m := s.engine.Model()
	if len(ids) == 0 {
		return openai.Invalid(param, "The text has no tokens.")
	}
	if len(ids) > m.ContextLength {
		return openai.ContextLength(param, uint64(m.ContextLength), uint64(len(ids)), 0)
	}
	return s.known(param, ids)
}

// known refuses ids that are no tokens of the model.
func (s *Server) known(param string, ids []int32) error {
	for _, id := range ids {
		if id < 0 || int(id) >= s.vocabulary.Size() {
			return openai.Invalid(param, "Invalid '%s': the model has no token %d.", param, id)
		}
	}
	return nil
}

// tokenize serves POST /tokenize, with the fields of llama.cpp's server.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Content string `json:"content"`
		// AddSpecial puts the marks of beginning and end where the model wants them.
		AddSpecial bool `json:"add_special"`
		// ParseSpecial takes names of control tokens for those tokens.
		ParseSpecial bool `json:"parse_special"`
		// WithPieces adds each token's text.
		WithPieces bool `json:"with_pieces"`
	}
	if err := read(r, &q); err != nil {
		return err
	}
	v := s.vocabulary.Vocabulary
	ids := v.Encode(q.Content, q.ParseSpecial)
	switch {
	case q.AddSpecial && !q.ParseSpecial:
		ids = v.Prompt(q.Content)
	case q.ParseSpecial && !q.AddSpecial: // Encode has marked the ends
		if v.AddsBOS() {
			ids = ids[1:]
		}
		if v.AddsEOS() {
			ids = ids[:len(ids)-1]
		}
	}
	if !q.WithPieces {
		return openai.WriteJSON(w, http.StatusOK, map[string]any{"tokens": append([]int32{}, ids...)})
	}
	type piece struct {
		ID    int32  `json:"id"`
		Piece string `json:"piece"`
	}
	pieces := []piece{}
	for _, id := range ids {
		pieces = append(pieces, piece{id, strings.ToValidUTF8(string(v.Piece(id)), "\uFFFD")})
	}
	return openai.WriteJSON(w, http.StatusOK, map[string]any{"tokens": pieces})
}

// read reads a JSON body.
func read(r *http.Request, into any) error {
	body, err := openai.ReadBody(r)
	if err != nil {
		return err
	}
	return openai.Decode(body, into)
}

// detokenize serves POST /detokenize, with the fields of llama.cpp's server.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Tokens []int32 `json:"tokens"`
	}
	if err := read(r, &q); err != nil {
		return err
	}
	if err := s.known("tokens", q.Tokens); err != nil {
		return err
	}
	text := strings.ToValidUTF8(string(s.vocabulary.Decode(q.Tokens)), "\uFFFD")
	return openai.WriteJSON(w, http.StatusOK, map[string]string{"content": text})
}

// score serves POST /score: how likely each token of a text is, given those
// before it, as `koinon engine score` prints.
func (s *Server) score(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Prompt string  `json:"prompt"`
		Tokens []int32 `json:"tokens"` // instead of a prompt
		Top    int     `json:"top"`
	}
	if err := read(r, &q); err != nil {
		return err
	}
	param := "tokens"
	if q.Top < 0 || q.Top > inference.MaxLogprobs {
		return openai.Invalid("top", "Invalid 'top': must be between 0 and %d, but got %d.", inference.MaxLogprobs, q.Top)
	}
	if q.Tokens == nil {
		q.Tokens, param = s.vocabulary.Vocabulary.Prompt(q.Prompt), "prompt"
	}
	if err := s.check(param, q.Tokens); err != nil {
		return err
	}
	var scored []engine.ScoredToken
	err := s.alone(r.Context(), func() (err error) {
		scored, err = s.engine.Model().ScoreTop(q.Tokens, q.Top, s.config.Threads)
		return err
	})
	if err != nil {
		return s.explain(r.Context(), err)
	}
	return openai.WriteJSON(w, http.StatusOK, map[string]any{"model": s.config.Name, "tokens": scored})
}
