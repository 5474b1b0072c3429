package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/koinon/koinon/internal/route"
)

// MaxInputs bounds the texts of one request for embeddings, as OpenAI does.
const MaxInputs = 2048

// Embedding is what a request for embeddings asks for. Inputs are texts or,
// where Tokens has one for the place, token ids.
type Embedding struct {
	Model  string
	Texts  []string
	Tokens [][]int32
	// Base64 asks for the little-endian float32s in base64, which OpenAI's clients
	// do by default; otherwise numbers.
	Base64 bool
	// Pooling is koinon's addition: mean or last; empty is the model's own.
	Pooling string
	// Controls say which providers may serve; nil for all.
	Controls *route.Controls
}

// ParseEmbedding reads the body of POST /v1/embeddings. Errors are [*Error].
func ParseEmbedding(body []byte) (Embedding, error) {
	var r struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"`
		EncodingFormat *string         `json:"encoding_format"`
		Dimensions     *int64          `json:"dimensions"`
		Pooling        string          `json:"pooling"`
		Provider       json.RawMessage `json:"provider"`
	}
	var e Embedding
	if err := Decode(body, &r); err != nil {
		return e, err
	}
	e.Model, e.Pooling = r.Model, r.Pooling
	switch {
	case e.Model == "":
		return e, missingModel()
	case r.Dimensions != nil:
		return e, Unsupported("dimensions", "'dimensions' is not supported: vectors have the model's own length.")
	case e.Pooling != "" && e.Pooling != "mean" && e.Pooling != "last":
		return e, Invalid("pooling", "Invalid 'pooling': must be 'mean' or 'last'.")
	}
	if r.EncodingFormat != nil {
		switch *r.EncodingFormat {
		case "float":
		case "base64":
			e.Base64 = true
		default:
			return e, Invalid("encoding_format", "Invalid 'encoding_format': must be 'float' or 'base64'.")
		}
	}
	var err error
	if e.Controls, err = Preferences(r.Provider); err != nil {
		return e, err
	}
	return e, e.readInput(r.Input)
}

// readInput takes a text, texts, token ids, or lists of token ids.
func (e *Embedding) readInput(raw json.RawMessage) error {
	var ids []int32
	if list, ok := oneOrMore(raw); ok {
		e.Texts = list
	} else if json.Unmarshal(raw, &ids) == nil {
		e.Tokens = [][]int32{ids}
	} else if json.Unmarshal(raw, &e.Tokens) != nil {
		return Invalid("input", "'input' must be a string, an array of strings, an array of token ids, or an array of such arrays.")
	}
	n := len(e.Texts) + len(e.Tokens)
	if n == 0 || n > MaxInputs {
		return Invalid("input", "'input' must hold 1 to %d texts.", MaxInputs)
	}
	for _, text := range e.Texts {
		if text == "" {
			return Invalid("input", "'input' must not hold empty texts.")
		}
	}
	for _, ids := range e.Tokens {
		if len(ids) == 0 {
			return Invalid("input", "'input' must not hold empty texts.")
		}
	}
	return nil
}

// EmbeddingList is the answer of POST /v1/embeddings.
type EmbeddingList struct {
	Object string           `json:"object"` // "list"
	Data   []EmbeddingEntry `json:"data"`
	Model  string           `json:"model"`
	Usage  EmbeddingUsage   `json:"usage"`
	Koinon *Koinon          `json:"koinon,omitempty"`
}

// EmbeddingEntry is the vector of one text: []float32, or a string of base64.
type EmbeddingEntry struct {
	Object    string `json:"object"` // "embedding"
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

// EmbeddingUsage counts the tokens of all texts.
type EmbeddingUsage struct {
	PromptTokens uint64 `json:"prompt_tokens"`
	TotalTokens  uint64 `json:"total_tokens"`
}

// Entry is a vector in the form that was asked for.
func (e Embedding) Entry(index int, vector []float32) EmbeddingEntry {
	entry := EmbeddingEntry{Object: "embedding", Index: index, Embedding: vector}
	if e.Base64 {
		b := make([]byte, 0, 4*len(vector))
		for _, v := range vector {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		entry.Embedding = base64.StdEncoding.EncodeToString(b)
	}
	return entry
}
