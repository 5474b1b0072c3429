package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/inference"
)

// gatewayClient asks a gateway over its HTTP API, as an app does, on one
// connection that stays open.
type gatewayClient struct {
	url, key, model string
	http            *http.Client
}

// ask has one request answered as a stream, and times it: the first token by
// the first event with text, the whole by the event that ends the answer.
func (g *gatewayClient) ask(ctx context.Context, r inference.Request) (a timed, err error) {
	began := time.Now()
	body, err := json.Marshal(map[string]any{
		"model": g.model, "prompt": r.Prompt, "max_tokens": r.MaxTokens,
		"temperature": r.Temperature, "top_p": r.TopP, "seed": r.Seed, "stream": true,
	})
	if err != nil {
		return a, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/completions", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Authorization", "Bearer "+g.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := g.http.Do(request)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // what arrived of it will do
		return a, fmt.Errorf("the gateway says %s: %s", response.Status, strings.TrimSpace(string(said)))
	}
	a.provider = response.Header.Get("Koinon-Provider")
	if err := a.events(response.Body, began); err != nil {
		return a, err
	}
	_, err = io.Copy(io.Discard, response.Body) // its trailer, so that the connection can be used again
	return a, err
}

// events reads server-sent events until the one that says that all is done.
func (a *timed) events(body io.Reader, began time.Time) error {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			a.total = time.Since(began)
			if a.first == 0 {
				return errors.New("the gateway answered nothing")
			}
			return nil
		}
		var event struct {
			Choices []struct{ Text string }
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal(data, &event); err != nil {
			return fmt.Errorf("the gateway's event cannot be read: %w", err)
		}
		if event.Error != nil {
			return fmt.Errorf("the gateway says: %s", event.Error.Message)
		}
		for _, c := range event.Choices {
			if c.Text != "" && a.first == 0 {
				a.first = time.Since(began)
			}
			a.text += c.Text
		}
	}
	return errors.Join(lines.Err(), errors.New("the gateway's answer broke off"))
}
