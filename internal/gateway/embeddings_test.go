package gateway

import (
	"math"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/receipt"
)

func sendVectors(s *serving, vectors ...[]float32) error {
	w := &inferencev1.Vectors{}
	for _, v := range vectors {
		w.Vectors = append(w.Vectors, receipt.VectorBytes(v))
	}
	s.vectors = vectors
	return s.conn.Send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Vectors{Vectors: w}})
}

// Embeddings are paid for by the token and proved by a receipt, like answers.
func TestEmbeddings(t *testing.T) {
	p := newScripted(t, "p", testPrice, "")
	h := newHarness(t, p)
	client := openai.NewClient(option.WithBaseURL(h.server.URL+"/v1"), option.WithAPIKey(h.key), option.WithMaxRetries(0))
	got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "bard", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"abc", "xyzzy"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 2 || got.Data[1].Index != 1 || got.Data[1].Embedding[0] != 5 || got.Data[1].Embedding[1] != 'x' || got.Usage.PromptTokens != 8 {
		t.Errorf("%s", got.RawJSON())
	}
	kept := h.receipts()
	if len(kept) != 1 || kept[0].Problem != "" || field(t, got.RawJSON(), "koinon.receipt") != kept[0].ID.String() {
		t.Errorf("receipts %+v, the answer %s", kept, got.RawJSON())
	}
	if spent := h.spent(h.keyID); spent != 8 || costOf(t, kept[0].Body) != 8 {
		t.Errorf("8 tokens at 1 cost %d ucredit", spent)
	}
	for _, body := range []string{
		`{"model":"bard","input":["a",""]}`, `{"model":"bard","input":"a","dimensions":3}`, `{"model":"bard","input":"a","pooling":"max"}`,
		`{"model":"bard","input":[[1,70000]]}`, `{"model":"bard","input":"` + strings.Repeat("x", 600) + `"}`, `{"input":"a"}`,
		`{"model":"bard","input":"a","provider":{"colour":"red"}}`,
	} {
		if got := h.do("POST", "/v1/embeddings", h.key, body); got.status != 400 {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	poor, _ := h.makeKey(2)
	if got := h.do("POST", "/v1/embeddings", poor, `{"model":"bard","input":"abc"}`); got.status != 402 {
		t.Errorf("a key without budget: %d %s", got.status, got.body)
	}
}

func costOf(t *testing.T, body []byte) uint64 {
	t.Helper()
	r, err := receipt.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return r.Cost
}

// A provider that sends other vectors than were asked for, or than it signs, is
// not believed, and another one answers.
func TestFalseEmbeddings(t *testing.T) {
	for name, script := range map[string]func(*serving) error{
		"too few":          func(s *serving) error { return sendVectors(s, []float32{1}) },
		"too many":         func(s *serving) error { return sendVectors(s, []float32{1}, []float32{1}, []float32{1}) },
		"of two lengths":   func(s *serving) error { return sendVectors(s, []float32{1}, []float32{1, 2}) },
		"without elements": func(s *serving) error { return sendVectors(s, []float32{}, []float32{}) },
		"no numbers":       func(s *serving) error { return sendVectors(s, []float32{1}, []float32{float32(math.NaN())}) },
		"tokens instead":   func(s *serving) error { return s.token('x', 0) },
		"others than signed": func(s *serving) error {
			err := sendVectors(s, []float32{1}, []float32{2})
			s.vectors = [][]float32{{1}, {3}}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := newScripted(t, "a", testPrice, "")
			bad.price.Input = 1
			bad.script = func(s *serving) error {
				stream, err := s.account.meter.Start(uint64(len(s.prompt)), 0, s.p.price)
				if err != nil {
					return err
				}
				if err := s.accept(); err != nil {
					return err
				}
				if err := script(s); err != nil {
					return err
				}
				return s.done(stream, nil, "stop")
			}
			h := newHarness(t, bad, newScripted(t, "z", testPrice, ""))
			got := h.do("POST", "/v1/embeddings", h.key, `{"model":"bard","input":["abc","xyzzy"]}`)
			if got.status != 200 || got.header.Get("Koinon-Provider") != "koinon1z" || h.spent(h.keyID) != 8 {
				t.Errorf("%d by %s for %d: %s", got.status, got.header.Get("Koinon-Provider"), h.spent(h.keyID), got.body)
			}
		})
	}
}
