package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

// syncWriter lets handlers of several goroutines log into one buffer.
type syncWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

func TestChat(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	h := newHarness(t, p)
	got := h.chat(hello + `,"max_tokens":64,"seed":5,"min_p":0.5,"logit_bias":{"97":-1},"response_format":{"type":"json_object"}}`)
	if got.status != 200 {
		t.Fatalf("%d: %s", got.status, got.body)
	}
	for path, want := range map[string]any{
		"object": "chat.completion", "model": "bard@2",
		"choices.0.message.role": "assistant", "choices.0.message.content": "To be, or not to be",
		"choices.0.finish_reason": "stop", "choices.0.index": 0.0, "choices.0.logprobs": nil,
		"usage.prompt_tokens": 11.0, "usage.completion_tokens": 19.0, "usage.total_tokens": 30.0,
		"koinon.provider": p.address, "koinon.model": testModel.String(), "koinon.cost": 201.0,
	} {
		if v := field(t, got.body, path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	if got := p.requests[0].Shaping; got.MinP != 0.5 || len(got.LogitBias) != 1 || got.Grammar == "" {
		t.Errorf("what shapes the answer, as sent: %+v", got)
	}
	if p.requests[0].Seed != 5 || p.requests[0].MaxPrice.Output != testPrice.Output {
		t.Errorf("the request as sent: %+v", p.requests[0])
	}
	if spent := h.spent(h.keyID); spent != 201 {
		t.Errorf("the key was charged %d, want 201", spent)
	}
	eventually(t, "the provider is paid to the last ticket", func() bool { paid, owed := p.paid(); return owed == 201 && paid >= 201 && paid < 301 })

	id := got.header.Get(openai.HeaderReceipt)
	if id != field(t, got.body, "koinon.receipt") || got.header.Get(openai.HeaderProvider) != p.address || got.header.Get(openai.HeaderModel) != testModel.String() {
		t.Errorf("headers: %v", got.header)
	}
	shown := h.do("GET", "/v1/receipts/"+id, h.key, "")
	if shown.status != 200 || field(t, shown.body, "valid") != true || field(t, shown.body, "id") != id {
		t.Errorf("its receipt: %d %s", shown.status, shown.body)
	}
	var wrapped struct{ Receipt receipt.Receipt }
	if err := json.Unmarshal([]byte(shown.body), &wrapped); err != nil || wrapped.Receipt.Verify() != nil || wrapped.Receipt.Hash().String() != id {
		t.Errorf("the receipt that is shown does not verify: %v", err)
	}
	other, _ := h.makeKey(dollar)
	if theirs := h.do("GET", "/v1/receipts/"+id, other, ""); theirs.status != 404 {
		t.Errorf("another key sees the receipt: %d", theirs.status)
	}
}

func TestChatStream(t *testing.T) {
	p := newScripted(t, "p", testPrice, "naïve→done")
	h := newHarness(t, p)
	got := h.chat(hello + `,"stream":true,"stream_options":{"include_usage":true},"max_tokens":64,"logprobs":true,"top_logprobs":1}`)
	if got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d: %v %s", got.status, got.header, got.body)
	}
	events := readEvents(t, got.body)
	text, finish, logprobs := "", "", 0
	for _, e := range events[:len(events)-2] {
		if s, ok := field(t, e, "choices.0.delta.content").(string); ok {
			text += s
		}
		if s, ok := field(t, e, "choices.0.finish_reason").(string); ok {
			finish = s
		}
		if field(t, e, "choices.0.logprobs.content.0.top_logprobs.0.logprob") == -0.5 {
			logprobs++
		}
		if strings.Contains(e, "\uFFFD") && logprobs == 0 {
			t.Errorf("a broken character: %s", e)
		}
	}
	usage, last := events[len(events)-2], events[len(events)-1]
	if text != "naïve→done" || finish != "stop" || last != "[DONE]" || logprobs != len("naïve→done") {
		t.Errorf("text %q, finish %q, last %q, %d log-probabilities", text, finish, last, logprobs)
	}
	if field(t, events[0], "choices.0.delta.role") != "assistant" {
		t.Errorf("the first event: %s", events[0])
	}
	if field(t, usage, "usage.completion_tokens") != 13.0 || field(t, usage, "koinon.receipt") != got.header.Get(openai.HeaderReceipt) {
		t.Errorf("the usage: %s; trailer %q", usage, got.header.Get(openai.HeaderReceipt))
	}
}

func TestCompletions(t *testing.T) {
	p := newScripted(t, "p", testPrice, "abcdefghijklmnopqrstuvwxyz")
	h := newHarness(t, p)
	for _, test := range []struct {
		name, body string
		want       map[string]any
	}{
		{"sixteen tokens by default", `{"model":"bard","prompt":"x"}`,
			map[string]any{"choices.0.text": "abcdefghijklmnop", "choices.0.finish_reason": "length", "usage.completion_tokens": 16.0, "object": "text_completion"}},
		{"stop", `{"model":"bard","prompt":"x","stop":"cd"}`,
			map[string]any{"choices.0.text": "ab", "choices.0.finish_reason": "stop", "usage.completion_tokens": 4.0}},
		{"several stops", `{"model":"bard","prompt":"x","stop":["zz","e"]}`,
			map[string]any{"choices.0.text": "abcd"}},
		{"two prompts, two answers each", `{"model":"bard","prompt":["x","yz"],"n":2,"max_tokens":2}`,
			map[string]any{"choices.3.text": "ab", "choices.3.index": 3.0, "choices.4": nil, "usage.prompt_tokens": 3.0, "usage.completion_tokens": 8.0}},
		{"log-probabilities", `{"model":"bard","prompt":"x","max_tokens":2,"logprobs":2}`,
			map[string]any{"choices.0.logprobs.tokens.1": "b", "choices.0.logprobs.token_logprobs.1": -0.5, "choices.0.logprobs.text_offset.1": 1.0, "choices.0.logprobs.top_logprobs.0.x": -1.5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := h.do("POST", "/v1/completions", h.key, test.body)
			if got.status != 200 {
				t.Fatalf("%d: %s", got.status, got.body)
			}
			for path, want := range test.want {
				if v := field(t, got.body, path); v != want {
					t.Errorf("%s is %v, want %v", path, v, want)
				}
			}
		})
	}
	stream := h.do("POST", "/v1/completions", h.key, `{"model":"bard","prompt":"x","max_tokens":3,"stream":true}`)
	events := readEvents(t, stream.body)
	if len(events) != 5 || field(t, events[2], "choices.0.text") != "c" || field(t, events[3], "choices.0.finish_reason") != "length" {
		t.Errorf("streamed: %q", events)
	}
}

func TestModels(t *testing.T) {
	h := newHarness(t, newScripted(t, "dear", receipt.Price{Input: 5, Output: 5_000_000}, ""), newScripted(t, "cheap", receipt.Price{Input: 2, CachedInput: 1, Output: 3_000_000}, ""))
	list := h.do("GET", "/v1/models", h.key, "")
	for path, want := range map[string]any{
		"object": "list", "data.0.id": "bard", "data.0.object": "model", "data.0.owned_by": "koinon1owner", "data.0.created": 200.0,
		"data.0.koinon.digest": testModel.String(), "data.0.koinon.providers": 2.0, "data.0.koinon.price.output": 3e6, "data.0.koinon.price.cached_input": 1.0,
		"data.0.koinon.quantization": "Q8_0", "data.0.context_length": 512.0, "data.1.pricing": nil,
		"data.0.pricing.prompt": "0.000000000002", "data.0.pricing.input_cache_read": "0.000000000001", "data.0.pricing.completion": "0.000003",
		"data.1.id": "bard@1", "data.1.koinon.providers": 0.0, "data.1.koinon.price": nil,
	} {
		if v := field(t, list.body, path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	for id, status := range map[string]int{
		"bard": 200, "bard@2": 200, "bard@1": 200, "bard@" + testModel.String(): 200, testModel.String(): 200,
		"bard@3": 404, "bart": 404, "bard@sha256:00": 404,
	} {
		if got := h.do("GET", "/v1/models/"+id, h.key, ""); got.status != status {
			t.Errorf("%s: %d, want %d: %s", id, got.status, status, got.body)
		}
	}
}

// A pinned version is never substituted: where nobody offers it, nobody is asked,
// though others offer another of the same name.
func TestAPinnedVersionIsNeverAnother(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be")
	h := newHarness(t, p)
	old := receipt.Sum([]byte("an older manifest")).String()
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"%s","messages":[{"role":"user","content":"x"}]}`,
		"/v1/completions":      `{"model":"%s","prompt":"x"}`,
		"/v1/responses":        `{"model":"%s","input":"x"}`,
		"/v1/embeddings":       `{"model":"%s","input":"x"}`,
		"/v1/messages":         `{"model":"%s","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`,
	} {
		for _, pin := range []string{"bard@1", "bard@" + old, old, "bard@sha256:" + strings.Repeat("0", 64), "bart@" + testModel.String()} {
			got := h.do("POST", path, h.key, fmt.Sprintf(body, pin))
			if got.status != 503 && got.status != 404 || p.count() != 0 {
				t.Errorf("%s of %s: %d %s", path, pin, got.status, got.body)
			}
		}
	}
	for _, pin := range []string{"bard", "bard@2", "bard@" + testModel.String(), testModel.String()} {
		got := h.chat(`{"model":"` + pin + `","messages":[{"role":"user","content":"x"}]}`)
		if got.status != 200 || got.header.Get("Koinon-Model") != testModel.String() || p.lastRequest().Model != testModel {
			t.Errorf("%s: %d %s", pin, got.status, got.body)
		}
	}
}

// TestErrors holds the API to OpenAI's statuses and codes ("Bad input and
// loss").
func TestErrors(t *testing.T) {
	p := newScripted(t, "p", testPrice, "hello")
	h := newHarness(t, p)
	poor, _ := h.makeKey(20)
	revoked, id := h.makeKey(dollar)
	if err := keys.Revoke(h.gateway.Store(), id, h.gateway.now()); err != nil {
		t.Fatal(err)
	}
	chat, text := "POST /v1/chat/completions", "POST /v1/completions"
	for _, test := range []struct {
		name, route, key, body string
		status                 int
		code, param            any
	}{
		{"no key", chat, "", hello + "}", 401, "invalid_api_key", nil},
		{"a wrong key", chat, "sk-koinon-000000000000-" + strings.Repeat("0", 64), hello + "}", 401, "invalid_api_key", nil},
		{"no key of ours", chat, "sk-proj-abc", hello + "}", 401, "invalid_api_key", nil},
		{"a revoked key", chat, revoked, hello + "}", 401, "invalid_api_key", nil},
		{"no key for the models", "GET /v1/models", "", "", 401, "invalid_api_key", nil},
		{"an empty budget", chat, poor, hello + "}", 402, "insufficient_quota", nil},
		{"an unknown model", chat, h.key, `{"model":"gpt-5","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"a pinned model is never another", chat, h.key, `{"model":"bard@9","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"a version that nobody offers", chat, h.key, `{"model":"bard@1","messages":[{"role":"user","content":"x"}]}`, 503, "no_provider", nil},
		{"too long a prompt", text, h.key, `{"model":"bard","prompt":"` + strings.Repeat("x", 512) + `"}`, 400, "context_length_exceeded", "prompt"},
		{"too long with its answer", chat, h.key, hello + `,"max_tokens":502}`, 400, "context_length_exceeded", "messages"},
		{"no JSON", chat, h.key, `{"model":`, 400, nil, nil},
		{"nothing", chat, h.key, ``, 400, nil, nil},
		{"JSON, but no object", chat, h.key, `[]`, 400, nil, nil},
		{"two objects", chat, h.key, hello + `}{}`, 400, nil, nil},
		{"no UTF-8", chat, h.key, hello + `,"user":"` + "\xff" + `"}`, 400, nil, nil},
		{"no model", chat, h.key, `{"messages":[{"role":"user","content":"x"}]}`, 400, "missing_required_parameter", "model"},
		{"no messages", chat, h.key, `{"model":"bard"}`, 400, "invalid_value", "messages"},
		{"a strange role", chat, h.key, `{"model":"bard","messages":[{"role":"root","content":"x"}]}`, 400, "invalid_value", "messages[0].role"},
		{"no content", chat, h.key, `{"model":"bard","messages":[{"role":"user"}]}`, 400, "invalid_value", "messages[0].content"},
		{"an image", chat, h.key, `{"model":"bard","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, 400, "unsupported_parameter", "messages[0].content[0].type"},
		{"a wrong type", chat, h.key, hello + `,"max_tokens":"many"}`, 400, "invalid_type", "max_tokens"},
		{"too hot", chat, h.key, hello + `,"top_p":1,"temperature":2.5}`, 400, "invalid_value", "temperature"},
		{"a negative top_p", chat, h.key, hello + `,"top_p":-0.1}`, 400, "invalid_value", "top_p"},
		{"max_tokens 0", chat, h.key, hello + `,"max_tokens":0}`, 400, "invalid_value", "max_tokens"},
		{"n beyond the limit", chat, h.key, hello + `,"n":17}`, 400, "invalid_value", "n"},
		{"an empty stop", chat, h.key, hello + `,"stop":""}`, 400, "invalid_value", "stop"},
		{"a stop of numbers", chat, h.key, hello + `,"stop":[1]}`, 400, "invalid_value", "stop"},
		{"tools", chat, h.key, hello + `,"tools":[{"type":"function"}]}`, 400, "invalid_value", "tools[0]"},
		{"a model without tools", chat, h.key, hello + `,"tools":[{"type":"function","function":{"name":"f"}}]}`, 400, "unsupported_parameter", "tools"},
		{"an unknown format", chat, h.key, hello + `,"response_format":{"type":"yaml"}}`, 400, "invalid_value", "response_format.type"},
		{"a format without a schema", chat, h.key, hello + `,"response_format":{"type":"json_schema"}}`, 400, "invalid_value", "response_format.json_schema.schema"},
		{"a schema that cannot be kept", chat, h.key, hello + `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"not":{}}}}}`, 400, "invalid_value", "response_format.json_schema.schema"},
		{"a wrong grammar", text, h.key, `{"model":"bard","prompt":"x","grammar":"root ::= other"}`, 400, "invalid_value", "grammar"},
		{"a grammar and a format", chat, h.key, hello + `,"grammar":"root ::= \"a\"","response_format":{"type":"json_object"}}`, 400, "invalid_value", "grammar"},
		{"too large a min_p", chat, h.key, hello + `,"min_p":1.5}`, 400, "invalid_value", "min_p"},
		{"a negative typical_p", chat, h.key, hello + `,"typical_p":-1}`, 400, "invalid_value", "typical_p"},
		{"no repetition penalty", chat, h.key, hello + `,"repetition_penalty":0}`, 400, "invalid_value", "repetition_penalty"},
		{"too much presence", chat, h.key, hello + `,"presence_penalty":3}`, 400, "invalid_value", "presence_penalty"},
		{"too little frequency", text, h.key, `{"model":"bard","prompt":"x","frequency_penalty":-3}`, 400, "invalid_value", "frequency_penalty"},
		{"a penalty of another type", chat, h.key, hello + `,"presence_penalty":"high"}`, 400, "invalid_type", "presence_penalty"},
		{"a bias beyond the limit", chat, h.key, hello + `,"logit_bias":{"1":101}}`, 400, "invalid_value", "logit_bias"},
		{"a bias of a word", chat, h.key, hello + `,"logit_bias":{"the":1}}`, 400, "invalid_value", "logit_bias"},
		{"a bias of no token", chat, h.key, hello + `,"logit_bias":{"2000000000":1}}`, 400, "invalid_value", "logit_bias"},
		{"top_logprobs alone", chat, h.key, hello + `,"top_logprobs":2}`, 400, "invalid_value", "top_logprobs"},
		{"stream_options without stream", chat, h.key, hello + `,"stream_options":{"include_usage":true}}`, 400, "invalid_value", "stream_options"},
		{"a prompt of token ids", text, h.key, `{"model":"bard","prompt":[1,2]}`, 400, "unsupported_parameter", "prompt"},
		{"an empty prompt", text, h.key, `{"model":"bard","prompt":""}`, 400, "invalid_value", "prompt"},
		{"too large", chat, h.key, `{"model":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "request_too_large", nil},
		{"an unknown path", "GET /v2/models", h.key, "", 404, "unknown_url", nil},
		{"a wrong method", "GET /v1/chat/completions", h.key, "", 405, "method_not_allowed", nil},
		{"an unknown receipt", "GET /v1/receipts/sha256:00", h.key, "", 404, "receipt_not_found", "id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.route, " ")
			got := h.do(method, path, test.key, test.body)
			if got.status != test.status || field(t, got.body, "error.code") != test.code || field(t, got.body, "error.param") != test.param {
				t.Errorf("%d %s", got.status, got.body)
			}
			if message, _ := field(t, got.body, "error.message").(string); message == "" {
				t.Errorf("no message: %s", got.body)
			}
			if got.status == 503 && got.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
	if n := p.count(); n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
}

