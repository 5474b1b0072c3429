package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/receipt"
)

// replayed are answers that use what a sampler can be asked for.
func replayed(t *testing.T, m *Model) map[string]Request {
	words, err := grammar.Parse(`root ::= [a-z ]{30}`)
	if err != nil {
		t.Fatal(err)
	}
	shaped := sampling.Params{
		Temperature: 0.9, TopP: 0.95, TopK: 40, MinP: 0.01, TypicalP: 0.98, Seed: 11, RepetitionPenalty: 1.3, FrequencyPenalty: 0.5,
		PresencePenalty: 0.2, PenaltyWindow: 64, Bias: []sampling.Bias{{Token: 'e', Value: 2}},
	}
	list := map[string]Request{
		"greedy":      {Sampling: sampling.Params{TopP: 1}},
		"sampled":     {Sampling: sampling.Params{Temperature: 1, TopP: 1, Seed: 5}},
		"shaped":      {Sampling: shaped},
		"constrained": {Sampling: shaped, Grammar: words},
		"stopped":     {Sampling: sampling.Params{Temperature: 1, TopP: 1, Seed: 5}, Stop: []string{"e", "a"}},
	}
	for name, r := range list {
		r.Prompt, r.MaxTokens = m.Prompt("the thing that began in the beginning, and then 0101"), 90
		list[name] = r
	}
	resumed := list["shaped"]
	resumed.Prompt, resumed.Resumed = append(slices.Clone(resumed.Prompt), m.Prompt("ing the ")...), len(m.Prompt("ing the "))
	list["resumed"] = resumed
	return list
}

func idsOf(tokens []Token) (ids []int32, leaves []receipt.Digest) {
	for _, token := range tokens {
		ids, leaves = append(ids, token.ID), append(leaves, token.Leaf)
	}
	return ids, leaves
}

// TestReplayIsTheAnswer checks that one pass over prompt and answer gives the
// leaves, the tokens and the end that the answer had, bit for bit, in every kind of
// matrix and beside other answers.
func TestReplayIsTheAnswer(t *testing.T) {
	for _, kind := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0, gguf.Q4_0} {
		m := load(t, writeModel(t, kind, 2, true))
		for name, r := range replayed(t, m) {
			whole, finish := generated(t, New(m, Options{Threads: 2}), r)
			ids, leaves := idsOf(whole)
			p, err := m.Replay(context.Background(), r, ids, 2)
			if err != nil {
				t.Fatalf("%v, %s: %v", kind, name, err)
			}
			if !slices.Equal(p.Leaves, leaves) || !slices.Equal(p.Drawn, ids) {
				t.Errorf("%v, %s: other leaves or tokens than the answer's", kind, name)
			}
			if p.Over != len(ids) || p.Finish != finish {
				t.Errorf("%v, %s: over after %d of %d tokens by %q, not %q", kind, name, p.Over, len(ids), p.Finish, finish)
			}
		}
	}
}

// TestReplayFindsWhatDiffers serves what an honest engine does not.
func TestReplayFindsWhatDiffers(t *testing.T) {
	m := load(t, writeModel(t, gguf.Q8_0, 2, true))
	r := replayed(t, m)["sampled"]
	whole, _ := generated(t, New(m, Options{Threads: 2}), r)
	ids, leaves := idsOf(whole)
	const at = 17
	other := slices.Clone(ids)
	other[at] = (other[at] + 1) % 256
	p, err := m.Replay(context.Background(), r, other, 2)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Leaves[:at], leaves[:at]) || p.Leaves[at] == leaves[at] || p.Leaves[at+1] == leaves[at+1] || p.Drawn[at] != ids[at] {
		t.Error("another token is not found at its step")
	}
	if p, err = m.Replay(context.Background(), r, ids[:at], 1); err != nil || p.Over != -1 || p.Finish != "" {
		t.Errorf("an answer cut off is over after %d by %q, %v", p.Over, p.Finish, err)
	}
	r.Stop = []string{string(m.Piece(ids[at]))}
	if p, err = m.Replay(context.Background(), r, ids, 1); err != nil || p.Over < 0 || p.Over > at+1 || p.Finish != FinishStop {
		t.Errorf("an answer that went on after a stop string is over after %d by %q, %v", p.Over, p.Finish, err)
	}
	twin := load(t, writeModel(t, gguf.Q4_0, 2, true))
	if p, err = twin.Replay(context.Background(), r, ids, 1); err != nil || slices.Equal(p.Leaves, leaves) || p.Leaves[0] == leaves[0] {
		t.Errorf("another quantisation has the same leaves: %v", err)
	}
	if _, err := m.Replay(context.Background(), r, append(ids, ids...), 1); !errors.Is(err, ErrRequest) {
		t.Errorf("more tokens than were allowed: %v", err)
	}
	if _, err := m.Replay(context.Background(), r, []int32{-1}, 1); !errors.Is(err, ErrRequest) {
		t.Errorf("no token: %v", err)
	}
}

// TestWantedPositions: logits are the same bits whichever others are wanted, alone, in
// runs of any length, and none of a chunk.
func TestWantedPositions(t *testing.T) {
	m := load(t, writeModel(t, gguf.Q8_0, 2, true))
	text := make([]int32, 3*prefillChunk-5)
	for i := range text {
		text[i] = int32(i * 7919 % m.Size())
	}
	all, err := m.DigestLogits(text, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string]func(int) bool{
		"the last":    func(at int) bool { return at == len(text)-1 },
		"every fifth": func(at int) bool { return at%5 == 0 },
		"runs":        func(at int) bool { return at%23 > at/23 },
		"few chunks":  func(at int) bool { return at < 3 || at > 2*prefillChunk },
	} {
		seen := make([]receipt.Digest, len(text))
		err := m.LogitsAfter(text, 1, 2, wanted, func(_, position int, logits []float32) { seen[position] = digest(logits) })
		if err != nil {
			t.Fatal(err)
		}
		for at, d := range seen {
			if want := at >= 1 && wanted(at); d != all[at] == want {
				t.Errorf("%s: position %d, wanted %v, has the logits of all: %v", name, at, want, d == all[at])
			}
		}
	}
}
