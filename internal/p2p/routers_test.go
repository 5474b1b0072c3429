package p2p

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
)

// TestBehindRouters needs the network of scripts/nat.sh (make nat): two peers
// behind address translation that lets nobody in, and a relay. Each runs as a
// process of its own in a network namespace.
func TestBehindRouters(t *testing.T) {
	if os.Getenv("KOINON_NAT") == "" {
		t.Skip("needs the network that make nat sets up")
	}
	if role := os.Getenv("KOINON_NAT_ROLE"); role != "" {
		roles[role](t)
		return
	}
	relay := startIn(t, "relay", "")
	seller := startIn(t, "a", relay.says(t, "at "))
	address := seller.says(t, "at ")
	if !strings.Contains(address, "p2p-circuit") {
		t.Fatalf("the seller is at %s without a relay", address)
	}
	buyer := startIn(t, "b", relay.address+" "+address)
	buyer.says(t, "answered")
	how := buyer.says(t, "directly at ")
	if strings.Contains(how, "p2p-circuit") || !strings.Contains(how, "45.10.0.2") {
		t.Errorf("the buyer reaches the seller at %s", how)
	}
	t.Logf("by a relay first, then directly at %s", how)
}

// roles are what the processes do.
var roles = map[string]func(*testing.T){"relay": beRelay, "a": beSeller, "b": beBuyer}

// place is a process in a namespace.
type place struct {
	lines   *bufio.Scanner
	address string
}

// startIn runs this test in a namespace with a role and arguments.
func startIn(t *testing.T, role, args string) *place {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", "koinon-"+role, os.Args[0], "-test.run", "^TestBehindRouters$", "-test.v")
	cmd.Env = append(os.Environ(), "KOINON_NAT_ROLE="+role, "KOINON_NAT_ARGS="+args)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &place{lines: bufio.NewScanner(out)}
}

// says returns the rest of the next line that begins so.
func (p *place) says(t *testing.T, prefix string) string {
	t.Helper()
	for p.lines.Scan() {
		if rest, ok := strings.CutPrefix(p.lines.Text(), prefix); ok {
			p.address = rest
			return rest
		}
		t.Log(p.lines.Text())
	}
	t.Fatalf("a process ended without saying %q", prefix)
	return ""
}

func beRelay(t *testing.T) {
	h := node(t, func(c *Config) {
		c.Listen = []string{"/ip4/45.10.0.1/udp/4001/quic-v1", "/ip4/45.10.0.1/tcp/4001"}
		c.ServeRelay, c.Reachability = true, Public
	})
	fmt.Println("at " + strings.Join(full(h), ","))
	time.AfterFunc(2*time.Minute, func() { os.Exit(0) })
	select {}
}

// household is a host behind a router, which knows the relay alone.
func household(t *testing.T, relay string) *Host {
	h := node(t, func(c *Config) {
		c.Listen = []string{"/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"}
		c.Traverse, c.Bootstrap = true, strings.Split(relay, ",")
	})
	within(t, "the relay tells how it sees the host", func() bool {
		return slices.Contains(h.inner.Mux().Protocols(), holepunch.Protocol)
	})
	return h
}

func beSeller(t *testing.T) {
	h := household(t, os.Getenv("KOINON_NAT_ARGS"))
	h.Handle("/koinon/echo", func(s Stream, _ ed25519.PublicKey) {
		_, _ = io.Copy(s, s)
		_ = s.Close()
	})
	var at string
	within(t, "a place at the relay", func() bool {
		for _, a := range h.Addrs() {
			if strings.Contains(a, "p2p-circuit") {
				at = a
			}
		}
		return at != ""
	})
	fmt.Println("at " + hex.EncodeToString(h.Key()) + " " + at)
	time.AfterFunc(2*time.Minute, func() { os.Exit(0) })
	select {}
}

func beBuyer(t *testing.T) {
	args := strings.Fields(os.Getenv("KOINON_NAT_ARGS"))
	key, err := hex.DecodeString(args[1])
	if err != nil {
		t.Fatal(err)
	}
	h, seller := household(t, args[0]), Peer{Key: key, Addrs: args[2:]}
	s, err := h.Open(context.Background(), seller, "/koinon/echo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_ = s.CloseWrite()
	if got, err := io.ReadAll(s); err != nil || string(got) != "hello" {
		t.Fatalf("%q came back, %v", got, err)
	}
	fmt.Println("answered")
	id, err := PeerID(seller.Key)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a direct connection", func() bool {
		for _, c := range h.inner.Network().ConnsToPeer(id) {
			if at := c.RemoteMultiaddr().String(); !strings.Contains(at, "p2p-circuit") {
				fmt.Println("directly at " + at)
				return true
			}
		}
		return false
	})
}
