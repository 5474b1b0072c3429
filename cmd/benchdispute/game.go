package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/engine/trace"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// game is one dispute, times in seconds.
type game struct {
	Prompt     int     `json:"prompt_tokens"`
	Answer     int     `json:"answer_tokens"`
	Twin       string  `json:"twin"`
	Winner     string  `json:"winner"`
	Found      string  `json:"found"` // the operator
	Moves      int     `json:"moves"` // each a transaction
	Bytes      int     `json:"bytes"`
	Largest    int     `json:"largest_bytes"`
	Generating float64 `json:"generating_seconds"`
	Replaying  float64 `json:"replaying_seconds"`
	Accused    float64 `json:"accused_seconds"`
	Challenger float64 `json:"challenger_seconds"`
	Ledger     float64 `json:"ledger_seconds"` // all moves, as the ledger plays them
}

// dispute lets a provider that served a twin stand by its receipt.
func (o options) dispute(ctx context.Context, path, twinPath string) (game, error) {
	g := game{Prompt: o.prompt, Twin: gguf.Q4_0.String()}
	model, err := engine.Load(path)
	if err != nil {
		return g, err
	}
	twin, err := engine.Load(twinPath)
	if err != nil {
		return g, err
	}
	registered, err := rows.Open(path)
	if err != nil {
		return g, err
	}
	defer registered.Close()
	request := engine.Request{MaxTokens: o.answer, Sampling: sampling.Params{Temperature: 0.8, TopP: 0.95, Seed: 1}}
	for i := range o.prompt {
		request.Prompt = append(request.Prompt, int32((i*7919+17)%model.Size()))
	}
	c := &trace.Case{Model: model, Rows: registered, Prompt: request.Prompt, Threads: o.threads}
	var served []receipt.Digest
	began := time.Now()
	_, err = engine.New(twin, engine.Options{Threads: o.threads}).Generate(ctx, request, func(t engine.Token) error {
		c.Output, served = append(c.Output, t.ID), append(served, t.Leaf)
		return nil
	})
	if err != nil {
		return g, err
	}
	g.Generating, g.Answer = time.Since(began).Seconds(), len(c.Output)
	c.Receipt = receiptOf(request, c.Output, served)
	began = time.Now()
	replay, err := model.Replay(ctx, request, c.Output, o.threads)
	if err != nil {
		return g, err
	}
	g.Replaying = time.Since(began).Seconds()
	lie := *c
	lie.Model = twin
	return g, g.play(c, &lie, replay, served)
}

// play makes all moves. What the sides need before their first one counts too.
func (g *game) play(truth, lie *trace.Case, replay engine.Replay, served []receipt.Digest) error {
	leaves, err := trace.Dissent(truth, replay)
	if err != nil {
		return err
	}
	challenger, err := trace.NewPlayer(truth, leaves)
	if err != nil {
		return err
	}
	accused, err := trace.NewPlayer(lie, served)
	if err != nil {
		return err
	}
	state, err := bisection.Begin(truth.Receipt, truth.Rows.Root())
	if err != nil {
		return err
	}
	for state.Turn() != bisection.Nobody {
		side, spent := accused, &g.Accused
		if state.Turn() == bisection.Challenger {
			side, spent = challenger, &g.Challenger
		}
		began := time.Now()
		move, err := side.Move(&state)
		if err != nil {
			return fmt.Errorf("the %s in stage %s: %w", state.Turn(), state.Stage(), err)
		}
		*spent += time.Since(began).Seconds()
		data := move.Bytes()
		g.Moves, g.Bytes, g.Largest = g.Moves+1, g.Bytes+len(data), max(g.Largest, len(data))
		stored := state.Marshal()
		began = time.Now()
		if state, err = bisection.Unmarshal(stored); err != nil {
			return err
		}
		read, err := bisection.ParseMove(data)
		if err != nil {
			return err
		}
		if err := state.Play(read); err != nil {
			return err
		}
		g.Ledger += time.Since(began).Seconds()
	}
	winner, _ := state.Winner()
	judged, _ := state.Trace()
	segment, chunk := state.Place()
	g.Winner, g.Found = winner.String(), judged.Describe(segment.Lo, chunk.Lo)
	return nil
}

// models writes the model that ships and its twin.
func (o options) models() (path, twin string, err error) {
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return "", "", err
	}
	if path, err = trivium.Install(o.cache); err != nil {
		return "", "", err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	twin = filepath.Join(o.cache, "twin.gguf")
	out, err := os.Create(twin)
	if err != nil {
		return "", "", err
	}
	if _, err := quantize.File(f, gguf.Q4_0).WriteTo(out); err != nil {
		return "", "", fmt.Errorf("cannot write %s: %w", twin, err)
	}
	return path, twin, out.Close()
}

func receiptOf(r engine.Request, output []int32, leaves []receipt.Digest) receipt.Receipt {
	return receipt.Receipt{
		Version: receipt.Version, Class: receipt.Exact, PromptTokens: uint64(len(r.Prompt)), CompletionTokens: uint64(len(output)),
		PromptDigest: receipt.TokensDigest(r.Prompt), OutputDigest: receipt.TokensDigest(output), Commitment: receipt.MerkleRoot(leaves),
		Seed: receipt.NameSeed(r.Sampling.Seed),
		Sampling: receipt.Sampling{
			Kind: receipt.Categorical, Temperature: r.Sampling.Temperature, TopP: r.Sampling.TopP, MaxTokens: uint32(r.MaxTokens),
		},
	}
}
