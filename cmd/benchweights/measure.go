package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/receipt"
)

const (
	wayCopy = "cp"
	wayCurl = "curl"
)

// world is what all ways of moving one file share.
type world struct {
	ctx              context.Context
	self             string // this program
	dir, path        string
	version          receipt.Digest
	transport, plain string
	web              *sender
	peers            []*sender
}

// sender is a process that serves.
type sender struct {
	cmd   *exec.Cmd
	where string // what it said
}

// open starts a web server and as many peers as any way needs. Each peer has hashed
// the file, as its publisher has; that is not measured.
func (w *world) open(peers int) (err error) {
	if w.web, err = w.start("web", w.dir); err != nil {
		return err
	}
	for i := range peers {
		p, err := w.start("serve", filepath.Join(w.dir, fmt.Sprint("source", i)), w.path, w.transport, w.plain)
		if err != nil {
			return err
		}
		w.peers = append(w.peers, p)
	}
	return nil
}

// measure moves the file one way, from a number of peers.
func (w *world) measure(way string, sources int) (m measured, err error) {
	m.Way = way
	to, err := os.MkdirTemp(w.dir, "to-*")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(to)
	copied := filepath.Join(to, "copy")
	switch way {
	case wayCopy:
		return m, m.watch(exec.CommandContext(w.ctx, "cp", w.path, copied), nil)
	case wayCurl:
		url := w.web.where + "/" + filepath.Base(w.path)
		return m, m.watch(exec.CommandContext(w.ctx, "curl", "--silent", "--fail", "--output", copied, url), []*sender{w.web})
	}
	args := []string{"pull", filepath.Join(to, "store"), w.version.String()}
	for _, p := range w.peers[:sources] {
		args = append(args, p.where)
	}
	return m, m.watch(exec.CommandContext(w.ctx, w.self, args...), w.peers[:sources])
}

// start runs a sender and waits until it says where it is.
func (w *world) start(args ...string) (*sender, error) {
	s := &sender{cmd: exec.CommandContext(w.ctx, w.self, args...)}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := s.cmd.Start(); err != nil {
		return s, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.where = strings.TrimSpace(line)
	return s, err
}

// watch runs the receiver and notes what it and the senders used meanwhile.
func (m *measured) watch(receiver *exec.Cmd, senders []*sender) error {
	var before time.Duration
	for _, s := range senders {
		used, err := machine.ProcessTime(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		before += used
	}
	receiver.Stderr = os.Stderr
	began := time.Now()
	if err := receiver.Run(); err != nil {
		return err
	}
	m.Seconds = time.Since(began).Seconds()
	state := receiver.ProcessState
	m.CPU = (state.UserTime() + state.SystemTime()).Seconds()
	m.Memory = uint64(state.SysUsage().(*syscall.Rusage).Maxrss) << 10
	var after time.Duration
	for _, s := range senders {
		used, err := machine.ProcessTime(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		after += used
		peak, err := machine.Bytes(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), "VmHWM")
		if err != nil {
			return err
		}
		m.Serving = max(m.Serving, peak)
	}
	m.Served = (after - before).Seconds()
	return nil
}