func TestCheapestIsChosen(t *testing.T) {
	dear := newScripted(t, "a", receipt.Price{Input: 2e6, Output: 2e7}, "dear")
	cheap := newScripted(t, "b", testPrice, "cheap")
	h := newHarness(t, dear, cheap)
	for range 3 {
		if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "cheap" {
			t.Fatal(got.body)
		}
	}
	cheap.set(func(p *scripted) { p.down = true })
	if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "dear" {
		t.Fatal(got.body)
	}
	h.gateway.Probe(context.Background())
	cheap.set(func(p *scripted) { p.down = false })
	if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "dear" {
		t.Fatal("a dead provider was chosen before a probe found it alive", got.body)
	}
	h.gateway.Probe(context.Background())
	if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "cheap" {
		t.Fatal(got.body)
	}
}

// TestFailover: whatever a provider does before its first token, the client
// does not notice.
func TestFailover(t *testing.T) {
	for name, script := range map[string]func(*serving) error{
		"hangs up at once":       func(s *serving) error { return nil },
		"hangs up once accepted": func(s *serving) error { return s.accept() },
		"resets":                 func(s *serving) error { return s.stream.Reset() },
		"busy":                   func(s *serving) error { return inference.Errorf(inference.CodeBusy, "full") },
		"draining":               func(s *serving) error { return inference.Errorf(inference.CodeDraining, "going") },
		"fails":                  func(s *serving) error { return inference.Errorf(inference.CodeInternal, "oops") },
		"has another model":      func(s *serving) error { return inference.Errorf(inference.CodeModelNotFound, "none") },
		"refuses the grant":      func(s *serving) error { return inference.Errorf(inference.CodeGrantRefused, "no") },
		"wants payment":          func(s *serving) error { return inference.Errorf(inference.CodePaymentRequired, "more") },
		"sends garbage":          func(s *serving) error { _, err := s.stream.Write([]byte{5, 1, 2, 3, 4, 5}); return err },
		"miscounts the prompt": func(s *serving) error {
			s.prompt = append(s.prompt, 1)
			return s.accept()
		},
		"sends a token from nowhere": func(s *serving) error { return s.token(70000, 0) },
		"is silent":                  func(s *serving) error { <-s.left; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bad := newScripted(t, "a", receipt.Price{Input: 1, Output: 1}, "bad")
			bad.script = script
			good := newScripted(t, "b", testPrice, "good")
			h := newHarness(t, bad, good)
			got := h.chat(hello + `,"stream":true}`)
			if got.status != 200 || strings.Contains(got.body, "error") || got.header.Get(openai.HeaderProvider) != good.address {
				t.Fatalf("%d %v %s", got.status, got.header, got.body)
			}
			if bad.count() == 0 {
				t.Error("the cheaper one was not tried")
			}
			if spent := h.spent(h.keyID); spent != 11+40 {
				t.Errorf("the key was charged %d", spent)
			}
			if paid, _ := bad.paid(); paid != 0 {
				t.Errorf("a provider that served nothing was paid %d", paid)
			}
		})
	}
}

