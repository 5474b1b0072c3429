package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// journal is a provider that writes down what it is told.
type journal struct {
	mu   sync.Mutex
	told []string
}

func (j *journal) note(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told = append(j.told, what)
}

func (j *journal) Status(context.Context) any { j.note("status"); return map[string]int{"running": 7} }
func (j *journal) Pause()                     { j.note("pause") }
func (j *journal) Resume()                    { j.note("resume") }
func (j *journal) Drain()                     { j.note("drain") }

func TestControl(t *testing.T) {
	home := t.TempDir()
	if err := Do(t.Context(), home, "pause"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("with no provider: %v", err)
	}
	if err := os.WriteFile(filepath.Join(home, socket), nil, 0o600); err != nil { // as a crash leaves one
		t.Fatal(err)
	}
	if err := Do(t.Context(), home, "pause"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after a crash: %v", err)
	}
	listener, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(home, socket)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may open the socket: %v, %v", info.Mode(), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var told journal
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, &told) }()
	for _, command := range []string{"pause", "resume", "drain"} {
		if err := Do(t.Context(), home, command); err != nil {
			t.Error(err)
		}
	}
	if err := Do(t.Context(), home, "dance"); err == nil {
		t.Error("an unknown command was taken")
	}
	var status struct{ Running int }
	if err := Status(t.Context(), home, &status); err != nil || status.Running != 7 {
		t.Errorf("%+v, %v", status, err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if want := []string{"pause", "resume", "drain", "status"}; !slices.Equal(told.told, want) {
		t.Errorf("the provider was told %v", told.told)
	}
	if err := Do(t.Context(), home, "pause"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("afterwards: %v", err)
	}
}
