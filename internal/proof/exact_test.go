package proof

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/conduct"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
	"github.com/koinon/koinon/internal/inference"
	rules "github.com/koinon/koinon/internal/mechanism/conduct"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// version is the manifest's digest of the model that ships, as koinon up serves it.
var version, _ = receipt.ParseDigest("sha256:804385b480c10ae3f70db0e8cb1118e4a5b6fe4fbe7961ea86700ad4d5881623")

var update = flag.Bool("update", false, "rewrite the published records")

var key = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))

// The published records are of the version that koinon up serves.
func TestTheVersionIsTheOneThatShips(t *testing.T) {
	file, err := trivium.Install(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := weights.Describe(file, weights.Card{Version: "1", Class: receipt.Exact})
	if err != nil {
		t.Fatal(err)
	}
	if m.Digest() != version {
		t.Errorf("the version is %s now: write it here and run this test with -update", m.Digest())
	}
}

// seller serves the model that ships, or something else in its place.
type seller struct {
	model *engine.Model
	// rig changes what is computed, forge what is signed.
	rig   func(*engine.Request)
	forge func(*receipt.Receipt, *receipt.Transcript)
}

// serve answers a request as a provider does.
func (s seller) serve(t *testing.T, q inference.Request) (receipt.Receipt, receipt.Transcript) {
	t.Helper()
	body, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := reference.Vocabulary{Vocabulary: s.model.Vocabulary}.Prompt(q)
	if err != nil {
		t.Fatal(err)
	}
	seed := receipt.NameSeed(q.Seed)
	if !q.Nonce.IsZero() {
		lot, err := receipt.DrawLot(key, receipt.Sum([]byte("grant")))
		if err != nil {
			t.Fatal(err)
		}
		seed = lot.Seed(q.Nonce)
	}
	asks := q
	asks.Seed = seed.Value
	r, err := reference.Request(s.model, asks, prompt, int(q.MaxTokens))
	if err != nil {
		t.Fatal(err)
	}
	if s.rig != nil {
		s.rig(&r)
	}
	transcript := receipt.Transcript{Request: string(body)}
	var leaves []receipt.Digest
	end, err := engine.New(s.model, engine.Options{Threads: 2}).Generate(context.Background(), r, func(token engine.Token) error {
		transcript.Output, leaves = append(transcript.Output, token.ID), append(leaves, token.Leaf)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	signed := receipt.Receipt{
		Version: receipt.Version, ChainID: "koinon-test", Grant: receipt.Sum([]byte("grant")), Sequence: 1,
		Provider: "koinon1provider", Payer: "koinon1payer", Model: q.Model, Class: receipt.Exact, Request: receipt.Sum(body),
		PromptTokens: uint64(len(prompt)), PromptDigest: receipt.TokensDigest(prompt), Commitment: receipt.MerkleRoot(leaves),
		Sampling: q.Sampling(receipt.Categorical, q.MaxTokens), Seed: seed, FinishReason: end.Finish,
		Started: 1, FirstToken: 2, Finished: 3,
	}
	transcript.Leaves = leaves
	if s.forge != nil {
		s.forge(&signed, &transcript)
	}
	signed.CompletionTokens, signed.OutputDigest = uint64(len(transcript.Output)), receipt.TokensDigest(transcript.Output)
	return signed.Sign(key), transcript
}

func asks() inference.Request {
	return inference.Request{
		Model: version, Prompt: "In the beginning God created the heaven and the earth. And", MaxTokens: 48,
		Temperature: 0.8, TopP: 0.95, Nonce: receipt.Sum([]byte("nonce")),
		Shaping: inference.Shaping{MinP: 0.02, PresencePenalty: 0.3, LogitBias: []inference.TokenBias{{Token: 10, Bias: -1}}},
	}
}

// models are the one that ships, and its twin of fewer bits.
func models(t *testing.T) (honest, twin *engine.Model) {
	t.Helper()
	dir := t.TempDir()
	path, err := trivium.Install(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	smaller := filepath.Join(dir, "twin.gguf")
	out, err := os.Create(smaller)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := quantize.File(f, gguf.Q4_0).WriteTo(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if honest, err = engine.Load(path); err != nil {
		t.Fatal(err)
	}
	if twin, err = engine.Load(smaller); err != nil {
		t.Fatal(err)
	}
	return honest, twin
}

// TestHonestAnswersAreUpheld: of every length and kind, with the provider's leaves
// and without, whatever the number of threads.
func TestHonestAnswersAreUpheld(t *testing.T) {
	m, _ := models(t)
	for name, change := range map[string]func(*inference.Request){
		"drawn seed": func(*inference.Request) {},
		"named seed": func(q *inference.Request) { q.Nonce, q.Seed = receipt.Digest{}, 7 },
		"greedy":     func(q *inference.Request) { q.Temperature, q.Nonce = 0, receipt.Digest{} },
		"stopped":    func(q *inference.Request) { q.Stop = []string{"e"} },
		"one token":  func(q *inference.Request) { q.MaxTokens = 1 },
		"long":       func(q *inference.Request) { q.MaxTokens = 150 },
		"grammar":    func(q *inference.Request) { q.Grammar = `root ::= [a-z ]{10,20}` },
		"resumed":    func(q *inference.Request) { q.Resume = m.Prompt(" the earth was") },
	} {
		q := asks()
		change(&q)
		r, transcript := seller{model: m}.serve(t, q)
		for threads := 1; threads <= 2; threads++ {
			got, err := Exact(context.Background(), m, r, transcript, threads)
			if err != nil || got.Verdict != Upheld || got.Steps != len(transcript.Output) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			transcript.Leaves = nil
		}
	}
}

// TestAnotherConductIsRefuted: the system prompt and the filters are in the file, so
// who leaves one out or has another renders another prompt, and whoever signs the
// right prompt and computes from another one has other logits.
func TestAnotherConductIsRefuted(t *testing.T) {
	path, err := trivium.Install(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	told := func(c rules.Conduct) *engine.Model {
		w, err := conduct.File(f, c)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "told.gguf")
		out, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteTo(out); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		m, err := engine.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := told(rules.Conduct{SystemPrompt: "Be brief.", Filters: []string{"no-advice"}})
	q := asks()
	q.Prompt, q.Messages, q.MaxTokens = "", []inference.Message{{Role: "user", Content: "Sing."}}, 16
	prompt, err := reference.Vocabulary{Vocabulary: m.Vocabulary}.Prompt(q)
	text := ""
	for _, id := range prompt {
		text += string(m.Piece(id))
	}
	if err != nil || !strings.Contains(text, "Be brief.\n\nSafety filters: no-advice.") {
		t.Fatalf("%q, %v", text, err)
	}
	rude := told(rules.Conduct{SystemPrompt: "Be rude.", Filters: []string{"no-advice"}})
	other, err := reference.Vocabulary{Vocabulary: rude.Vocabulary}.Prompt(q)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		seller seller
		want   Verdict
		reason string
	}{
		"as told":                {seller{model: m}, Upheld, ""},
		"told otherwise":         {seller{model: rude}, Refuted, "another prompt"},
		"signs what it was told": {seller{model: m, rig: func(r *engine.Request) { r.Prompt = other }}, Refuted, "logits or layers at step 0"},
	} {
		r, transcript := c.seller.serve(t, q)
		got, err := Exact(context.Background(), m, r, transcript, 2)
		if err != nil || got.Verdict != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestCheatsAreRefuted: one wrong bit is enough.
func TestCheatsAreRefuted(t *testing.T) {
	m, twin := models(t)
	for name, c := range map[string]struct {
		seller seller
		reason string
		step   int // of the first difference; -2 for any
	}{
		"a quantised twin":      {seller{model: twin}, "logits or layers at step 0", 0},
		"a lower temperature":   {seller{model: m, rig: func(r *engine.Request) { r.Sampling.Temperature = 0.4 }}, "the sampler draws", -2},
		"penalties left out":    {seller{model: m, rig: func(r *engine.Request) { r.Sampling.PresencePenalty = 0 }}, "the sampler draws", -2},
		"another seed":          {seller{model: m, rig: func(r *engine.Request) { r.Sampling.Seed++ }}, "the sampler draws", -2},
		"a context cut off":     {seller{model: m, rig: func(r *engine.Request) { r.Prompt = r.Prompt[len(r.Prompt)/2:] }}, "logits or layers at step 0", 0},
		"an end too soon":       {seller{model: m, forge: cutTo(20)}, "the model goes on", 20},
		"a token put in":        {seller{model: m, forge: replace(5)}, "at step 5", 5},
		"one leaf's bit":        {seller{model: m, forge: flip(17)}, "at step 17", 17},
		"a prompt over-counted": {seller{model: m, forge: func(r *receipt.Receipt, _ *receipt.Transcript) { r.PromptTokens++ }}, "charges for", -1},
		"another prompt":        {seller{model: m, forge: func(r *receipt.Receipt, _ *receipt.Transcript) { r.PromptDigest[0] ^= 1 }}, "another prompt", -1},
		"other sampling stated": {seller{model: m, forge: func(r *receipt.Receipt, _ *receipt.Transcript) { r.Sampling.Temperature = 0.4 }}, "did not ask for: sampling", -1},
		"a sampler of its own":  {seller{model: m, forge: func(r *receipt.Receipt, _ *receipt.Transcript) { r.Sampling.Kind = receipt.Foreign }}, "nobody can repeat", -1},
	} {
		r, transcript := c.seller.serve(t, asks())
		got, err := Exact(context.Background(), m, r, transcript, 2)
		if err != nil || got.Verdict != Refuted || !strings.Contains(got.Reason, c.reason) || c.step != -2 && got.Step != c.step {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestLeavesNeedNotBeOpened: the root alone tells a twin, though not the step, where
// its tokens happen to be the same.
func TestLeavesNeedNotBeOpened(t *testing.T) {
	m, _ := models(t)
	r, transcript := seller{model: m, forge: flip(3)}.serve(t, asks())
	transcript.Leaves = nil
	got, err := Exact(context.Background(), m, r, transcript, 2)
	if err != nil || got.Verdict != Refuted || got.Step != -1 || !strings.Contains(got.Reason, "other weights") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWhatCannotBeJudged is inconclusive: never good, and nobody's fault.
func TestWhatCannotBeJudged(t *testing.T) {
	m, _ := models(t)
	r, transcript := seller{model: m}.serve(t, asks())
	for name, spoil := range map[string]func(*receipt.Receipt, *receipt.Transcript){
		"an unsigned change": func(r *receipt.Receipt, _ *receipt.Transcript) { r.Sequence++ },
		"another output":     func(_ *receipt.Receipt, t *receipt.Transcript) { t.Output = t.Output[1:] },
		"another request":    func(_ *receipt.Receipt, t *receipt.Transcript) { t.Request = "{}" },
		"false leaves":       func(_ *receipt.Receipt, t *receipt.Transcript) { t.Leaves = t.Leaves[1:] },
		"the other class": func(r *receipt.Receipt, _ *receipt.Transcript) {
			r.Class = receipt.Statistical
			*r = r.Sign(key)
		},
	} {
		bad, of := r, transcript
		spoil(&bad, &of)
		if got, err := Exact(context.Background(), m, bad, of, 1); err != nil || got.Verdict != Inconclusive {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Exact(ctx, m, r, transcript, 1); err == nil {
		t.Error("an audit that was stopped came to a verdict")
	}
}

func cutTo(n int) func(*receipt.Receipt, *receipt.Transcript) {
	return func(r *receipt.Receipt, t *receipt.Transcript) {
		t.Output, t.Leaves = t.Output[:n], t.Leaves[:n]
		r.Commitment, r.FinishReason = receipt.MerkleRoot(t.Leaves), "stop"
	}
}

func replace(at int) func(*receipt.Receipt, *receipt.Transcript) {
	return func(_ *receipt.Receipt, t *receipt.Transcript) { t.Output[at]++ }
}

func flip(at int) func(*receipt.Receipt, *receipt.Transcript) {
	return func(r *receipt.Receipt, t *receipt.Transcript) {
		t.Leaves[at][0] ^= 1
		r.Commitment = receipt.MerkleRoot(t.Leaves)
	}
}

// TestRecords holds the published records, which anyone can audit, to what this
// audit says of them; `koinon receipt audit` is tested on the same.
func TestRecords(t *testing.T) {
	m, twin := models(t)
	for name, c := range map[string]struct {
		seller  seller
		verdict Verdict
		reason  string
	}{
		"honest":    {seller{model: m}, Upheld, "All 48 steps"},
		"quantised": {seller{model: twin, forge: closed}, Refuted, "the sampler draws"},
		"hotter":    {seller{model: m, rig: func(r *engine.Request) { r.Sampling.Temperature = 1.4 }, forge: closed}, Refuted, "the sampler draws"},
		"rounded":   {seller{model: m, forge: flip(30)}, Refuted, "step 30"},
	} {
		path := filepath.Join("..", "..", "spec", "vectors", "proof", name+".json")
		if *update {
			r, transcript := c.seller.serve(t, asks())
			data, err := json.MarshalIndent(receipt.Record{Receipt: r, Transcript: &transcript}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var record receipt.Record
		if err := json.Unmarshal(data, &record); err != nil {
			t.Fatal(err)
		}
		got, err := Exact(context.Background(), m, record.Receipt, *record.Transcript, 2)
		if err != nil || got.Verdict != c.verdict || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// closed leaves the provider's leaves out.
func closed(_ *receipt.Receipt, t *receipt.Transcript) { t.Leaves = nil }