func TestNoProvider(t *testing.T) {
	p := newScripted(t, "p", testPrice, "x")
	p.script = func(*serving) error { return inference.Errorf(inference.CodeBusy, "full") }
	h := newHarness(t, p)
	got := h.chat(hello + "}")
	if got.status != 503 || field(t, got.body, "error.code") != "overloaded" || got.header.Get("Retry-After") != "1" {
		t.Errorf("all busy: %d %v %s", got.status, got.header, got.body)
	}
	p.set(func(p *scripted) { p.down = true })
	for range 2 { // found out, then known
		got = h.chat(hello + "}")
		if got.status != 503 || field(t, got.body, "error.code") != "no_provider" || got.header.Get("Retry-After") == "" {
			t.Errorf("none: %d %v %s", got.status, got.header, got.body)
		}
	}
	if spent := h.spent(h.keyID); spent != 0 {
		t.Errorf("the key was charged %d for nothing", spent)
	}
}

func TestFailureInTheMiddle(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	p.script = func(s *serving) error {
		_, err := s.generate(5)
		if err == nil {
			err = s.stream.Reset()
		}
		return err
	}
	h := newHarness(t, p, newScripted(t, "z", receipt.Price{Input: 2e6, Output: 2e7}, "another answer"))
	h.ledger.class = modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL // nobody can go on with it
	if err := h.gateway.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := h.chat(hello + `,"stream":true}`)
	events := readEvents(t, got.body)
	if last := events[len(events)-1]; field(t, last, "error.code") != "provider_failed" {
		t.Errorf("the last event: %s", last)
	}
	if strings.Contains(got.body, "another") || strings.Contains(got.body, "[DONE]") {
		t.Errorf("not a clean end: %s", got.body)
	}
	// What arrived before the break may be fewer than were sent.
	if spent := h.spent(h.keyID); spent > 11+50 || spent < 21 {
		t.Errorf("charged %d, at most 61 was received", spent)
	}
	p.set(func(p *scripted) { p.script = nil })
}

