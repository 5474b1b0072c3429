package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bench runs koinon in processes of their own, as users do, and ends them all
// with the test.
type bench struct {
	*testing.T
	ctx     context.Context
	running []*role
}

func newBench(t *testing.T) *bench {
	if testing.Short() {
		t.Skip("starts a network of processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return &bench{T: t, ctx: ctx}
}

// role is a process that runs until it is stopped.
type role struct {
	name     string
	command  *exec.Cmd
	out, log transcript
	done     chan struct{}
}

// transcript is what a process has written so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// koinon is a command line of this program. Package testscript has put this
// test's binary on the path under its name; whoever tests may have a network of
// their own, which must not be met.
func koinon(home string, args ...string) *exec.Cmd {
	command := exec.Command("koinon", args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KOINON_") && !strings.HasPrefix(v, "OPENAI_") && !strings.HasPrefix(v, "HOME=") {
			command.Env = append(command.Env, v)
		}
	}
	command.Env = append(command.Env, "HOME="+home)
	return command
}

// run runs a command to its end and returns what it wrote to standard output.
func (b *bench) run(home string, args ...string) string {
	b.Helper()
	command := koinon(home, args...)
	var log bytes.Buffer
	command.Stderr = &log
	out, err := command.Output()
	if err != nil {
		b.Fatalf("koinon %s: %v\n%s", strings.Join(args, " "), err, log.String())
	}
	return string(out)
}

// start starts a role on a machine of its own, as far as its home goes, and
// reads the JSON object that it prints once it is ready.
func (b *bench) start(name, home string, ready any, args ...string) *role {
	b.Helper()
	return b.startCommand(name, ready, koinon(home, append(args, "--json")...))
}

// startCommand starts what is a role, though it need not be koinon's.
func (b *bench) startCommand(name string, ready any, command *exec.Cmd) *role {
	b.Helper()
	p := &role{name: name, command: command, done: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = &p.out, &p.log
	if err := p.command.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		p.command.Wait() // what came of it is in ProcessState
		close(p.done)
	}()
	b.running = append(b.running, p)
	b.Cleanup(func() {
		p.command.Process.Kill() // long gone, unless the test failed
		<-p.done
		if b.Failed() {
			b.Logf("%s wrote:\n%s", name, tail(p.log.String()))
		}
	})
	b.poll(name+" to be ready", func() error { return json.NewDecoder(strings.NewReader(p.out.String())).Decode(ready) })
	return p
}

// tail is the end of a log.
func tail(log string) string {
	const most = 6000
	if len(log) > most {
		return "…" + log[len(log)-most:]
	}
	return log
}

// poll asks until there is no error. That a process ends meanwhile fails the test.
func (b *bench) poll(what string, ask func() error) {
	b.Helper()
	began := time.Now()
	defer func() { b.Logf("%6.1fs for %s", time.Since(began).Seconds(), what) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, p := range b.running {
			select {
			case <-p.done:
				b.Fatalf("waiting for %s: %s ended by itself: %v", what, p.name, p.command.ProcessState)
			default:
			}
		}
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-b.ctx.Done():
			b.Fatalf("waiting for %s: %v", what, err)
		case <-tick.C:
		}
	}
}

// stop asks processes, one after the other, to stop, which each must do cleanly.
func (b *bench) stop(list ...*role) {
	b.Helper()
	for _, p := range list {
		b.forget(p)
		if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
			b.Fatalf("%s was gone before it was asked to stop: %v", p.name, err)
		}
		select {
		case <-p.done:
		case <-time.After(40 * time.Second):
			b.Fatalf("%s does not stop", p.name)
		}
		if code := p.command.ProcessState.ExitCode(); code != 0 {
			b.Fatalf("%s ended with %v", p.name, p.command.ProcessState)
		}
	}
}

// kill ends a process as a loss of its machine does: at once.
func (b *bench) kill(p *role) {
	b.Helper()
	b.forget(p)
	if err := p.command.Process.Kill(); err != nil {
		b.Fatalf("%s was gone before it was killed: %v", p.name, err)
	}
	<-p.done
}

// forget takes a process for one that may end.
func (b *bench) forget(p *role) {
	b.running = slices.DeleteFunc(b.running, func(r *role) bool { return r == p })
}

// atLeast is what is wrong with a reading that must become what is wanted.
func atLeast(got, want uint64, err error) error {
	if err == nil && got < want {
		err = fmt.Errorf("%d, not yet %d", got, want)
	}
	return err
}
