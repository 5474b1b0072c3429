package upstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/engine/grammar"
)

// dialect is how one kind of engine is spoken to.
type dialect struct {
	name string
	path string // of generating, below the engine's root
	// takesTokens: prompts go as token ids, not as text.
	takesTokens bool
	// refuses names what of a request the engine has no parameter for; "" for nothing.
	refuses func(Request) string
	// body is the request; prompt is its token ids or its text.
	body func(e *Engine, r Request, prompt any) any
	// read understands one event of the answer.
	read func(event []byte) (step, error)
	// vectors is how embeddings are had.
	vectors vectors
}

// step is what one event of an answer says.
type step struct {
	text string
	// tokens are those of the text, if the engine names them; whole says that it
	// names every one, so that the text need not be looked at.
	tokens []Token
	whole  bool
	// end is why the answer is over: "stop" or "length"; "" while it goes on.
	end string
	// prompt is how many tokens the engine read, 0 if it does not say.
	prompt int
	// failure is what the engine says went wrong.
	failure string
}

// The kinds. What they know, and call it, is as of Ollama v0.5.13, llama.cpp
// b8390 and vLLM v0.11.
var (
	ollama = dialect{
		name: "ollama", path: "/api/generate",
		refuses: func(r Request) string {
			return first(r.Grammar != "" && r.Grammar != grammar.JSON, "grammar but JSON's", len(r.Sampling.Bias) > 0, "logit_bias", r.TopLogprobs > 0, "logprobs")
		},
		body: ollamaBody, read: readOllama, vectors: ollamaVectors,
	}
	llamaCPP = dialect{
		name: "llama.cpp", path: "/completion", takesTokens: true,
		refuses: func(Request) string { return "" },
		body:    llamaCPPBody, read: readLlamaCPP, vectors: openAIVectors,
	}
	vllm = dialect{
		name: "vllm", path: "/v1/completions", takesTokens: true,
		refuses: func(r Request) string {
			return first(typical(r), "typical_p", r.Sampling.PenaltyWindow != 0, "penalty_window")
		},
		body: vllmBody, read: readOpenAI, vectors: openAIVectors,
	}
	openAI = dialect{
		name: "openai", path: "/v1/completions",
		refuses: func(r Request) string {
			p := r.Sampling
			return first(r.Grammar != "", "grammar", typical(r), "typical_p", p.PenaltyWindow != 0, "penalty_window",
				p.TopK != 0, "top_k", p.MinP != 0, "min_p", p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1, "repetition_penalty",
				r.TopLogprobs > 0, "logprobs")
		},
		body: openAIBody, read: readOpenAI, vectors: openAIVectors,
	}
)

// first is the name behind the first condition that holds.
func first(conditions ...any) string {
	for i := 0; i < len(conditions); i += 2 {
		if conditions[i].(bool) {
			return conditions[i+1].(string)
		}
	}
	return ""
}

func typical(r Request) bool { return r.Sampling.TypicalP != 0 && r.Sampling.TypicalP != 1 }

// orOne is a factor that changes nothing where none is set.
func orOne(v float32) float32 {
	if v == 0 {
		return 1
	}
	return v
}

// seed folds a seed to what every engine takes: 31 bits, as −1 and 2³²−1 mean
// "any" to some.
func seed(s uint64) int64 { return int64((s ^ s>>31) & (1<<31 - 1)) }

