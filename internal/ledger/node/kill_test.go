package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
)

// homeVariable, if set, makes this test binary a node that runs until killed.
const homeVariable = "KOINON_TEST_NODE_HOME"

func TestMain(m *testing.M) {
	home := os.Getenv(homeVariable)
	if home == "" {
		os.Exit(m.Run())
	}
	if err := runNode(home); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runNode prints the node's gRPC address once it is up, and ends with its input,
// so that it does not outlive the test.
func runNode(home string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	n, err := node.Start(context.Background(), testConfig(home), log)
	if err != nil {
		return err
	}
	if err := n.Ready(context.Background()); err != nil {
		return err
	}
	fmt.Println(n.GRPC)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, n.Stop())
}

// process is a node in a process of its own.
type process struct {
	*exec.Cmd
	client *client.Client
}

func startProcess(t *testing.T, home string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self)}
	p.Env = append(os.Environ(), homeVariable+"="+home)
	p.Stderr = os.Stderr
	if _, err := p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() }) // long gone, unless the test failed
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the node said nothing: %v, %v", lines.Err(), p.Wait())
	}
	if p.client, err = client.Dial(t.Context(), lines.Text(), ""); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait() // says that it was killed
	p.client.Close()
}

// Killed at any moment, under load, the node comes back with all that it had
// confirmed, and at most the one transaction more that was under way.
func TestKilledNodeLosesNothing(t *testing.T) {
	const (
		kills  = 4
		amount = 1000
	)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	home := t.TempDir()
	payer := initLedger(t, home)
	var confirmed, height uint64
	for round := range kills + 1 {
		p := startProcess(t, home)
		at, err := p.client.Height(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if uint64(at) < height {
			t.Fatalf("round %d: back at height %d, a transaction was confirmed at %d", round, at, height)
		}
		e, err := p.client.Escrow(t.Context(), payer.Address())
		if err != nil && !(confirmed == 0 && errors.Is(err, client.ErrNotFound)) {
			t.Fatal(err)
		}
		if e.Available != confirmed && e.Available != confirmed+amount {
			t.Fatalf("round %d: %d ucredit in escrow, %d were confirmed", round, e.Available, confirmed)
		}
		books, err := p.client.Invariants(t.Context())
		if err != nil || !books.Holds || books.ModuleBalance != e.Available {
			t.Fatalf("round %d: books %+v, %v", round, books, err)
		}
		if round == kills {
			p.kill(t)
			break
		}
		confirmed = e.Available
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(200+random.IntN(1000))*time.Millisecond)
		for ctx.Err() == nil {
			result, err := p.client.Send(ctx, payer, &escrowv1.MsgDeposit{Payer: payer.Address(), Amount: amount, GrantKey: make([]byte, 32)})
			if err == nil {
				confirmed += amount
				height = uint64(result.Height)
			} else if ctx.Err() == nil && status.Code(err) != codes.DeadlineExceeded { // the node may notice first
				t.Fatal(err)
			}
		}
		cancel()
		p.kill(t)
	}
	if confirmed == 0 {
		t.Error("nothing was confirmed: the test saw no load")
	}
}
