package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/devnet"
)

const (
	// readyWithin bounds the wait for a network that may never serve.
	readyWithin = 2 * time.Minute
	// stopWithin is how long a network may take to stop before it is killed: its
	// providers redeem first.
	stopWithin = 45 * time.Second
)

// network is "koinon up" in a process of its own.
type network struct {
	devnet.Info
	// ready is the time from the process's start until it said that it serves.
	ready time.Duration

	process *exec.Cmd
	said    *bytes.Buffer // on standard error; read only once it has ended
	ended   chan error
}

// startNetwork runs the program on free ports and returns when it serves. The
// caller stops it, whatever happens.
func startNetwork(ctx context.Context, binary, home string) (*network, error) {
	const free = "127.0.0.1:0"
	n := &network{said: &bytes.Buffer{}, ended: make(chan error, 1)}
	n.process = exec.Command(binary, "up", "--json", "--home", home,
		"--gateway-addr", free, "--rpc-addr", free, "--rest-addr", free, "--grpc-addr", free)
	n.process.Stderr = n.said
	n.process.Env = withoutSettings(os.Environ())
	out, err := n.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := n.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", binary, err)
	}
	ready := make(chan error, 1)
	go func() {
		ready <- json.NewDecoder(out).Decode(&n.Info)
		n.ended <- n.process.Wait()
	}()
	select {
	case err = <-ready:
		n.ready = time.Since(began)
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(readyWithin):
		err = fmt.Errorf("%s up does not serve after %s", binary, readyWithin)
	}
	if err != nil {
		err = errors.Join(err, n.stop())
		return nil, fmt.Errorf("starting a network: %w", err)
	}
	return n, nil
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

// stop ends the network as Ctrl-C does, and by force if that takes too long.
func (n *network) stop() error {
	// An error says that it has ended already, which its end tells better.
	_ = n.process.Process.Signal(os.Interrupt)
	var err error
	select {
	case err = <-n.ended:
	case <-time.After(stopWithin):
		_ = n.process.Process.Kill()
		<-n.ended
		err = fmt.Errorf("it did not stop within %s and was killed", stopWithin)
	}
	if err != nil {
		return fmt.Errorf("koinon up: %w: %s", err, strings.TrimSpace(n.said.String()))
	}
	return nil
}

// account is one of the network's accounts.
func (n *network) account(name string) (devnet.Account, error) {
	for _, a := range n.Accounts {
		if a.Name == name {
			return a, nil
		}
	}
	return devnet.Account{}, fmt.Errorf("the network has no account %s", name)
}
