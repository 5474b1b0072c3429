package standalone

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/receipt"
)

const shipped = "../../models/trivium/trivium.gguf"

func serve(t *testing.T, adjust func(*Config)) (*engine.Model, *httptest.Server) {
	t.Helper()
	return serveFile(t, shipped, adjust)
}

func serveFile(t *testing.T, path string, adjust func(*Config)) (*engine.Model, *httptest.Server) {
	t.Helper()
	m, err := engine.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Name: "trivium", Digest: receipt.Sum([]byte("weights")), MaxBody: 1 << 16, Threads: 2, Log: slog.New(slog.DiscardHandler)}
	if adjust != nil {
		adjust(&c)
	}
	server := httptest.NewServer(New(c, engine.New(m, engine.Options{Slots: 2, Queue: 8, Threads: 2})).Handler())
	t.Cleanup(server.Close)
	return m, server
}

// post returns an answer's status and body.
func post(t *testing.T, server *httptest.Server, path, body string) (int, string) {
	t.Helper()
	got, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(text)
}

// ask posts and reads a JSON answer, which must be one.
func ask[T any](t *testing.T, server *httptest.Server, path, body string) (into T) {
	t.Helper()
	status, text := post(t, server, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", path, body, status, text)
	}
	if err := json.Unmarshal([]byte(text), &into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return into
}

// TestOpenAIGo uses the API through OpenAI's own client.
func TestOpenAIGo(t *testing.T) {
	m, server := serve(t, nil)
	client := openai.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
	chat := openai.ChatCompletionNewParams{
		Model: "trivium", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("ROMEO:")},
		Seed: openai.Int(7), MaxCompletionTokens: openai.Int(24),
	}
	whole, err := client.Chat.Completions.New(t.Context(), chat)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Usage.CompletionTokens != 24 || whole.Choices[0].FinishReason != "length" || whole.Choices[0].Message.Content == "" {
		t.Errorf("%+v", whole)
	}
	stream := client.Chat.Completions.NewStreaming(t.Context(), chat)
	defer stream.Close()
	var streamed string
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			streamed += c.Delta.Content
		}
	}
	if stream.Err() != nil || streamed != whole.Choices[0].Message.Content {
		t.Errorf("streamed %q, at once %q: %v", streamed, whole.Choices[0].Message.Content, stream.Err())
	}
	several, err := client.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: "trivium", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"JULIET:", "In the beginning"}},
		N: openai.Int(2), MaxTokens: openai.Int(5), Logprobs: openai.Int(3),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(several.Choices) != 4 || len(several.Choices[3].Logprobs.Tokens) != 5 || several.Usage.CompletionTokens != 20 {
		t.Errorf("%+v", several)
	}
	vector, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "trivium", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a rose", "a thorn"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(vector.Data) != 2 || len(vector.Data[1].Embedding) != m.EmbeddingLength() || vector.Usage.TotalTokens == 0 {
		t.Errorf("%d vectors of %d: %+v", len(vector.Data), len(vector.Data[0].Embedding), vector.Usage)
	}
	models, err := client.Models.List(t.Context())
	if err != nil || len(models.Data) != 1 || models.Data[0].ID != "trivium" {
		t.Errorf("%+v: %v", models, err)
	}
}

