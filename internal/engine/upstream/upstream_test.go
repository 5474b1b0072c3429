package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
)

// vocabulary is that of the model that ships.
func vocabulary(t testing.TB) *Pieces {
	t.Helper()
	v, err := engine.OpenVocabulary("../../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	return NewPieces(v)
}

// script is an engine outside: what it says of itself, and how it answers.
type script struct {
	about  map[string]string // by path
	answer func(w http.ResponseWriter, r *http.Request)
}

func (s script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if reply, ok := s.about[r.URL.Path]; ok {
		io.WriteString(w, reply)
		return
	}
	if s.answer == nil || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	s.answer(w, r)
}

// The kinds, as they say what they are.
var (
	asOllama = map[string]string{
		"/api/version": `{"version":"0.5.13"}`,
		"/api/show":    `{"modelfile":"# FROM bard\nFROM /models/sha256-1\nTEMPLATE x","parameters":"num_ctx 1024\nstop \"x\""}`,
	}
	asLlamaCPP = map[string]string{"/props": `{"default_generation_settings":{"n_ctx":2048},"model_path":"/models/bard.gguf"}`}
	asVLLM     = map[string]string{"/v1/models": `{"data":[{"id":"bard","owned_by":"vllm","max_model_len":4096}]}`}
	asOther    = map[string]string{"/v1/models": `{"data":[{"id":"bard","owned_by":"somebody"}]}`}
)

func dial(t *testing.T, s script, c Config) *Engine {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c.URL, c.Model = server.URL+"/v1", "bard"
	e, err := Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestKindsAreFound(t *testing.T) {
	for _, c := range []struct {
		about   map[string]string
		kind    string
		context int
		weights string
	}{
		{asOllama, "ollama", 1024, "/models/sha256-1"},
		{asLlamaCPP, "llama.cpp", 2048, "/models/bard.gguf"},
		{asVLLM, "vllm", 4096, ""},
		{asOther, "openai", 0, ""},
	} {
		e := dial(t, script{about: c.about}, Config{})
		if e.Kind() != c.kind || e.ContextLength() != c.context || e.Weights() != c.weights {
			t.Errorf("%s: found %s, context %d, weights %q", c.kind, e.Kind(), e.ContextLength(), e.Weights())
		}
	}
	for _, about := range []map[string]string{
		nil, {"/v1/models": `{"data":[{"id":"another"}]}`}, {"/api/version": `{"version":"1"}`}, {"/props": "<html>"},
	} {
		server := httptest.NewServer(script{about: about})
		if _, err := Dial(t.Context(), Config{URL: server.URL, Model: "bard"}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v: %v", about, err)
		}
		server.Close()
	}
}

// heard is what came of an answer.
type heard struct {
	text   string
	tokens []Token
	finish string
	err    error
}

func generate(ctx context.Context, e *Engine, p *Pieces, r Request) (h heard) {
	r.Sampling.TopP = 1
	if r.Prompt == nil {
		r.Prompt = p.v.Encode("Once more", true)
	}
	h.finish, h.err = e.Generate(ctx, p, r, func(t Token) error {
		h.text += string(p.v.Piece(t.ID))
		h.tokens = append(h.tokens, t)
		return nil
	})
	return h
}

// Each kind's answers, as it writes them, become tokens of the model.
func TestAnswersOfEachKind(t *testing.T) {
	p := vocabulary(t)
	ids := p.v.Encode(" unto the breach", false)
	list, _ := json.Marshal(ids)
	for name, c := range map[string]struct {
		about map[string]string
		lines []string
		path  string
	}{
		"ollama": {asOllama, []string{`{"response":" unto"}`, `{"response":" the breach"}`, `{"response":"","done":true,"done_reason":"stop"}`}, "/api/generate"},
		"llama.cpp": {asLlamaCPP, []string{
			`data: {"content":" unto the breach","tokens":` + string(list) + `}`, "",
			`data: {"content":"","tokens":[],"stop":true,"stop_type":"eos","tokens_evaluated":3}`, "",
		}, "/completion"},
		"vllm": {asVLLM, []string{
			`data: {"choices":[{"text":"","token_ids":` + string(list) + `}]}`, "", ": ping",
			fmt.Sprintf(`data: {"choices":[{"text":"","token_ids":[%d],"finish_reason":"stop"}]}`, p.v.EOS()),
			`data: {"choices":[],"usage":{"prompt_tokens":3}}`, "data: [DONE]",
		}, "/v1/completions"},
		"openai": {asOther, []string{
			`data: {"choices":[{"text":" unto the "}]}`, `data: {"choices":[{"text":"breach","finish_reason":"stop"}]}`, "data: [DONE]",
		}, "/v1/completions"},
	} {
		e := dial(t, script{c.about, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != c.path {
				t.Errorf("%s: asked at %s", name, r.URL.Path)
			}
			io.WriteString(w, strings.Join(c.lines, "\n")+"\n")
		}}, Config{})
		if h := generate(t.Context(), e, p, Request{MaxTokens: 50}); h.err != nil || h.text != " unto the breach" || h.finish != "stop" {
			t.Errorf("%s: %q, %s, %v", name, h.text, h.finish, h.err)
		}
	}
}

// What an engine may do wrong is an error, and no token too many comes of it.
func TestBadEngines(t *testing.T) {
	p := vocabulary(t)
	forever := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprintln(w, `{"response":" the"}`)
		}
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   error
		tokens int
	}{
		"dies":           {says(`{"response":" the"}`), ErrUnavailable, 1},
		"dies at once":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrUnavailable, 0},
		"says it failed": {says(`{"response":" the"}`, `{"error":"out of memory"}`), ErrUnavailable, 1},
		"other reason":   {says(`{"response":"","done":true,"done_reason":"unload"}`), ErrUnavailable, 0},
		"is busy":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, ErrBusy, 0},
		"refuses":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, ErrUnavailable, 0},
		"is no engine":   {says(`<html>`), ErrUnavailable, 0},
		"is broken":      {says(`{"response":" the`), ErrAnswer, 0},
		"is of a kind":   {says(`{"choices":[]}`), ErrAnswer, 0},
		"says nothing": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat(`{"response":""}`+"\n", 5000))
		}, ErrAnswer, 0},
		"long event":    {says(`{"response":"` + strings.Repeat("the ", maxEvent/3) + `"}`), ErrAnswer, 0},
		"does not stop": {forever, nil, 10},
		"all at once":   {says(`{"response":"` + strings.Repeat(" the", 1000) + `"}`), nil, 10},
		"goes on":       {says(`{"response":" the","done":true,"done_reason":"length"}`, `{"response":" the"}`), ErrAnswer, 1},
	} {
		e := dial(t, script{asOllama, c.answer}, Config{})
		h := generate(t.Context(), e, p, Request{MaxTokens: 10})
		if !errors.Is(h.err, c.want) || len(h.tokens) != c.tokens || h.err == nil && h.finish != "length" {
			t.Errorf("an engine that %s: %d tokens, %q, %v", name, len(h.tokens), h.finish, h.err)
		}
	}
	e := dial(t, script{asVLLM, says(`data: {"choices":[{"text":"x","token_ids":[1,99999]}]}`)}, Config{})
	if h := generate(t.Context(), e, p, Request{MaxTokens: 10}); !errors.Is(h.err, ErrAnswer) || len(h.tokens) != 0 {
		t.Errorf("a token that the model does not have: %+v", h)
	}
}