// TestDisconnect: a client that leaves stops the generation, and pays for what
// it received.
func TestDisconnect(t *testing.T) {
	p := newScripted(t, "p", testPrice, strings.Repeat("x", 100))
	release := make(chan struct{})
	p.pace = func(token int) {
		if token == 7 {
			<-release
		}
	}
	h := newHarness(t, p)
	ctx, leave := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, "POST", h.server.URL+"/v1/chat/completions", strings.NewReader(hello+`,"stream":true}`))
	request.Header.Set("Authorization", "Bearer "+h.key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	seen := ""
	for strings.Count(seen, `"content":"x"`) < 7 {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen += string(buffer[:n])
	}
	leave()
	response.Body.Close()
	eventually(t, "the key is charged", func() bool { return h.spent(h.keyID) == 11+70 })
	eventually(t, "the ticket arrives", func() bool { paid, _ := p.paid(); return paid == 100 })
	close(release)
	eventually(t, "the generation stops", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.broken == 1 })
	eventually(t, "the provider claims no more", func() bool { _, owed := p.paid(); return owed <= 11+70 })
	// The budget is free again: the rest is not held back.
	eventually(t, "the reservation ends", func() bool {
		key, err := h.gateway.Store().Key(context.Background(), h.keyID)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := h.gateway.budgets.Reserve(key, dollar-81, h.gateway.now())
		if err != nil {
			return false
		}
		rest.Settle(0)
		return true
	})
}

