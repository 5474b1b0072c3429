package process

import (
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/p2p"
)

// A provider that starts again is where it was, unless somebody else is there.
func TestPortsAreKept(t *testing.T) {
	c := Config{}
	c.Home = t.TempDir()
	begin := func() *p2p.Host {
		t.Helper()
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		host, err := join(c, p2p.Config{Key: key, Logger: log}, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { host.Close() })
		return host
	}
	if got := begin().Addrs(); len(got) == 0 {
		t.Fatal("it listens nowhere")
	}
	had := ports{UDP: free(t, "udp"), TCP: free(t, "tcp")}
	data, err := json.Marshal(had)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Home, "ports.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} { // the second finds them taken
		got := begin().Addrs()
		there := slices.Contains(got, "/ip4/127.0.0.1/tcp/"+had.TCP) && slices.Contains(got, "/ip4/127.0.0.1/udp/"+had.UDP+"/quic-v1")
		if len(got) == 0 || there != want {
			t.Errorf("start %d: it was at %+v, and is at %v", i+1, had, got)
		}
	}
}

// free is a port that nobody listens at.
func free(t *testing.T, network string) string {
	t.Helper()
	var address net.Addr
	if network == "udp" {
		s, err := net.ListenPacket(network, "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		address = s.LocalAddr()
	} else {
		s, err := net.Listen(network, "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		address = s.Addr()
	}
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
