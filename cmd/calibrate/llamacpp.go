package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/proof/logprobs"
)

//go:embed llamacpp.py
var llamaCppScript string

// llamaCpp is llama.cpp with one file, in a process of its own. It computes
// logits; tokens are drawn from them here, as a logits processor would in it.
type llamaCpp struct {
	path           string
	batch, threads int
}

// libraries is where the npm package that the engine's tests pin has llama.cpp.
func libraries(dir string) (string, error) {
	found, err := filepath.Abs(filepath.Join(dir, "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(found); err != nil {
		return "", fmt.Errorf("llama.cpp is not in %s: run npm ci there, on linux/amd64, or give --llama-cpp \"\" to leave it out: %w", dir, err)
	}
	return found, nil
}

// serve answers all orders, one after the other.
func (l llamaCpp) serve(ctx context.Context, s setup, orders []order) (answers []answer, err error) {
	process := exec.CommandContext(ctx, "python3", "-c", llamaCppScript, s.libraries, l.path,
		strconv.Itoa(l.batch), strconv.Itoa(s.registered.ContextLength), strconv.Itoa(l.threads))
	process.Stderr = os.Stderr
	ask, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	told, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("llama.cpp needs python3: %w", err)
	}
	defer func() {
		ask.Close()
		err = errors.Join(err, process.Wait())
	}()
	logits := make([]float32, s.registered.Size())
	reader := bufio.NewReader(told)
	next := func(tokens []int32) error {
		message := binary.LittleEndian.AppendUint32(nil, uint32(len(tokens)))
		message, _ = binary.Append(message, binary.LittleEndian, tokens) // fails for no slice of integers
		if _, err := ask.Write(message); err != nil || len(tokens) == 0 {
			return err
		}
		return binary.Read(reader, binary.LittleEndian, logits)
	}
	for _, o := range orders {
		a, err := l.answer(s, o, logits, next)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func (l llamaCpp) answer(s setup, o order, logits []float32, next func([]int32) error) (a answer, err error) {
	params := s.sampling
	params.Seed = o.seed
	sampler, err := sampling.New(params, len(logits), o.prompt)
	if err != nil {
		return a, err
	}
	if err := next(nil); err != nil {
		return a, err
	}
	for pending := o.prompt; len(a.tokens) < s.answerTokens; {
		if err := next(pending); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("llama.cpp ended")
			}
			return a, err
		}
		id := sampler.Draw(logits, uint64(len(a.tokens)), nil)
		if s.registered.EndsText(id) {
			break
		}
		a.tokens, a.reported = append(a.tokens, id), append(a.reported, said(logits, id))
		pending = []int32{id}
	}
	return a, nil
}

// said is what an engine reports of a step: the log-probabilities of the drawn
// token and of the likeliest.
func said(logits []float32, drawn int32) logprobs.Step {
	ids := sampling.Largest(logits, logprobs.Alternatives)
	top := logits[ids[0]]
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l - top))
	}
	logprob := func(id int32) float32 { return float32(float64(logits[id]-top) - math.Log(sum)) }
	s := logprobs.Step{Drawn: logprob(drawn)}
	for _, id := range ids {
		s.Top = append(s.Top, logprobs.Chance{ID: id, Logprob: logprob(id)})
	}
	return s
}
