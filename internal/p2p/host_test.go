package p2p

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

const echo = "/koinon/test/echo/1"

// start runs a host on the given transport of loopback.
func start(t testing.TB, c Config) *Host {
	t.Helper()
	if c.Key == nil {
		_, c.Key, _ = ed25519.GenerateKey(rand.Reader)
	}
	if c.Listen == nil {
		c.Listen = []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func serveEcho(h *Host, who chan<- ed25519.PublicKey) {
	h.Handle(echo, func(s Stream, key ed25519.PublicKey) {
		_ = s.SetDeadline(time.Now().Add(10 * time.Second))
		if who != nil {
			who <- key
		}
		_, _ = io.Copy(s, s)
		_ = s.Close()
	})
}

func TestStreamsOverEachTransport(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"} {
		t.Run(listen, func(t *testing.T) {
			server, client := start(t, Config{Listen: []string{listen}}), start(t, Config{Listen: []string{}})
			who := make(chan ed25519.PublicKey, 1)
			serveEcho(server, who)
			s, err := client.Open(t.Context(), server.Peer(), echo)
			if err != nil {
				t.Fatal(err)
			}
			message := bytes.Repeat([]byte("held in common "), 10_000)
			go func() {
				_, _ = s.Write(message)
				_ = s.CloseWrite()
			}()
			got, err := io.ReadAll(s)
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("echoed %d of %d bytes, error %v", len(got), len(message), err)
			}
			if !(<-who).Equal(client.Key()) {
				t.Error("the server was told another key than the client's")
			}
			if rtt, err := client.Ping(t.Context(), server.Peer()); err != nil || rtt <= 0 {
				t.Errorf("ping: %v, %v", rtt, err)
			}
		})
	}
}

// A peer that comes back is found by the next ping.
func TestPingFindsAPeerThatIsBack(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	server, client := start(t, Config{Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0"}}), start(t, Config{Listen: []string{}})
	peer := server.Peer()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := client.Ping(t.Context(), peer); !errors.Is(err, ErrUnreachable) {
			t.Fatalf("a ping of nobody: %v", err)
		}
	}
	start(t, Config{Key: key, Listen: peer.Addrs})
	if _, err := client.Ping(t.Context(), peer); err != nil {
		t.Errorf("a ping of a peer that is back: %v", err)
	}
}

func TestThreeHostsAndAReadDeadline(t *testing.T) {
	hosts := []*Host{start(t, Config{}), start(t, Config{}), start(t, Config{})}
	for _, h := range hosts {
		h.Handle(echo, func(s Stream, _ ed25519.PublicKey) { <-t.Context().Done(); _ = s.Reset() }) // never answers
	}
	for i, h := range hosts {
		s, err := h.Open(t.Context(), hosts[(i+1)%3].Peer(), echo)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Error("a read outlived its deadline")
		}
		_ = s.Reset()
	}
}

func TestAPeerIsWhoItsKeySays(t *testing.T) {
	server, client := start(t, Config{}), start(t, Config{Listen: []string{}})
	other, _, _ := ed25519.GenerateKey(rand.Reader)
	err := client.Connect(t.Context(), Peer{Key: other, Addrs: server.Addrs()})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("connected to another's address: %v", err)
	}
	for name, p := range map[string]Peer{
		"short key":   {Key: other[:31], Addrs: server.Addrs()},
		"bad address": {Key: server.Key(), Addrs: []string{"localhost:4001"}},
	} {
		if err := client.Connect(t.Context(), p); !errors.Is(err, ErrPeer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mixed := server.Peer()
	mixed.Addrs = append([]string{"/from/the/future"}, mixed.Addrs...)
	if err := client.Connect(t.Context(), mixed); err != nil {
		t.Errorf("an unknown kind of address hides the others: %v", err)
	}
}

func TestAdmission(t *testing.T) {
	member, stranger := start(t, Config{}), start(t, Config{})
	server := start(t, Config{Admit: func(k ed25519.PublicKey) bool { return k.Equal(member.Key()) }})
	serveEcho(server, nil)
	if _, err := member.Ping(t.Context(), server.Peer()); err != nil {
		t.Errorf("a member is refused: %v", err)
	}
	// QUIC's dialler may be done before the listener has looked: what counts is
	// that it gets nothing.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if s, err := stranger.Open(ctx, server.Peer(), echo); err == nil {
		_, _ = s.Write([]byte("hello"))
		_ = s.CloseWrite()
		if got, err := io.ReadAll(s); err == nil && len(got) > 0 {
			t.Errorf("a stranger was served %q", got)
		}
	}
	if err := server.Connect(t.Context(), stranger.Peer()); err == nil {
		t.Error("the server dials a stranger")
	}
}

// One peer's streams are limited, and another's are not affected.
func TestStreamLimit(t *testing.T) {
	server := start(t, Config{MaxStreamsPerPeer: 4})
	server.Handle(echo, func(s Stream, _ ed25519.PublicKey) { // holds its stream
		_, _ = s.Write([]byte{1})
		<-t.Context().Done()
		_ = s.Reset()
	})
	open := func(h *Host) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s, err := h.Open(ctx, server.Peer(), echo)
		if err != nil {
			return err
		}
		_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = io.ReadFull(s, make([]byte, 1))
		return err
	}
	greedy, modest := start(t, Config{}), start(t, Config{})
	served := 0
	for range 12 {
		if open(greedy) == nil {
			served++
		}
	}
	if served == 0 || served > 4 {
		t.Errorf("%d streams served of one peer, limit 4", served)
	}
	if err := open(modest); err != nil {
		t.Errorf("another peer suffers: %v", err)
	}
}

func TestPeerID(t *testing.T) {
	key, _, _ := ed25519.GenerateKey(rand.Reader)
	id, err := PeerID(key)
	if err != nil || !strings.HasPrefix(id.String(), "12D3Koo") {
		t.Fatalf("PeerID = %s, %v", id, err)
	}
	if back, err := KeyOf(id); err != nil || !back.Equal(key) {
		t.Errorf("KeyOf does not undo PeerID: %v", err)
	}
	_, foreign, _ := crypto.GenerateSecp256k1Key(rand.Reader)
	other, _ := peer.IDFromPublicKey(foreign)
	if _, err := KeyOf(other); !errors.Is(err, ErrPeer) {
		t.Errorf("a secp256k1 identity: %v", err)
	}
}

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a host without a key")
	}
	taken := start(t, Config{})
	for _, addr := range taken.Addrs() {
		_, key, _ := ed25519.GenerateKey(rand.Reader)
		_, err := New(Config{Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0", addr}})
		if err == nil || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s is taken, and the error does not say so: %v", addr, err)
		}
	}
}
