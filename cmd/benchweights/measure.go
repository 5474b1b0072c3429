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
	ctx       context.Context
	dir, path string
	version   receipt.Digest
	transport string
}

// sender is a process that serves.
type sender struct {
	cmd   *exec.Cmd
	where string // what it said
}

// measure moves the file one way, from a number of peers.
func (w world) measure(way string, sources int) (m measured, err error) {
	m.Way = way
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	to, err := os.MkdirTemp(w.dir, "to-*")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(to)
	var senders []sender
	defer func() {
		for _, s := range senders {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	}()
	start := func(args ...string) error {
		s, err := w.start(self, args...)
		senders = append(senders, s)
		return err
	}
	var receiver *exec.Cmd
	switch way {
	case wayCopy:
		receiver = exec.CommandContext(w.ctx, "cp", w.path, filepath.Join(to, "copy"))
	case wayCurl:
		if err := start("web", w.dir); err != nil {
			return m, err
		}
		receiver = exec.CommandContext(w.ctx, "curl", "--silent", "--fail", "--output", filepath.Join(to, "copy"), senders[0].where+"/"+filepath.Base(w.path))
	default:
		args := []string{"pull", filepath.Join(to, "store"), w.version.String()}
		for i := range sources {
			if err := start("serve", filepath.Join(to, fmt.Sprint("source", i)), w.path, w.transport); err != nil {
				return m, err
			}
			args = append(args, senders[i].where)
		}
		receiver = exec.CommandContext(w.ctx, self, args...)
	}
	return m, m.watch(receiver, senders)
}

// start runs a sender and waits until it says where it is.
func (w world) start(self string, args ...string) (sender, error) {
	s := sender{cmd: exec.CommandContext(w.ctx, self, args...)}
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
func (m *measured) watch(receiver *exec.Cmd, senders []sender) error {
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
