package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/engine/sampling"
)

// maxReply bounds what an engine says about itself, in bytes.
const maxReply = 16 << 20

// ollamaContext is the context that Ollama is asked for where neither its model
// nor the owner says: memory for it is taken for every answer at once.
const ollamaContext = 8192

// detect asks an engine what it is, by the addresses that only one kind has.
func (e *Engine) detect(ctx context.Context) error {
	for _, try := range []func(context.Context) (bool, error){e.isOllama, e.isLlamaCPP, e.isOpenAI} {
		if found, err := try(ctx); err != nil || found {
			return err
		}
	}
	return fmt.Errorf("%w: %s is neither Ollama nor llama.cpp's server, and has no /v1/models", ErrUnavailable, e.root)
}

// ask reads a JSON object from an engine; false if it has no such address.
func (e *Engine) ask(ctx context.Context, method, path string, body, into any) (bool, error) {
	response, err := e.do(ctx, method, path, body)
	if refusal := new(statusError); errors.As(err, &refusal) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReply)).Decode(into); err != nil {
		return false, nil // a page, or another kind's answer
	}
	return true, nil
}

func (e *Engine) isOllama(ctx context.Context) (bool, error) {
	var version struct{ Version string }
	if ok, err := e.ask(ctx, http.MethodGet, "/api/version", nil, &version); err != nil || !ok || version.Version == "" {
		return false, err
	}
	var model struct{ Modelfile, Parameters string }
	ok, err := e.ask(ctx, http.MethodPost, "/api/show", map[string]string{"model": e.config.Model}, &model)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("%w: Ollama %s has no model %q: ollama list says which it has", ErrUnavailable, version.Version, e.config.Model)
	}
	e.dialect = ollama
	for line := range strings.Lines(model.Modelfile) {
		if path, ok := strings.CutPrefix(line, "FROM "); ok {
			e.weights = strings.TrimSpace(path)
			break
		}
	}
	if e.context == 0 {
		e.context = ollamaContext
		for line := range strings.Lines(model.Parameters) {
			if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "num_ctx" {
				e.context, _ = strconv.Atoi(fields[1])
			}
		}
	}
	return true, nil
}

func (e *Engine) isLlamaCPP(ctx context.Context) (bool, error) {
	var props struct {
		Path     string `json:"model_path"`
		Settings *struct {
			Context int `json:"n_ctx"`
		} `json:"default_generation_settings"`
	}
	if ok, err := e.ask(ctx, http.MethodGet, "/props", nil, &props); err != nil || !ok || props.Settings == nil {
		return false, err
	}
	e.dialect, e.weights = llamaCPP, props.Path
	e.limitContext(props.Settings.Context)
	return true, nil
}

func (e *Engine) isOpenAI(ctx context.Context) (bool, error) {
	var list struct {
		Data []struct {
			ID      string
			Owner   string `json:"owned_by"`
			Context int    `json:"max_model_len"`
		}
	}
	if ok, err := e.ask(ctx, http.MethodGet, "/v1/models", nil, &list); err != nil || !ok {
		return false, err
	}
	var names []string
	for _, m := range list.Data {
		if names = append(names, m.ID); m.ID != e.config.Model {
			continue
		}
		if e.dialect = openAI; m.Owner == "vllm" {
			e.dialect = vllm
		}
		e.limitContext(m.Context)
		return true, nil
	}
	return false, fmt.Errorf("%w: the engine has no model %q, but %.200q", ErrUnavailable, e.config.Model, names)
}

// limitContext takes what the engine has, unless the owner wants less.
func (e *Engine) limitContext(has int) {
	if e.context == 0 || has > 0 && has < e.context {
		e.context = has
	}
}

// Probe has the engine continue a text by one token, and compares how many
// tokens it reads in it with how many the vocabulary makes of it: an engine that
// serves other weights is found out before anybody pays.
func (e *Engine) Probe(ctx context.Context, p *Pieces, prompt []int32) error {
	read, tokens := 0, 0
	r := Request{Prompt: prompt, MaxTokens: 1, Sampling: sampling.Params{TopP: 1}}
	err := e.stream(ctx, r, p, func(s step) error {
		if s.failure != "" {
			return fmt.Errorf("%w: it says: %.200q", ErrUnavailable, s.failure)
		}
		read = max(read, s.prompt)
		list, err := p.tokens(s)
		tokens += len(list)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("trying the engine: %w", err)
	case read != 0 && read != len(prompt):
		return fmt.Errorf("%w: it reads %d tokens where the weights' vocabulary has %d: it serves other weights", ErrAnswer, read, len(prompt))
	case tokens > 4:
		return fmt.Errorf("%w: asked for one token it sends %d: it serves other weights", ErrAnswer, tokens)
	}
	return nil
}