// TestFailureWithReceipt: a provider that fails and signs for what it sent is
// paid for it.
func TestFailureWithReceipt(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	p.script = func(s *serving) error {
		output, err := s.generate(5)
		if err != nil {
			return err
		}
		s.account.mu.Lock()
		defer s.account.mu.Unlock()
		return &inference.Error{Code: inference.CodeInternal, Message: "out of memory", Receipt: s.receipt(output, "error")}
	}
	h := newHarness(t, p)
	got := h.chat(hello + `,"stream":true}`)
	if events := readEvents(t, got.body); field(t, events[len(events)-1], "error.code") != "provider_failed" {
		t.Errorf("the end: %s", got.body)
	}
	if kept := h.receipts(); len(kept) != 1 || kept[0].Problem != "" {
		t.Errorf("receipts: %+v", kept)
	}
	if spent := h.spent(h.keyID); spent != 11+50 {
		t.Errorf("charged %d", spent)
	}
	eventually(t, "the ticket arrives", func() bool { paid, _ := p.paid(); return paid == 100 })
}

func TestFalseReceipt(t *testing.T) {
	bad := newScripted(t, "a", receipt.Price{Input: 1, Output: 1}, "words")
	bad.forge = func(r *receipt.Receipt) { r.CompletionTokens++; r.OutputDigest[0] ^= 1 }
	good := newScripted(t, "b", testPrice, "words")
	h := newHarness(t, bad, good)
	got := h.chat(hello + `,"stream":true}`)
	events := readEvents(t, got.body)
	if last := events[len(events)-1]; field(t, last, "error.code") != "provider_failed" {
		t.Errorf("the last event: %s", last)
	}
	kept := h.receipts()
	if len(kept) != 1 || kept[0].Problem == "" || kept[0].Provider != bad.address {
		t.Fatalf("the evidence: %+v", kept)
	}
	for range 2 {
		if got := h.chat(hello + "}"); got.header.Get(openai.HeaderProvider) != good.address {
			t.Errorf("served by %s", got.header.Get(openai.HeaderProvider))
		}
		h.restart(nil) // a suspension outlives the process
	}
}

