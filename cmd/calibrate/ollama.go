package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/engine/upstream"
)

// ollama is a real Ollama, as make e2e builds it: it serves as providers have it,
// through internal/engine/upstream, at temperature 0.
type ollama struct {
	binary, path string
}

// ollamaModel is its name for the file.
const ollamaModel = "registered"

// serve starts Ollama with a home of its own and asks it. What it would read as
// other tokens than were agreed is not asked.
func (o ollama) serve(ctx context.Context, s setup, orders []order) (answers []answer, err error) {
	home, err := os.MkdirTemp("", "koinon-calibrate-ollama-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	command := func(args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, o.binary, args...)
		c.Env = append(os.Environ(), "HOME="+home, "OLLAMA_MODELS="+filepath.Join(home, "models"), "OLLAMA_HOST="+address)
		c.Cancel, c.WaitDelay = func() error { return c.Process.Signal(os.Interrupt) }, 10*time.Second
		return c
	}
	server := command("serve")
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("cannot start Ollama: %w", err)
	}
	defer func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	}()
	if err := awaitHTTP(ctx, "http://"+address+"/api/version"); err != nil {
		return nil, err
	}
	file, err := filepath.Abs(o.path)
	if err != nil {
		return nil, err
	}
	modelfile := filepath.Join(home, "Modelfile")
	if err := os.WriteFile(modelfile, []byte("FROM "+file+"\nPARAMETER num_thread 1\n"), 0o600); err != nil {
		return nil, err
	}
	if out, err := command("create", ollamaModel, "-f", modelfile).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ollama create: %w\n%s", err, out)
	}
	e, err := upstream.Dial(ctx, upstream.Config{URL: "http://" + address, Model: ollamaModel, Context: s.registered.ContextLength})
	if err != nil {
		return nil, err
	}
	return o.ask(ctx, e, s, orders)
}

func (o ollama) ask(ctx context.Context, e *upstream.Engine, s setup, orders []order) ([]answer, error) {
	pieces := upstream.NewPieces(s.registered.Vocabulary)
	answers := make([]answer, len(orders))
	for i, order := range orders {
		if e.CheckPrompt(pieces, order.prompt) != nil {
			continue
		}
		r := upstream.Request{Prompt: order.prompt, MaxTokens: s.answerTokens, Sampling: s.sampling}
		_, err := e.Generate(ctx, pieces, r, func(t upstream.Token) error {
			answers[i].tokens = append(answers[i].tokens, t.ID)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitHTTP waits until something answers.
func awaitHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("no answer from Ollama")
		case <-time.After(200 * time.Millisecond):
		}
	}
}
