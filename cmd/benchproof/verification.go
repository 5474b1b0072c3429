package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/proof/logprobs"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// load reads the model, its file copied with a context that is long enough:
// speed is all that is asked of it.
func (o options) load() (*engine.Model, error) {
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return nil, err
	}
	from := o.gguf
	if from == "" {
		var err error
		if from, err = trivium.Install(o.cache); err != nil {
			return nil, err
		}
	}
	f, err := gguf.Open(from)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	architecture, err := f.Text("general.architecture")
	if err != nil {
		return nil, err
	}
	key := architecture + ".context_length"
	w := gguf.Rewrite(f, key)
	w.Uint32(key, uint32(o.prompt+slices.Max(o.lengths)+1))
	for _, t := range f.Tensors() {
		w.Copy(t)
	}
	path := filepath.Join(o.cache, "longer.gguf")
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewWriter(out)
	_, err = w.WriteTo(buffered)
	if err := errors.Join(err, buffered.Flush(), out.Close()); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", path, err)
	}
	return engine.Load(path)
}

// verification is what an answer of some tokens costs, in seconds.
type verification struct {
	Tokens     int     `json:"tokens"`
	Generating float64 `json:"generating_seconds"`
	Verifying  float64 `json:"verifying_seconds"`
	// Judging is verifying as a committee does: 32 positions of the answer.
	Judging float64 `json:"judging_seconds"`
}

// positions are how many a committee looks at.
const positions = 32

// verify generates and verifies answers of n tokens in turns.
func (o options) verify(ctx context.Context, m *engine.Model, n int) (verification, error) {
	v := verification{Generating: math.Inf(1), Verifying: math.Inf(1), Judging: math.Inf(1)}
	prompt := make([]int32, o.prompt)
	for round := range o.rounds {
		for i := range prompt { // another one, so that nothing is cached
			prompt[i] = int32((i*7919 + round*104729 + 17) % m.Size())
		}
		j := statistical.Job{Prompt: prompt, Sampling: sampling.Params{Temperature: 1, TopP: 1, Seed: uint64(round), Kind: sampling.Gumbel}}
		began := time.Now()
		_, err := engine.New(m, engine.Options{Threads: o.threads}).Generate(ctx,
			engine.Request{Prompt: prompt, MaxTokens: n, Sampling: j.Sampling}, func(t engine.Token) error {
				j.Answer = append(j.Answer, t.ID)
				return nil
			})
		if err != nil {
			return v, err
		}
		v.Generating = min(v.Generating, time.Since(began).Seconds())
		began = time.Now()
		margins, err := j.Margins(m, o.threads)
		if err != nil {
			return v, err
		}
		if most := slices.Max(margins); most != 0 {
			return v, fmt.Errorf("an honest answer has a margin of %g: the engine does not agree with itself", most)
		}
		v.Verifying, v.Tokens = min(v.Verifying, time.Since(began).Seconds()), len(j.Answer)
		for i := range uint64(positions) {
			j.Steps = append(j.Steps, i*uint64(len(j.Answer))/positions)
		}
		began = time.Now()
		if _, err := j.Margins(m, o.threads); err != nil {
			return v, err
		}
		v.Judging = min(v.Judging, time.Since(began).Seconds())
	}
	return v, nil
}

// size is what an answer's proof takes on the wire, in bytes.
type size struct {
	Tokens   int `json:"tokens"`
	Receipt  int `json:"receipt"`  // canonical bytes and signature, on top of the answer
	Logprobs int `json:"logprobs"` // packed; only their digest travels with the answer
	Opening  int `json:"opening"`  // token ids of prompt and answer, that an auditor asks for
	Toploc   int `json:"toploc"`   // what TOPLOC's published form would take
}

// addressBytes is the length of an account's address in text.
const addressBytes = 45

func sizeOf(prompt, tokens int) size {
	address := string(make([]byte, addressBytes))
	r := receipt.Receipt{ChainID: "koinon-1", Provider: address, ProviderKey: make([]byte, 32), Payer: address, Class: receipt.Statistical, FinishReason: engine.FinishLength}
	const signature, toplocBytes, toplocTokens = 64, 258, 32
	return size{
		Tokens: tokens, Receipt: len(r.Bytes()) + signature, Logprobs: logprobs.StepBytes * tokens,
		Opening: 4 * (prompt + tokens), Toploc: toplocBytes * ((tokens + toplocTokens - 1) / toplocTokens),
	}
}
