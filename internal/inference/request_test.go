package inference

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/koinon/koinon/receipt"
)

const digest = "sha256:0101010101010101010101010101010101010101010101010101010101010101"

func TestRequestRefusals(t *testing.T) {
	base := `"model":"` + digest + `","top_p":1`
	for name, c := range map[string]struct {
		json string
		want error
	}{
		"not JSON":           {`{`, ErrRequestJSON},
		"an array":           {`[]`, ErrRequestJSON},
		"empty":              {``, ErrRequestJSON},
		"null":               {`null`, ErrModel},
		"two objects":        {`{` + base + `,"prompt":"a"} {}`, ErrRequestJSON},
		"unknown field":      {`{` + base + `,"prompt":"a","n":2}`, ErrRequestJSON},
		"negative":           {`{` + base + `,"prompt":"a","max_tokens":-1}`, ErrRequestJSON},
		"fraction":           {`{` + base + `,"prompt":"a","max_tokens":1.5}`, ErrRequestJSON},
		"no model":           {`{"top_p":1,"prompt":"a"}`, ErrModel},
		"model name":         {`{"model":"gpt-4","top_p":1,"prompt":"a"}`, ErrRequestJSON},
		"no prompt":          {`{` + base + `}`, ErrPrompt},
		"both":               {`{` + base + `,"prompt":"a","messages":[{"role":"user","content":"b"}]}`, ErrPrompt},
		"role":               {`{` + base + `,"messages":[{"role":"root","content":"b"}]}`, ErrRole},
		"invalid UTF-8":      {`{` + base + `,"prompt":"` + "\xff" + `"}`, ErrText},
		"hot":                {`{` + base + `,"prompt":"a","temperature":2.1}`, ErrTemperature},
		"cold":               {`{` + base + `,"prompt":"a","temperature":-0.1}`, ErrTemperature},
		"top_p 0":            {`{"model":"` + digest + `","prompt":"a"}`, ErrTopP},
		"top_p 2":            {`{"model":"` + digest + `","prompt":"a","top_p":2}`, ErrTopP},
		"top_k":              {`{` + base + `,"prompt":"a","top_k":4294967295}`, ErrTopK},
		"max_tokens":         {`{` + base + `,"prompt":"a","max_tokens":4294967295}`, ErrMaxTokens},
		"empty stop":         {`{` + base + `,"prompt":"a","stop":[""]}`, ErrStop},
		"long stop":          {`{` + base + `,"prompt":"a","stop":["` + strings.Repeat("x", MaxStopBytes+1) + `"]}`, ErrStop},
		"many stops":         {`{` + base + `,"prompt":"a","stop":["` + strings.Repeat(`x","`, MaxStop) + `x"]}`, ErrStop},
		"logprobs":           {`{` + base + `,"prompt":"a","logprobs":21}`, ErrLogprobs},
		"min_p":              {`{` + base + `,"prompt":"a","min_p":1.1}`, ErrMinP},
		"typical_p":          {`{` + base + `,"prompt":"a","typical_p":-1}`, ErrTypicalP},
		"repetition":         {`{` + base + `,"prompt":"a","repetition_penalty":0.01}`, ErrRepetition},
		"presence":           {`{` + base + `,"prompt":"a","presence_penalty":2.5}`, ErrPresence},
		"frequency":          {`{` + base + `,"prompt":"a","frequency_penalty":-2.5}`, ErrFrequency},
		"window":             {`{` + base + `,"prompt":"a","penalty_window":262145}`, ErrWindow},
		"bias":               {`{` + base + `,"prompt":"a","logit_bias":[{"token":1,"bias":101}]}`, ErrLogitBias},
		"bias out of order":  {`{` + base + `,"prompt":"a","logit_bias":[{"token":2,"bias":1},{"token":1,"bias":1}]}`, ErrLogitBias},
		"bias twice":         {`{` + base + `,"prompt":"a","logit_bias":[{"token":2,"bias":1},{"token":2,"bias":1}]}`, ErrLogitBias},
		"grammar":            {`{` + base + `,"prompt":"a","grammar":"` + strings.Repeat("#", MaxGrammar+1) + `"}`, ErrGrammar},
		"too large":          {strings.Repeat(" ", MaxRequest+1), ErrRequestTooLarge},
		"too many messages":  {`{` + base + `,"messages":[` + strings.Repeat(`{"role":"user","content":""},`, MaxMessages) + `{"role":"user","content":""}]}`, ErrMessages},
		"content not a text": {`{` + base + `,"messages":[{"role":"user","content":[]}]}`, ErrRequestJSON},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRequest([]byte(c.json))
			if !errors.Is(err, c.want) || !errors.Is(err, ErrInvalidRequest) {
				t.Fatalf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestRequestRefusalNeverQuotesThePrompt(t *testing.T) {
	for _, body := range []string{`{"prompt":"my secret}`, `{"prompt":{"my secret":1}}`, `{"my secret":1}`, `{"model":"my secret"}`} {
		if _, err := ParseRequest([]byte(body)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestRequestRoundTrip(t *testing.T) {
	want := Request{
		Model:     receipt.Digest{7},
		Messages:  []Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Γειά σου"}},
		MaxTokens: 64, Temperature: 0.7, TopP: 0.95, TopK: 40, Seed: 1<<64 - 1,
		Stop: []string{"\n\n"}, Logprobs: 5, MaxPrice: &MaxPrice{Input: 1, Output: 2},
		Shaping: Shaping{
			MinP: 0.05, TypicalP: 0.9, RepetitionPenalty: 1.1, PresencePenalty: -0.5, FrequencyPenalty: 0.25, PenaltyWindow: 64,
			LogitBias: []TokenBias{{Token: 3, Bias: -100}, {Token: 7, Bias: 1.5}}, Grammar: `root ::= "a"`,
		},
	}
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if got.MaxPrice.Allows(receipt.Price{Input: 1, Output: 3}) || !got.MaxPrice.Allows(receipt.Price{Input: 1, Output: 2}) {
		t.Error("the bound on the price is not what was asked")
	}
}

// A request that asks for nothing new has the bytes it always had: its digest is
// in receipts.
func TestOldRequestsKeepTheirBytes(t *testing.T) {
	r := Request{Model: receipt.Digest{7}, Prompt: "a", MaxTokens: 4, Temperature: 0.5, TopP: 1, Stop: []string{"x"}, MaxPrice: &MaxPrice{Input: 1, Output: 2}}
	got, err := r.Encode()
	want := `{"model":"sha256:0700000000000000000000000000000000000000000000000000000000000000","prompt":"a","max_tokens":4,"temperature":0.5,"top_p":1,"top_k":0,"seed":0,"stop":["x"],"logprobs":0,"max_price":{"input":1,"cached_input":0,"output":2}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"model":"` + digest + `","prompt":"a","top_p":1}`))
	f.Add([]byte(`{"model":"` + digest + `","messages":[{"role":"user","content":"b"}],"top_p":0.5,"stop":["x"]}`))
	f.Add([]byte(`{"model":"` + digest + `","prompt":"a","top_p":1,"min_p":0.1,"logit_bias":[{"token":1,"bias":-2}],"grammar":"root ::= \"a\""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err != nil {
			if !errors.Is(err, ErrInvalidRequest) {
				t.Fatalf("unnamed refusal: %v", err)
			}
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatalf("what was accepted does not encode: %v", err)
		}
		r2, err := ParseRequest(again)
		if err != nil {
			t.Fatalf("its own encoding is refused: %v", err)
		}
		if twice, err := r2.Encode(); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("encodes as %s and then as %s, %v", again, twice, err)
		}
	})
}