// says is an answer of lines.
func says(lines ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Join(lines, "\n")+"\n") }
}

// The engine's work ends with the buyer's interest, and its silence with the
// provider's patience; the time that a buyer takes is no silence.
func TestCancelAndStall(t *testing.T) {
	p := vocabulary(t)
	gone := make(chan struct{}, 3)
	e := dial(t, script{asOllama, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, `{"response":" the"}`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}}, Config{Stall: 50 * time.Millisecond})
	if h := generate(t.Context(), e, p, Request{MaxTokens: 10}); !errors.Is(h.err, ErrUnavailable) || len(h.tokens) != 1 {
		t.Errorf("a silent engine: %+v", h)
	}
	<-gone

	ctx, cancel := context.WithCancel(t.Context())
	_, err := e.Generate(ctx, p, Request{Prompt: []int32{1}, MaxTokens: 9, Sampling: sampling.Params{TopP: 1}}, func(Token) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	<-gone

	left := errors.New("the buyer left")
	if _, err := e.Generate(t.Context(), p, Request{Prompt: []int32{1}, MaxTokens: 9}, func(Token) error { return left }); !errors.Is(err, left) {
		t.Errorf("an error of emit came back as %v", err)
	}
	<-gone
}

// Slots bound what the engine is asked at once, and the queue who waits.
func TestSlots(t *testing.T) {
	p := vocabulary(t)
	release, arrived := make(chan struct{}), make(chan struct{}, 9)
	e := dial(t, script{asOllama, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprintln(w, `{"response":"","done":true,"done_reason":"stop"}`)
	}}, Config{Slots: 1, Queue: 1})
	results := make(chan heard)
	go func() { results <- generate(t.Context(), e, p, Request{MaxTokens: 1}) }()
	<-arrived
	go func() { results <- generate(t.Context(), e, p, Request{MaxTokens: 1}) }()
	for len(e.places) < 2 {
		runtime.Gosched()
	}
	if h := generate(t.Context(), e, p, Request{MaxTokens: 1}); !errors.Is(h.err, ErrBusy) {
		t.Errorf("a third: %+v", h)
	}
	if len(arrived) > 0 {
		t.Error("two answers at once in one slot")
	}
	close(release)
	for range 2 {
		if h := <-results; h.err != nil {
			t.Error(h.err)
		}
	}
}

