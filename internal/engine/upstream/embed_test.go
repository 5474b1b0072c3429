package upstream

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestVectors asks each kind for a vector: as text or as token ids, at its address;
// what is no vector of the text, or is of other tokens than were counted, is refused.
func TestVectors(t *testing.T) {
	p := vocabulary(t)
	text := p.v.Encode("One, two", true)
	for name, c := range map[string]struct {
		about  map[string]string
		path   string
		answer string
		tokens bool
		err    error
	}{
		"ollama":        {asOllama, "/api/embed", `{"embeddings":[[0.5,-1]],"prompt_eval_count":N}`, false, nil},
		"llama.cpp":     {asLlamaCPP, "/v1/embeddings", `{"data":[{"embedding":[0.5,-1]}],"usage":{"prompt_tokens":N}}`, true, nil},
		"vllm":          {asVLLM, "/v1/embeddings", `{"data":[{"embedding":[0.5,-1]}]}`, true, nil},
		"another":       {asOther, "/v1/embeddings", `{"data":[{"embedding":[0.5,-1]}]}`, false, nil},
		"other weights": {asOllama, "/api/embed", `{"embeddings":[[0.5,-1]],"prompt_eval_count":999}`, false, ErrAnswer},
		"two":           {asOllama, "/api/embed", `{"embeddings":[[0.5,-1],[1]]}`, false, ErrAnswer},
		"none":          {asVLLM, "/v1/embeddings", `{"data":[]}`, true, ErrAnswer},
		"too large":     {asVLLM, "/v1/embeddings", `{"data":[{"embedding":[1e39]}]}`, true, ErrAnswer},
		"a page":        {asVLLM, "/v1/embeddings", `<html>`, true, ErrAnswer},
		"not to be had": {asVLLM, "/elsewhere", "", true, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			e := dial(t, script{c.about, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != c.path {
					http.NotFound(w, r)
					return
				}
				var asked struct{ Input json.RawMessage }
				if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
					t.Error(err)
				}
				var ids []int32
				if json.Unmarshal(asked.Input, &ids) == nil != c.tokens || c.tokens && !slices.Equal(ids, text) || !c.tokens && string(asked.Input) != `"One, two"` {
					t.Errorf("it is asked for %s", asked.Input)
				}
				io.WriteString(w, strings.ReplaceAll(c.answer, "N", strconv.Itoa(len(text))))
			}}, Config{})
			got, err := e.Embed(t.Context(), p, text)
			if !errors.Is(err, c.err) || err == nil && !slices.Equal(got, []float32{0.5, -1}) {
				t.Errorf("%v, %v", got, err)
			}
			if can, err := e.Embeds(t.Context(), p, text); can != (c.err == nil) || err != nil {
				t.Errorf("it makes vectors: %t, %v", can, err)
			}
		})
	}
}
