package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/koinon/koinon/internal/measure"
)

// memory is the most that a process of koinon had in RAM with a file, beside
// what it had before it opened the file, and what it could not do without.
type memory struct {
	Size   string `json:"size"`
	Format string `json:"format"`
	Peak   uint64 `json:"peak_bytes"`
	File   uint64 `json:"file_bytes"`
	KV     uint64 `json:"kv_bytes"`
}

// above is how much more than file, keys and values that is, as a share.
func (m memory) above() float64 { return float64(m.Peak)/float64(m.File+m.KV) - 1 }

// measureMemory asks "koinon engine bench", one text and then 32.
func measureMemory(ctx context.Context, binary, path string) (m memory, err error) {
	run := exec.CommandContext(ctx, binary, "engine", "bench", "--gguf", path, "--prompt", "64", "--generate", "8", "--batch", "1,32", "--json")
	var talk errorText
	run.Stderr = &talk
	out, err := run.Output()
	if err != nil {
		return m, fmt.Errorf("%v: %w: %s", run.Args, err, talk)
	}
	var answer struct {
		Peak    uint64 `json:"peak_memory_bytes"`
		Program uint64 `json:"program_bytes"`
		File    uint64 `json:"file_bytes"`
		KV      uint64 `json:"kv_bytes"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return m, fmt.Errorf("%v: %w", run.Args, err)
	}
	if answer.Peak <= answer.Program {
		return m, fmt.Errorf("%v does not know its memory: this system does not say", run.Args)
	}
	return memory{Peak: answer.Peak - answer.Program, File: answer.File, KV: answer.KV}, nil
}

// errorText keeps the end of what a program says.
type errorText []byte

func (t *errorText) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	*t = (*t)[max(0, len(*t)-1000):]
	return len(p), nil
}

// checkBinary says whether there is a program to ask.
func checkBinary(path string) error {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return fmt.Errorf("%w: --binary %s is not a program: run make build first", measure.ErrUsage, path)
	}
	return nil
}
