package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed llamacpp.py
var llamaCppScript string

// llamaCpp is llama.cpp with one file, in a process of its own.
type llamaCpp struct {
	process *exec.Cmd
	ask     interface {
		Write([]byte) (int, error)
		Close() error
	}
	answers *bufio.Scanner
}

// installLlamaCpp installs the npm package that the engine's tests pin, if it
// is not there, and gives the folder of its libraries.
func installLlamaCpp(ctx context.Context, dir string) (string, error) {
	libraries, err := filepath.Abs(filepath.Join(dir, "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(libraries); err == nil {
		return libraries, nil
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	if _, err := os.Stat(libraries); err != nil {
		return "", fmt.Errorf("llama.cpp is built for linux/amd64 there, which this is not: %w", err)
	}
	return libraries, nil
}

// startLlamaCpp loads a file; it may take as long as reading it.
func startLlamaCpp(ctx context.Context, libraries, path string, w workload) (*llamaCpp, error) {
	l := &llamaCpp{process: exec.CommandContext(ctx, "python3", "-c", llamaCppScript, libraries, path,
		strconv.Itoa(w.batch), strconv.Itoa(w.length()), strconv.Itoa(w.threads))}
	l.process.Stderr = os.Stderr
	ask, err := l.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := l.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.ask, l.answers = ask, bufio.NewScanner(answers)
	if err := l.process.Start(); err != nil {
		return nil, fmt.Errorf("llama.cpp needs python3: %w", err)
	}
	if !l.answers.Scan() || l.answers.Text() != "ready" {
		return nil, fmt.Errorf("llama.cpp did not load %s: %w", path, l.stop())
	}
	return l, nil
}

// run asks for one measurement.
func (l *llamaCpp) run(what string, n int) (time.Duration, error) {
	if _, err := fmt.Fprintf(l.ask, "%s %d\n", what, n); err != nil {
		return 0, fmt.Errorf("llama.cpp ended: %w", err)
	}
	if !l.answers.Scan() {
		return 0, fmt.Errorf("llama.cpp ended in %s %d", what, n)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(l.answers.Text()), 64)
	return time.Duration(seconds * float64(time.Second)), err
}

func (l *llamaCpp) stop() error {
	l.ask.Close()
	return l.process.Wait()
}