// Text becomes tokens that say the text, and no more of them than it has bytes.
func TestSplitSaysTheText(t *testing.T) {
	p := vocabulary(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		tokens, err := p.Split(text)
		if err != nil {
			t.Fatal(err)
		}
		var back []byte
		for _, token := range tokens {
			back = append(back, p.v.Piece(token.ID)...)
		}
		if string(back) != text || len(tokens) > len(text) {
			t.Fatalf("%q became %q, %d tokens", text, back, len(tokens))
		}
	})
	for id := range int32(p.v.Size()) {
		if p.v.IsControl(id) {
			continue
		}
		if tokens, err := p.Split(string(p.v.Piece(id))); err != nil || len(tokens) > 1 {
			t.Errorf("token %d, %q, became %v, %v", id, p.v.Piece(id), tokens, err)
		}
	}
}

// A stop string ends an answer with the token that completes it, wherever tokens
// are cut.
func TestStopStrings(t *testing.T) {
	p := vocabulary(t)
	e := dial(t, script{asOllama, says(`{"response":" unto"}`, `{"response":" the"}`, `{"response":" breach"}`, `{"response":" dear"}`)}, Config{})
	h := generate(t.Context(), e, p, Request{MaxTokens: 50, Stop: []string{"never", "e br"}})
	if h.err != nil || h.finish != "stop" || !strings.Contains(h.text, "e br") || strings.Contains(h.text, "dear") {
		t.Errorf("%+v", h)
	}
}