// window is a penalty window as llama.cpp has it, where −1 is all.
func window(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

func ollamaBody(e *Engine, r Request, prompt any) any {
	p := r.Sampling
	body := map[string]any{
		"model": e.config.Model, "prompt": prompt, "raw": true, "stream": true,
		"options": map[string]any{
			"num_ctx": e.context, "num_predict": r.MaxTokens, "stop": []string{},
			"temperature": p.Temperature, "top_p": p.TopP, "top_k": p.TopK, "min_p": p.MinP, "typical_p": orOne(p.TypicalP),
			"repeat_penalty": orOne(p.RepetitionPenalty), "repeat_last_n": window(p.PenaltyWindow), "seed": seed(p.Seed),
			"presence_penalty": p.PresencePenalty, "frequency_penalty": p.FrequencyPenalty, "mirostat": 0,
		},
	}
	if r.Grammar != "" { // JSON's: it takes no other
		body["format"] = "json"
	}
	return body
}

func readOllama(event []byte) (step, error) {
	var w struct {
		Response   *string
		Done       bool
		DoneReason string `json:"done_reason"`
		Prompt     int    `json:"prompt_eval_count"`
		Error      string
	}
	if err := json.Unmarshal(event, &w); err != nil {
		return step{}, err
	}
	if w.Error != "" {
		return step{failure: w.Error}, nil
	}
	if w.Response == nil {
		return step{}, errors.New("no response in it")
	}
	s := step{text: *w.Response, prompt: w.Prompt}
	if w.Done {
		s.end = w.DoneReason
	}
	return s, nil
}

func llamaCPPBody(_ *Engine, r Request, prompt any) any {
	p := r.Sampling
	body := map[string]any{
		"prompt": prompt, "stream": true, "n_predict": r.MaxTokens, "stop": []string{}, "return_tokens": true, "cache_prompt": true,
		"temperature": p.Temperature, "top_p": p.TopP, "top_k": p.TopK, "min_p": p.MinP, "typical_p": orOne(p.TypicalP),
		"repeat_penalty": orOne(p.RepetitionPenalty), "repeat_last_n": window(p.PenaltyWindow), "seed": seed(p.Seed),
		"presence_penalty": p.PresencePenalty, "frequency_penalty": p.FrequencyPenalty, "n_probs": r.TopLogprobs,
	}
	if r.Grammar != "" {
		body["grammar"] = r.Grammar
	}
	if len(p.Bias) > 0 {
		bias := make([][2]any, len(p.Bias))
		for i, b := range p.Bias {
			bias[i] = [2]any{b.Token, b.Value}
		}
		body["logit_bias"] = bias
	}
	return body
}

func readLlamaCPP(event []byte) (step, error) {
	type chance struct {
		ID      int32
		Logprob float32
		Top     []struct {
			ID      int32
			Logprob float32
		} `json:"top_logprobs"`
	}
	var w struct {
		Content  *string
		Tokens   []int32
		Stop     bool
		StopType string   `json:"stop_type"`
		Prompt   int      `json:"tokens_evaluated"`
		Chances  []chance `json:"completion_probabilities"`
		Error    *struct{ Message string }
	}
	if err := json.Unmarshal(event, &w); err != nil {
		return step{}, err
	}
	if w.Error != nil {
		return step{failure: w.Error.Message}, nil
	}
	if w.Content == nil {
		return step{}, errors.New("no content in it")
	}
	s := step{text: *w.Content}
	if w.Stop {
		s.prompt, s.end = w.Prompt, "stop"
		if w.StopType == "limit" {
			s.end = "length"
		}
		return s, nil // its tokens, if any, repeat those before
	}
	for i, id := range w.Tokens {
		t := Token{ID: id}
		if len(w.Chances) == len(w.Tokens) && w.Chances[i].ID == id {
			t.Logprob = w.Chances[i].Logprob
			for _, top := range w.Chances[i].Top {
				t.Top = append(t.Top, TopLogprob(top))
			}
		}
		s.tokens = append(s.tokens, t)
	}
	return s, nil
}

func openAIBody(e *Engine, r Request, prompt any) any {
	p := r.Sampling
	body := map[string]any{
		"model": e.config.Model, "prompt": prompt, "stream": true, "max_tokens": r.MaxTokens,
		"temperature": p.Temperature, "top_p": p.TopP, "seed": seed(p.Seed),
		"presence_penalty": p.PresencePenalty, "frequency_penalty": p.FrequencyPenalty,
		"stream_options": map[string]any{"include_usage": true},
	}
	if len(p.Bias) > 0 {
		bias := map[string]float32{}
		for _, b := range p.Bias {
			bias[strconv.Itoa(int(b.Token))] = b.Value
		}
		body["logit_bias"] = bias
	}
	return body
}

// synchronises says whether a request is drawn by Gumbel's noise; at temperature 0
// there is no need of it.
func (e *Engine) synchronises(r Request) bool {
	return e.config.SeedSynchronised && r.Sampling.Temperature > 0
}

// cut names what vLLM would do to logits that have their noise already.
func cut(r Request) string {
	p := r.Sampling
	return first(r.Grammar != "", "grammar with seed-synchronised sampling", p.TopP != 1, "top_p with seed-synchronised sampling", p.TopK != 0, "top_k with seed-synchronised sampling",
		p.MinP != 0, "min_p with seed-synchronised sampling", orOne(p.RepetitionPenalty) != 1, "repetition_penalty with seed-synchronised sampling")
}

// vllmBody adds what only vLLM has: token ids, and sampling beyond OpenAI's.
func vllmBody(e *Engine, r Request, prompt any) any {
	body := openAIBody(e, r, prompt).(map[string]any)
	p := r.Sampling
	body["top_k"], body["min_p"], body["repetition_penalty"] = p.TopK, p.MinP, orOne(p.RepetitionPenalty)
	body["return_token_ids"], body["return_tokens_as_token_ids"] = true, true
	body["logprobs"] = r.TopLogprobs // 0 is the drawn token alone
	if r.Grammar != "" {
		body["structured_outputs"] = map[string]any{"grammar": r.Grammar}
	}
	if e.synchronises(r) { // deploy/vllm takes it from here; a seed as text keeps its 64 bits
		body["temperature"] = 0
		body["vllm_xargs"] = map[string]any{"koinon_seed": strconv.FormatUint(p.Seed, 10), "koinon_temperature": p.Temperature}
	}
	return body
}

func readOpenAI(event []byte) (step, error) {
	type choice struct {
		Text     string
		IDs      []int32 `json:"token_ids"`
		Finish   string  `json:"finish_reason"`
		Logprobs *struct {
			Tokens []string
			Drawn  []float32            `json:"token_logprobs"`
			Top    []map[string]float32 `json:"top_logprobs"`
		}
	}
	var w struct {
		Choices []choice
		Usage   *struct {
			Prompt int `json:"prompt_tokens"`
		}
		Error *struct{ Message string }
	}
	if err := json.Unmarshal(event, &w); err != nil {
		return step{}, err
	}
	if w.Error != nil {
		return step{failure: w.Error.Message}, nil
	}
	var s step
	if w.Usage != nil {
		s.prompt = w.Usage.Prompt
	}
	if len(w.Choices) == 0 {
		return s, nil
	}
	c := w.Choices[0]
	s.text, s.end = c.Text, c.Finish
	if c.IDs == nil {
		return s, nil
	}
	s.whole = true
	for i, id := range c.IDs {
		t := Token{ID: id}
		if l := c.Logprobs; l != nil && len(l.Drawn) == len(c.IDs) {
			t.Logprob = l.Drawn[i]
			if len(l.Top) == len(c.IDs) {
				t.Top = alternatives(l.Top[i])
			}
		}
		s.tokens = append(s.tokens, t)
	}
	return s, nil
}

// alternatives reads names like "token:123", the likeliest first.
func alternatives(chances map[string]float32) []TopLogprob {
	var list []TopLogprob
	for name, logprob := range chances {
		number, ok := strings.CutPrefix(name, "token:")
		id, err := strconv.ParseInt(number, 10, 32)
		if ok && err == nil {
			list = append(list, TopLogprob{int32(id), logprob})
		}
	}
	slices.SortFunc(list, func(a, b TopLogprob) int {
		return cmp.Or(cmp.Compare(b.Logprob, a.Logprob), cmp.Compare(a.ID, b.ID))
	})
	return list
}
