package judge

import (
	"context"
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// profiles are of the model that ships.
var profiles = []statistical.Profile{{
	Model: "trivium", Quantisation: "Q8_0", Method: statistical.Margin, Cap: 0.01, Mean: 1000, Bet: 1_000_000,
}}

// greedy is a model's answer to a request at temperature 0.
func greedy(t *testing.T, m *engine.Model) (raw []byte, q inference.Request, prompt, output []int32) {
	t.Helper()
	q = inference.Request{Model: receipt.Sum([]byte("trivium")), Prompt: "the", MaxTokens: 6, TopP: 1}
	raw, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if prompt, err = (reference.Vocabulary{Vocabulary: m.Vocabulary}).Prompt(q); err != nil {
		t.Fatal(err)
	}
	request, err := reference.Request(m, q, prompt, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.New(m, engine.Options{Slots: 1, Threads: 1}).Generate(t.Context(), request, func(token engine.Token) error {
		output = append(output, token.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return raw, q, prompt, output
}

// One answer of the statistical class is upheld or open, never refuted.
func TestWeigh(t *testing.T) {
	m, err := engine.Load("../../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	raw, q, prompt, output := greedy(t, m)
	weigh := func(name string, output []int32, change func(*receipt.Transcript)) proof.Finding {
		t.Helper()
		r := receipt.Receipt{
			Version: receipt.Version, ChainID: "koinon-test", Grant: receipt.Sum([]byte("grant")), Sequence: 1,
			Provider: "koinon1provider", Payer: "koinon1payer", Model: q.Model, Class: receipt.Statistical, Request: receipt.Sum(raw),
			PromptTokens: uint64(len(prompt)), PromptDigest: receipt.TokensDigest(prompt),
			CompletionTokens: uint64(len(output)), OutputDigest: receipt.TokensDigest(output), Commitment: receipt.Sum([]byte("root")),
			Sampling: q.Sampling(receipt.Categorical, q.MaxTokens), Seed: receipt.NameSeed(q.Seed), FinishReason: "length",
			Started: 1, FirstToken: 2, Finished: 3,
		}.Sign(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
		transcript := receipt.Transcript{Request: string(raw), Output: output}
		if change != nil {
			change(&transcript)
		}
		f, err := Weigh(profiles, name, "Q8_0", party.Weights{Model: m}, r, transcript, 1)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	wrong := append([]int32{}, output...)
	wrong[2] = (wrong[2] + 1) % int32(m.Size()-1)
	for _, c := range []struct {
		what, model string
		output      []int32
		change      func(*receipt.Transcript)
		verdict     proof.Verdict
		reason      string
	}{
		{"honest", "trivium", output, nil, proof.Upheld, "0 of 6 tokens"},
		{"another token", "trivium", wrong, nil, proof.Inconclusive, "suspicious, which is no proof"},
		{"a model that nobody measured", "unknown", output, nil, proof.Inconclusive, "cannot be scored"},
		{"another's transcript", "trivium", output, func(t *receipt.Transcript) { t.Output = wrong }, proof.Inconclusive, "Nothing is proved"},
	} {
		if f := weigh(c.model, c.output, c.change); f.Verdict != c.verdict || !strings.Contains(f.Reason, c.reason) {
			t.Errorf("%s: %s: %s", c.what, f.Verdict, f.Reason)
		}
	}
}

// An honest greedy answer scores nothing, another token scores the most, and
// what cannot be scored has a reason.
func TestScoresOfGreedyAnswers(t *testing.T) {
	m, err := engine.Load("../../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	raw, _, prompt, output := greedy(t, m)
	steps, finish, stop := []uint64{0, 2}, "length", []string(nil)
	vote := func(name string, output []int32) court.Vote {
		t.Helper()
		raw := raw
		if stop != nil {
			q := inference.Request{Model: receipt.Sum([]byte("trivium")), Prompt: "the", MaxTokens: 6, TopP: 1, Stop: stop}
			if raw, err = q.Encode(); err != nil {
				t.Fatal(err)
			}
		}
		r := receipt.Receipt{
			Class: receipt.Statistical, PromptTokens: uint64(len(prompt)), PromptDigest: receipt.TokensDigest(prompt),
			CompletionTokens: uint64(len(output)), OutputDigest: receipt.TokensDigest(output), FinishReason: finish,
			Sampling: receipt.Sampling{MaxTokens: 6},
		}
		versions := func(context.Context, receipt.Digest) (string, string, error) { return name, "Q8_0", nil }
		find := func(context.Context, receipt.Digest) (party.Weights, error) { return party.Weights{Model: m}, nil }
		v, err := New(find, Measured(profiles, versions, 1), 1).Vote(t.Context(), r, receipt.Transcript{Request: string(raw), Output: output}, steps)
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
	// The end of an answer is scored like a draw: the model did not end this one.
	steps = []uint64{0, 3}
	said := string(m.Piece(output[2]))
	for _, c := range []struct {
		finish string
		stop   []string
		want   uint32
	}{
		{"stop", nil, court.MaxScore}, {"stop", []string{"never said"}, court.MaxScore}, {"stop", []string{said}, 0},
		{"length", nil, court.MaxScore}, {"cancelled", nil, 0},
	} {
		finish, stop = c.finish, c.stop
		if v := vote("trivium", output[:3]); v.Reason != court.None || v.Scores[0] != 0 || v.Scores[1] != c.want {
			t.Errorf("%s after three tokens of six, stop strings %q: %+v", c.finish, c.stop, v)
		}
	}
}
