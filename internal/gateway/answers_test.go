package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

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