// What a kind of engine cannot do is refused, and so is a prompt that it would
// read as other tokens than are charged.
func TestRefusals(t *testing.T) {
	p := vocabulary(t)
	for kind, d := range map[string]dialect{"ollama": ollama, "openai": openAI, "vllm": vllm, "llama.cpp": llamaCPP} {
		e := &Engine{dialect: d}
		if err := e.Check(Request{Grammar: "root ::= x"}); errors.Is(err, ErrUnsupported) != (kind == "ollama" || kind == "openai") {
			t.Errorf("%s and a grammar: %v", kind, err)
		}
		if err := e.Check(Request{Grammar: grammar.JSON}); errors.Is(err, ErrUnsupported) != (kind == "openai") {
			t.Errorf("%s and JSON: %v", kind, err)
		}
		sent, err := json.Marshal(d.body(e, Request{Grammar: grammar.JSON}, ""))
		if err != nil || kind == "ollama" && !strings.Contains(string(sent), `"format":"json"`) || kind == "vllm" && !strings.Contains(string(sent), `"structured_outputs":{"grammar"`) {
			t.Errorf("%s is sent %s, %v", kind, sent, err)
		}
		if err := e.Check(Request{Sampling: sampling.Params{Temperature: 1, TopP: 0.5}}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	mark := p.v.Text(p.v.EOS())
	plain, forged := p.v.Encode("to be", true), p.v.Encode("to be"+mark, false)
	for _, c := range []struct {
		kind   dialect
		prompt []int32
		want   error
	}{{ollama, plain, nil}, {ollama, forged, ErrUnsupported}, {llamaCPP, forged, nil}, {ollama, p.v.Encode("to be"+mark, true), nil}} {
		if err := (&Engine{dialect: c.kind}).CheckPrompt(p, c.prompt); !errors.Is(err, c.want) {
			t.Errorf("%s, %v: %v", c.kind.name, c.prompt, err)
		}
	}
}

// An engine with other weights is found out.
func TestProbe(t *testing.T) {
	p := vocabulary(t)
	prompt := p.v.Encode("One, two", true)
	for answer, want := range map[string]error{
		fmt.Sprintf(`{"response":" the","done":true,"done_reason":"length","prompt_eval_count":%d}`, len(prompt)):   nil,
		fmt.Sprintf(`{"response":" the","done":true,"done_reason":"length","prompt_eval_count":%d}`, len(prompt)+1): ErrAnswer,
		`{"response":"floccinaucinihilipilification","done":true,"done_reason":"length"}`:                           ErrAnswer,
		`{"error":"no"}`: ErrUnavailable,
	} {
		if err := dial(t, script{asOllama, says(answer)}, Config{}).Probe(t.Context(), p, prompt); !errors.Is(err, want) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// Whatever an engine sends, reading it ends, and names no token that the model
// does not have.
func FuzzEvents(f *testing.F) {
	p := vocabulary(f)
	f.Add([]byte(`data: {"choices":[{"text":"x","token_ids":[1],"logprobs":{"token_logprobs":[-1],"top_logprobs":[{"token:2":-3}]}}]}`))
	f.Add([]byte(`{"content":"x","tokens":[3],"completion_probabilities":[{"id":3,"logprob":-1,"top_logprobs":[{"id":1,"logprob":-2}]}]}`))
	f.Add([]byte(`{"response":"x","done":true,"done_reason":"stop"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		body, _ := event(line)
		for _, d := range []dialect{ollama, llamaCPP, vllm} {
			s, err := d.read(body)
			if err != nil {
				continue
			}
			tokens, err := p.tokens(s)
			if err != nil && !errors.Is(err, ErrAnswer) {
				t.Errorf("%v", err)
			}
			for _, token := range tokens {
				if token.ID < 0 || int(token.ID) >= p.v.Size() {
					t.Errorf("token %d of %q", token.ID, line)
				}
			}
		}
	})
}

// vLLM with the logits processor of deploy/vllm is asked for the largest of the
// noisy logits, with the whole seed; what it would do to logits after the noise is
// refused, and an engine without the processor cannot be dialled so.
func TestSeedSynchronised(t *testing.T) {
	var asked map[string]any
	s := script{about: asVLLM, answer: func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "data: {\"choices\":[{\"text\":\"x\",\"token_ids\":[1],\"finish_reason\":\"length\"}]}\n\n")
	}}
	e := dial(t, s, Config{SeedSynchronised: true})
	r := Request{Prompt: []int32{1}, MaxTokens: 1, Sampling: sampling.Params{Temperature: 0.5, TopP: 1, Seed: 1<<64 - 1}}
	ask := func() {
		t.Helper()
		if _, err := e.Generate(t.Context(), vocabulary(t), r, func(Token) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	extra, _ := asked["vllm_xargs"].(map[string]any)
	if asked["temperature"] != 0.0 || extra["koinon_seed"] != "18446744073709551615" || extra["koinon_temperature"] != 0.5 {
		t.Errorf("asked %v", asked)
	}
	for name, change := range map[string]func(*sampling.Params){
		"top_p": func(p *sampling.Params) { p.TopP = 0.9 }, "top_k": func(p *sampling.Params) { p.TopK = 4 },
		"min_p": func(p *sampling.Params) { p.MinP = 0.1 }, "repetition_penalty": func(p *sampling.Params) { p.RepetitionPenalty = 1.1 },
	} {
		other := r
		change(&other.Sampling)
		if err := e.Check(other); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.Sampling.Temperature, asked = 0, nil
	ask()
	if asked["vllm_xargs"] != nil {
		t.Errorf("at temperature 0 it asks for noise: %v", asked)
	}
	server := httptest.NewServer(script{about: asLlamaCPP})
	defer server.Close()
	if _, err := Dial(t.Context(), Config{URL: server.URL, Model: "bard", SeedSynchronised: true}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("llama.cpp is dialled as seed-synchronised: %v", err)
	}
}
