package p2p

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"
)

// node is a host on loopback.
func node(t *testing.T, adjust func(*Config)) *Host {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}}
	if adjust != nil {
		adjust(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// full are the addresses of a host with its name.
func full(h *Host) []string {
	var all []string
	for _, a := range h.Addrs() {
		all = append(all, a+"/p2p/"+h.inner.ID().String())
	}
	return all
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Two who know nothing but a bootstrap peer hear each other.
func TestGossipFindsPeersByBootstrapAlone(t *testing.T) {
	first := node(t, func(c *Config) { c.ServeRelay, c.Reachability = true, Public })
	join := func(h *Host, judge func([]byte) Verdict) *Topic {
		topic, err := h.Gossip("/koinon/test", judge)
		if err != nil {
			t.Fatal(err)
		}
		return topic
	}
	join(first, func([]byte) Verdict { return PassOn })
	bootstrapped := func(c *Config) { c.Bootstrap = full(first) }
	heard := make(chan string, 16)
	listener := node(t, bootstrapped)
	join(listener, func(m []byte) Verdict {
		if strings.HasPrefix(string(m), "bad") {
			return Blame
		}
		heard <- string(m)
		return PassOn
	})
	speaker := join(node(t, bootstrapped), func([]byte) Verdict { return PassOn })
	within(t, "a message arrives", func() bool {
		if err := speaker.Publish(context.Background(), []byte("tick "+time.Now().String())); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-heard:
			return strings.HasPrefix(m, "tick")
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	// And the table finds a peer whose addresses nobody told.
	within(t, "a peer is found by its key", func() bool {
		_, err := speaker.host.Ping(context.Background(), Peer{Key: listener.Key()})
		return err == nil
	})
}

// A host that nobody can dial is reached through a relay.
func TestReachableThroughARelay(t *testing.T) {
	middle := node(t, func(c *Config) { c.ServeRelay, c.Reachability = true, Public })
	hidden := node(t, func(c *Config) { c.Listen, c.Relays, c.Reachability = nil, full(middle), Private })
	hidden.Handle("/koinon/echo", func(s Stream, _ ed25519.PublicKey) {
		io.Copy(s, s)
		s.Close()
	})
	within(t, "the relay keeps a place", func() bool { return len(hidden.Addrs()) > 0 })
	for _, a := range hidden.Addrs() {
		if !strings.Contains(a, "p2p-circuit") {
			t.Errorf("the hidden host is at %s", a)
		}
	}
	caller := node(t, nil)
	s, err := caller.Open(context.Background(), hidden.Peer(), "/koinon/echo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	s.CloseWrite()
	if got, err := io.ReadAll(s); err != nil || string(got) != "hello" {
		t.Errorf("%q came back, %v", got, err)
	}
	if _, err := caller.Ping(context.Background(), hidden.Peer()); err != nil {
		t.Error(err)
	}
}
