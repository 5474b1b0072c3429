package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// mock is the engine behind every way: each answer has the same number of
// tokens, which fall due at a fixed rate from the request on, whatever runs
// beside it.
type mock struct {
	Rate   float64 // tokens per second; 0 for all at once
	Tokens int
}

// generate emits the tokens when they are due. One that is late does not delay
// the others.
func (m mock) generate(ctx context.Context, emit func(i int) error) error {
	began := time.Now()
	for i := range m.Tokens {
		if err := m.await(ctx, began, i); err != nil {
			return err
		}
		if err := emit(i); err != nil {
			return err
		}
	}
	return nil
}

// await waits until token i of an answer that began at a time is due.
func (m mock) await(ctx context.Context, began time.Time, i int) error {
	if m.Rate <= 0 {
		return ctx.Err()
	}
	left := time.Until(began.Add(time.Duration(float64(i+1) / m.Rate * float64(time.Second))))
	if left <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// word is what each of the mock's tokens reads as over HTTP.
const word = " the"

// ServeHTTP is as much of OpenAI's API as the ways need.
func (m mock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/chat/completions") {
		http.Error(w, `{"error":{"message":"only POST …/chat/completions"}}`, http.StatusBadRequest)
		return
	}
	if asked.Stream {
		m.stream(w, r, asked.Model)
		return
	}
	began := time.Now()
	if m.await(r.Context(), began, m.Tokens-1) != nil {
		return
	}
	text := strings.Repeat(word, m.Tokens)
	answer := fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion","created":%d,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"length"}],"usage":{"prompt_tokens":30,"completion_tokens":%d,"total_tokens":%d}}`,
		began.Unix(), asked.Model, text, m.Tokens, 30+m.Tokens)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = io.WriteString(w, answer) // a client that has left is not the mock's concern
}

func (m mock) stream(w http.ResponseWriter, r *http.Request, model string) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	chunk := fmt.Sprintf(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":%d,"model":%q,"choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n",
		time.Now().Unix(), model, word)
	err := m.generate(r.Context(), func(int) error {
		if _, err := io.WriteString(w, chunk); err != nil {
			return err
		}
		return flush.Flush()
	})
	if err == nil {
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}
}

// behind is the mock as a provider's engine: the prompts are a real model's, so
// that the gateway's count of them is checked as ever, and every token is the
// same word.
type behind struct {
	mock
	vocabulary reference.Vocabulary
	context    int
	token      int32
}

func newBehind(m mock, file string) (*behind, error) {
	loaded, err := engine.Load(file)
	if err != nil {
		return nil, err
	}
	tokens := loaded.Prompt(word)
	if len(tokens) == 0 {
		return nil, fmt.Errorf("the model has no token for %q", word)
	}
	return &behind{m, reference.Vocabulary{Vocabulary: loaded.Vocabulary}, loaded.ContextLength, tokens[len(tokens)-1]}, nil
}

func (b *behind) Prompt(r inference.Request) ([]int32, error) { return b.vocabulary.Prompt(r) }

func (b *behind) Check(inference.Request) error { return nil }

func (b *behind) ContextLength() int { return b.context }

func (b *behind) Sampler() string { return receipt.Categorical }

// Generate gives every step a leaf, as an engine does whose steps can be checked.
func (b *behind) Generate(ctx context.Context, job provider.Job, emit func(provider.Token) error) (string, error) {
	m := b.mock
	m.Tokens = min(m.Tokens, job.MaxTokens)
	err := m.generate(ctx, func(i int) error {
		return emit(provider.Token{ID: b.token, Leaf: receipt.Sum([]byte{byte(i)})})
	})
	return "length", err
}

// serve serves HTTP until the context ends, and says where.
func serve(ctx context.Context, h http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := say("url", "http://"+listener.Addr().String()); err != nil {
		return err
	}
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
