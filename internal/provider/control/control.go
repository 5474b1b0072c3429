// Package control lets commands on a provider's own machine look at it and tell
// it to pause, resume and drain, over a socket in its home that only its owner
// can open.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// socket is the name of the socket in a provider's home.
const socket = "control.sock"

// ErrNotRunning: no provider runs in the home.
var ErrNotRunning = errors.New("no provider runs here")

// Provider is what can be controlled. Its methods are safe for concurrent use.
type Provider interface {
	// Status is written as JSON to whoever asks.
	Status(ctx context.Context) any
	// Pause stops taking requests until Resume.
	Pause()
	Resume()
	// Drain finishes what runs, and ends the provider.
	Drain()
}

// Listen takes the socket in a home. No other process may use the home.
func Listen(home string) (net.Listener, error) {
	path := filepath.Join(home, socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // a crash left it
		return nil, fmt.Errorf("taking the control socket: %w", err)
	}
	old := syscall.Umask(0o177)
	listener, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("taking the control socket (a shorter home may help): %w", err)
	}
	return listener, nil
}

// Serve answers commands until the context ends, and closes the listener.
func Serve(ctx context.Context, listener net.Listener, p Provider) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(p.Status(r.Context()))
	})
	for path, do := range map[string]func(){"/pause": p.Pause, "/resume": p.Resume, "/drain": p.Drain} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, _ *http.Request) {
			do()
			w.WriteHeader(http.StatusNoContent)
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket: %w", err)
	}
	return nil
}

// Status reads the status of the provider that runs in a home into a value of
// the form that it has. Refusal: [ErrNotRunning].
func Status(ctx context.Context, home string, into any) error {
	return ask(ctx, home, http.MethodGet, "/status", into)
}

// Do gives the provider that runs in a home one command: "pause", "resume" or
// "drain". Refusal: [ErrNotRunning].
func Do(ctx context.Context, home, command string) error {
	return ask(ctx, home, http.MethodPost, "/"+command, nil)
}

func ask(ctx context.Context, home, method, path string, into any) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(home, socket))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://provider"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: start one with koinon provide, or give its --home (looked in %s)", ErrNotRunning, home)
	}
	if err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the provider answers %s", response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(into)
}
