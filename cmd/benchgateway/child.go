package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/machine"
)

// child is a process of its own, so that its CPU and memory can be told apart.
type child struct {
	name    string
	process *exec.Cmd
	said    *lastWords // on standard error
	ended   chan error
}

const (
	// readyWithin bounds the wait for a process that may never serve.
	readyWithin = 90 * time.Second
	// stopWithin is how long a process may take to stop before it is killed.
	stopWithin = 30 * time.Second
)

// startChild runs a program that prints one JSON object when it is ready, and
// returns when it has. Into is nil for a program that does not.
func startChild(ctx context.Context, name string, into any, environment []string, program string, args ...string) (*child, error) {
	c := &child{name: name, process: exec.Command(program, args...), said: &lastWords{}, ended: make(chan error, 1)}
	c.process.Stderr = c.said
	c.process.Env = append(withoutSettings(os.Environ()), environment...)
	out, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	ready := make(chan error, 1)
	go func() {
		if into != nil {
			ready <- json.NewDecoder(out).Decode(into)
		} else {
			ready <- nil
		}
		var rest [4096]byte
		for {
			if _, err := out.Read(rest[:]); err != nil {
				break
			}
		}
		c.ended <- c.process.Wait()
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(readyWithin):
		err = fmt.Errorf("it is not ready after %s", readyWithin)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, errors.Join(err, c.stop()))
	}
	return c, nil
}

// lastWords keeps the end of what a program says.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-1500):]
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}

// withoutSettings takes KOINON_ variables out, so that the defaults are measured.
func withoutSettings(environment []string) (kept []string) {
	for _, v := range environment {
		if !strings.HasPrefix(v, "KOINON_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// stop ends the process as Ctrl-C does, and by force if that takes too long.
func (c *child) stop() error {
	_ = c.process.Process.Signal(os.Interrupt) // an error says that it has ended already
	var err error
	select {
	case err = <-c.ended:
	case <-time.After(stopWithin):
		_ = c.process.Process.Kill()
		<-c.ended
		err = fmt.Errorf("it did not stop within %s and was killed", stopWithin)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		err = nil // it died of the interrupt, as programs may that need no farewell
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", c.name, err, strings.TrimSpace(c.said.String()))
	}
	return nil
}

// cpu is the processor time that the process has used so far.
func (c *child) cpu() (time.Duration, error) { return machine.ProcessTime(c.process.Process.Pid) }

// memory is the resident memory, in bytes.
func (c *child) memory() (uint64, error) {
	return machine.Bytes(fmt.Sprintf("/proc/%d/status", c.process.Process.Pid), "VmRSS")
}