// TestOverCounting: a receipt that counts more tokens than came is refused, and kept
// with what convicts it on the ledger, where its own digest shows it.
func TestOverCounting(t *testing.T) {
	for name, forge := range map[string]func(*receipt.Receipt){
		"answer": func(r *receipt.Receipt) { r.CompletionTokens += 3 },
		"prompt": func(r *receipt.Receipt) { r.PromptTokens += 3 },
	} {
		p := newScripted(t, "p", receipt.Price{}, "words")
		p.forge = forge
		h := newHarness(t, p)
		h.chat(hello + "}")
		kept := h.receipts()
		if len(kept) != 1 || kept[0].Problem == "" || kept[0].Counts == nil {
			t.Fatalf("%s: the evidence: %+v", name, kept)
		}
		var record receipt.Record
		shown := h.do("GET", "/v1/receipts/"+kept[0].ID.Hex(), h.key, "")
		if err := json.Unmarshal([]byte(shown.body), &record); err != nil {
			t.Fatal(err)
		}
		if err := record.Receipt.OverCounts(record.Counts.Prompt, record.Counts.Answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBudgetRaces(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	const affordable = 5
	key, id := h.makeKey(111 * affordable)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 40 {
		wg.Go(func() {
			got := h.do("POST", "/v1/chat/completions", key, hello+`,"max_tokens":10}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if spent := h.spent(id); statuses[200] == 0 || spent != uint64(statuses[200])*111 || spent > 111*affordable || statuses[200]+statuses[402] != 40 {
		t.Errorf("statuses %v, spent %d of %d", statuses, spent, 111*affordable)
	}
}

// TestConcurrentStreams runs many answers on one grant, whose books must add up.
func TestConcurrentStreams(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	const n = 60
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if got := h.chat(hello + `,"max_tokens":10,"stream":true}`); !strings.Contains(got.body, "[DONE]") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	const cost = 111 * n
	if spent := h.spent(h.keyID); spent != cost {
		t.Errorf("charged %d, want %d", spent, cost)
	}
	eventually(t, "the provider's books agree", func() bool { paid, owed := p.paid(); return owed == cost && paid >= cost && paid < cost+100 })
	if n := len(p.owed()); n != 1 {
		t.Errorf("%d grants for one provider", n)
	}
	chain := make([]receipt.Receipt, n)
	for _, stored := range h.receipts() {
		var r receipt.Receipt
		if err := json.Unmarshal(stored.Body, &r); err != nil || stored.Problem != "" {
			t.Fatal(err, stored.Problem)
		}
		chain[r.Sequence-1] = r
	}
	if err := receipt.VerifyChain(chain); err != nil {
		t.Error(err)
	}
}

// TestGrantsRenewWithoutAPause uses up many small grants.
func TestGrantsRenewWithoutAPause(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	h.restart(func(c *Config) { c.GrantCap = 1000; c.TicketValue = 10 })
	for range 30 {
		if got := h.chat(hello + `,"max_tokens":10}`); got.status != 200 {
			t.Fatal(got.body)
		}
	}
	if n := len(p.owed()); n < 4 || n > 8 {
		t.Errorf("%d grants for 3330 ucredit at 1000 each", n)
	}
	for _, owed := range p.owed() {
		if owed > 1000 {
			t.Errorf("a grant owes %d of 1000", owed)
		}
	}
	got := h.do("POST", "/v1/completions", h.key, `{"model":"bard","prompt":"x","max_tokens":127}`)
	if got.status != 400 || field(t, got.body, "error.param") != "max_tokens" {
		t.Errorf("a request beyond a whole grant: %d %s", got.status, got.body)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	for i := range 3 {
		if got := h.chat(hello + `,"max_tokens":10}`); got.status != 200 {
			t.Fatal(got.body)
		}
		if spent := h.spent(h.keyID); spent != uint64(111*(i+1)) {
			t.Errorf("charged %d after %d answers", spent, i+1)
		}
		h.restart(nil)
	}
	if n := len(p.owed()); n != 1 {
		t.Errorf("%d grants: the first was not resumed", n)
	}
	paid, owed := p.paid()
	if owed != 333 || paid < 333 || paid >= 433 {
		t.Errorf("paid %d for %d", paid, owed)
	}
}

func TestOneGatewayPerHome(t *testing.T) {
	h := newHarness(t)
	c := DefaultConfig()
	c.Home, c.ChainID = h.home, testChain
	if _, err := Open(context.Background(), c, Surroundings{Ledger: h.ledger}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second gateway on one home: %v", err)
	}
	beside, err := OpenStore(context.Background(), h.home)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	key, _, err := keys.Create(beside, keys.Terms{Name: "made beside", Budget: dollar}, h.gateway.now())
	if err != nil {
		t.Fatal(err)
	}
	if got := h.do("GET", "/v1/models", key, ""); got.status != 200 {
		t.Errorf("a key made by another process: %d", got.status)
	}
}

func TestFunding(t *testing.T) {
	h := newHarness(t)
	c, key := h.gateway.config, h.gateway.signer.Public().(ed25519.PublicKey)
	for _, step := range []struct {
		name               string
		available, balance uint64
		foreign            bool
		want               uint64
	}{
		{"an empty escrow is filled", 0, 100 * dollar, true, 20 * dollar},
		{"a full one is left alone", 20 * dollar, 100 * dollar, false, 20 * dollar},
		{"so is one that is not low yet", 11 * dollar, 100 * dollar, false, 11 * dollar},
		{"a low one is filled up", 9 * dollar, 100 * dollar, false, 20 * dollar},
		{"as far as the balance goes", 0, dollar, false, dollar},
		{"without a balance nothing happens", 5 * dollar, 0, false, 5 * dollar},
		{"another's grant key is replaced", 30 * dollar, dollar, true, 30*dollar + 1},
	} {
		h.ledger.balance, h.ledger.escrow.Available, h.ledger.escrow.GrantKey = step.balance, step.available, key
		if step.foreign {
			h.ledger.escrow.GrantKey = nil
		}
		if err := fund(context.Background(), h.ledger, c, key, h.gateway.log); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if h.ledger.escrow.Available != step.want || !bytes.Equal(h.ledger.escrow.GrantKey, key) {
			t.Errorf("%s: %d, want %d", step.name, h.ledger.escrow.Available, step.want)
		}
	}
}

func TestUnfunded(t *testing.T) {
	h := newHarness(t)
	h.ledger.balance = 0
	if err := fund(context.Background(), h.ledger, h.gateway.config, nil, h.gateway.log); !errors.Is(err, errUnfunded) {
		t.Errorf("nothing anywhere: %v", err)
	}
}

func TestPromptsAreNotLogged(t *testing.T) {
	p := newScripted(t, "p", testPrice, "a secret answer")
	h := newHarness(t, p)
	h.chat(`{"model":"bard","messages":[{"role":"user","content":"a secret question"}]}`)
	h.chat(`{"model":"bard","messages":[{"role":"user","content":"a secret question"}],"temperature":"hot"}`)
	p.set(func(p *scripted) { p.forge = func(r *receipt.Receipt) { r.PromptTokens++ } })
	h.chat(`{"model":"bard","messages":[{"role":"user","content":"a secret question"}]}`)
	h.server.Close()
	if strings.Contains(h.log.String(), "secret") || strings.Contains(h.log.String(), h.key) {
		t.Errorf("the log: %s", h.log)
	}
	if !strings.Contains(h.log.String(), "provider suspended") {
		t.Errorf("nothing was logged at all: %s", h.log)
	}
}

func TestHealth(t *testing.T) {
	h := newHarness(t, newScripted(t, "p", testPrice, "x"))
	h.chat(hello + "}")
	h.gateway.funded.Store(true)
	for path, want := range map[string]string{
		"/livez": `"ok"`, "/readyz": `"providers":1`, "/version": `"version":"test"`,
		"/metrics": `koinon_gateway_requests_total{route="POST /v1/chat/completions",status="200"} 1`,
	} {
		got := h.do("GET", path, "", "")
		if got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	h.gateway.funded.Store(false)
	if got := h.do("GET", "/readyz", "", ""); got.status != 503 {
		t.Errorf("ready without an escrow: %d", got.status)
	}
}

func TestConcurrencyLimit(t *testing.T) {
	p := newScripted(t, "p", testPrice, "x")
	release := make(chan struct{})
	p.pace = func(int) { <-release }
	h := newHarness(t, p)
	h.restart(func(c *Config) { c.MaxInFlight = 1 })
	done := make(chan reply)
	go func() { done <- h.chat(hello + "}") }()
	eventually(t, "the first is being served", func() bool { return p.count() == 1 })
	if got := h.chat(hello + "}"); got.status != 429 || field(t, got.body, "error.code") != "rate_limit_exceeded" || got.header.Get("Retry-After") == "" {
		t.Errorf("the second: %d %s", got.status, got.body)
	}
	close(release)
	if got := <-done; got.status != 200 {
		t.Errorf("the first: %d %s", got.status, got.body)
	}
}
