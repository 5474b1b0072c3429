package judge

import (
	"context"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// An honest greedy answer scores nothing, another token scores the most, and
// what cannot be scored has a reason.
func TestScoresOfGreedyAnswers(t *testing.T) {
	m, err := engine.Load("../../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	q := inference.Request{Model: receipt.Sum([]byte("trivium")), Prompt: "the", MaxTokens: 6, TopP: 1}
	raw, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := reference.Vocabulary{Vocabulary: m.Vocabulary}.Prompt(q)
	if err != nil {
		t.Fatal(err)
	}
	request, err := reference.Request(m, q, prompt, 6)
	if err != nil {
		t.Fatal(err)
	}
	var output []int32
	if _, err := engine.New(m, engine.Options{Slots: 1, Threads: 1}).Generate(t.Context(), request, func(token engine.Token) error {
		output = append(output, token.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	vote := func(name string, output []int32) court.Vote {
		t.Helper()
		r := receipt.Receipt{
			Class: receipt.Statistical, PromptTokens: uint64(len(prompt)), PromptDigest: receipt.TokensDigest(prompt),
			CompletionTokens: uint64(len(output)), OutputDigest: receipt.TokensDigest(output), FinishReason: "length",
		}
		profiles := []statistical.Profile{{
			Model: "trivium", Quantisation: "Q8_0", Method: statistical.Margin, Cap: 0.01, Mean: 1000, Bet: 1_000_000,
		}}
		versions := func(context.Context, receipt.Digest) (string, string, error) { return name, "Q8_0", nil }
		find := func(context.Context, receipt.Digest) (party.Weights, error) { return party.Weights{Model: m}, nil }
		v, err := New(find, Scores(profiles, versions, 1), 1).Vote(t.Context(), r, receipt.Transcript{Request: string(raw), Output: output}, []uint64{0, 2})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := vote("trivium", output); v.Reason != court.None || v.Scores[0] != 0 || v.Scores[1] != 0 {
		t.Errorf("an honest answer: %+v", v)
	}
	wrong := append([]int32{}, output...)
	wrong[2] = (wrong[2] + 1) % int32(m.Size()-1)
	if v := vote("trivium", wrong); v.Reason != court.None || v.Scores[0] != 0 || v.Scores[1] != court.MaxScore {
		t.Errorf("with another token: %+v", v)
	}
	if v := vote("unknown", output); v.Reason != court.Model {
		t.Errorf("of a model without a profile: %+v", v)
	}
	if v := vote("trivium", output[:1]); v.Reason != court.Length {
		t.Errorf("shorter than the positions: %+v", v)
	}
}