// A prompt that begins like one before is computed from where it differs, and the
// usage says so.
func TestCachedTokensAreReported(t *testing.T) {
	_, server := serve(t, nil)
	prompt := strings.Repeat("Once more unto the breach, dear friends. ", 12)
	type answer struct {
		Usage struct {
			PromptTokens        int `json:"prompt_tokens"`
			PromptTokensDetails struct {
				CachedTokens int `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		}
	}
	first := ask[answer](t, server, "/v1/completions", `{"model":"trivium","prompt":"`+prompt+`","max_tokens":2}`)
	second := ask[answer](t, server, "/v1/completions", `{"model":"trivium","prompt":"`+prompt+`KING","max_tokens":2}`)
	if cached := second.Usage.PromptTokensDetails.CachedTokens; first.Usage.PromptTokensDetails.CachedTokens != 0 || cached < 32 || cached >= second.Usage.PromptTokens {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// Embeddings are those of the engine, to the bit, in either form and from text
// or tokens.
func TestEmbeddings(t *testing.T) {
	m, server := serve(t, nil)
	type list struct {
		Data []struct{ Embedding json.RawMessage }
	}
	want, err := m.Embed(m.Prompt("a rose"), engine.PoolLast, 1)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := json.Marshal(m.Prompt("a rose"))
	for _, input := range []string{`"a rose"`, string(ids), "[" + string(ids) + "]"} {
		got := ask[list](t, server, "/v1/embeddings", `{"model":"trivium","pooling":"last","input":`+input+`}`)
		var vector []float32
		if err := json.Unmarshal(got.Data[0].Embedding, &vector); err != nil || !slices.Equal(vector, want) {
			t.Errorf("%s: %.80v, want %.80v: %v", input, vector, want, err)
		}
	}
}

func TestTokenizeDetokenizeScore(t *testing.T) {
	m, server := serve(t, nil)
	const text = "Once more, Caesar — é\n"
	body, _ := json.Marshal(map[string]any{"content": text})
	got := ask[struct{ Tokens []int32 }](t, server, "/tokenize", string(body))
	if !slices.Equal(got.Tokens, m.Encode(text, false)) {
		t.Errorf("%v", got.Tokens)
	}
	body, _ = json.Marshal(got)
	back := ask[struct{ Content string }](t, server, "/detokenize", strings.ToLower(string(body)))
	if back.Content != text {
		t.Errorf("%q", back.Content)
	}
	want, err := m.ScoreTop(got.Tokens, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	body, _ = json.Marshal(map[string]any{"prompt": text, "top": 2})
	scored := ask[struct{ Tokens []engine.ScoredToken }](t, server, "/score", string(body))
	if len(scored.Tokens) != len(want) || *scored.Tokens[3].Logprob != *want[3].Logprob || scored.Tokens[3].Top[1] != want[3].Top[1] {
		t.Errorf("%+v", scored)
	}
}

// Every refusal is an OpenAI-style error that names its field.
func TestRefusals(t *testing.T) {
	_, server := serve(t, nil)
	long := strings.Repeat("word ", 2000)
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/v1/completions", `{"model":"trivium","prompt":"x","temperature":-1}`, 400, "temperature"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","temperature":"hot"}`, 400, "temperature"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","top_p":2}`, 400, "top_p"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","min_p":-0.1}`, 400, "min_p"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","max_tokens":0}`, 400, "max_tokens"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","n":0}`, 400, `"n"`},
		{"/v1/completions", `{"model":"trivium","prompt":"x","presence_penalty":3}`, 400, "presence_penalty"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","logit_bias":{"999999":1}}`, 400, "logit_bias"},
		{"/v1/completions", `{"model":"trivium","prompt":"x","grammar":"root ::= ("}`, 400, "grammar"},
		{"/v1/completions", `{"model":"trivium","prompt":""}`, 400, "prompt"},
		{"/v1/completions", `{"model":"trivium","prompt":"` + long + `"}`, 400, "context_length_exceeded"},
		{"/v1/completions", `{"prompt":"x"}`, 400, "model"},
		{"/v1/completions", `{"model":"gpt-9","prompt":"x"}`, 404, "model_not_found"},
		{"/v1/completions", `{`, 400, "JSON"},
		{"/v1/chat/completions", `{"model":"trivium","messages":[]}`, 400, "messages"},
		{"/v1/chat/completions", `{"model":"trivium","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"nothing"}}}}`, 400, "response_format"},
		{"/v1/embeddings", `{"model":"trivium","input":[]}`, 400, "input"},
		{"/v1/embeddings", `{"model":"trivium","input":[[-1]]}`, 400, "input"},
		{"/v1/embeddings", `{"model":"trivium","input":{"text":1}}`, 400, "input"},
		{"/v1/embeddings", `{"model":"trivium","input":"x","dimensions":3}`, 400, "dimensions"},
		{"/v1/embeddings", `{"model":"trivium","input":"x","encoding_format":"hex"}`, 400, "encoding_format"},
		{"/v1/embeddings", `{"model":"trivium","input":"x","pooling":"max"}`, 400, "pooling"},
		{"/detokenize", `{"tokens":[70000]}`, 400, "70000"},
		{"/score", `{"prompt":"x","top":1000}`, 400, "top"},
		{"/score", `{"tokens":[]}`, 400, "tokens"},
		{"/score", `{"prompt":"` + long + `"}`, 400, "context_length_exceeded"},
		{"/tokenize", `{"content":"` + strings.Repeat(long, 8) + `"}`, 413, "request_too_large"},
		{"/nowhere", `{}`, 404, "unknown_url"},
	} {
		status, body := post(t, server, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.says) || !strings.HasPrefix(body, `{"error":{"message":`) {
			t.Errorf("%s %.90s: %d %s", c.path, c.body, status, body)
		}
	}
}

func TestAPIKey(t *testing.T) {
	_, server := serve(t, func(c *Config) { c.APIKey = "secret" })
	for key, want := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer secret": 200, "secret": 401} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/models", nil)
		if key != "" {
			r.Header.Set("Authorization", key)
		}
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%q: %d, want %d", key, got.StatusCode, want)
		}
	}
}
