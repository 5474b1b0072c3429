package devnet_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/receipt"
)

// A provider that nobody can dial is found, heard, asked and paid through a relay.
func TestAPaidAnswerThroughARelay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := config(t.TempDir())
	c.Providers = 1
	n, err := devnet.Start(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	relay, err := p2p.New(p2p.Config{Key: identity, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, ServeRelay: true, Reachability: p2p.Public})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	id, err := p2p.PeerID(relay.Key())
	if err != nil {
		t.Fatal(err)
	}

	bob := account(t, n.Info, "bob")
	hidden := process.Config{
		Config: provider.Config{
			Home: t.TempDir(), Moniker: "hidden", Bond: 100_000_000, Region: "DE",
			Price: receipt.Price{Input: 500_000, CachedInput: 500_000, Output: 2_000_000},
		},
		Ledger: n.GRPC, KeyFile: filepath.Join(c.Home, "accounts", "bob.json"), Model: n.Models[0].Digest, Threads: 1,
		Listen: []string{p2p.Nowhere}, Relays: []string{relay.Addrs()[0] + "/p2p/" + id.String()}, Reachability: p2p.Private,
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	ready := make(chan process.Info, 1)
	go func() {
		ended <- process.Run(run, hidden, slog.New(slog.DiscardHandler), func(i process.Info) { ready <- i })
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	select {
	case info := <-ready:
		for _, a := range info.Peer.Addrs {
			if !strings.Contains(a, "/p2p-circuit") {
				t.Errorf("the hidden provider is at %s", a)
			}
		}
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}

	llm := openai.NewClient(option.WithBaseURL(n.Gateway), option.WithAPIKey(n.APIKey), option.WithMaxRetries(0))
	for {
		answer, err := llm.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
			Model: n.Models[0].Name, MaxTokens: openai.Int(8),
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Who is there?")},
		}, option.WithJSONSet("provider", map[string]any{"only": []string{bob}, "region": "DE"}))
		if err == nil {
			if got := answer.RawJSON(); !strings.Contains(got, bob) {
				t.Errorf("somebody else answered: %s", got)
			}
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(200 * time.Millisecond): // it is about to register
		}
	}
	for !heard(t, ctx, n) {
		select {
		case <-ctx.Done():
			t.Fatal("the gateway has heard no heartbeat")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// account is the address of one of the network's accounts.
func account(t *testing.T, n devnet.Info, name string) string {
	t.Helper()
	for _, a := range n.Accounts {
		if a.Name == name {
			return a.Address
		}
	}
	t.Fatalf("no account %s", name)
	return ""
}

// heard says whether heartbeats reach the gateway.
func heard(t *testing.T, ctx context.Context, n *devnet.Network) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(n.Gateway, "/v1")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(body), `koinon_gateway_heartbeats_total{verdict="good"}`)
}
