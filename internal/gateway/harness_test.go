package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/receipt"
)

// dollar is in ucredit.
const dollar = 1_000_000

// testPrice makes a prompt token 1 and a completion token 10 ucredit.
var testPrice = receipt.Price{Input: 1 * dollar, Output: 10 * dollar}

// harness is a gateway with scripted providers around it.
type harness struct {
	t       *testing.T
	ledger  *testLedger
	network *testNetwork
	home    string
	log     *bytes.Buffer
	gossip  func(message []byte) error // has the gateway hear a message
	gateway *Gateway

	vocabularies Vocabularies
	server       *httptest.Server
	key          string
	keyID        string
}

func newHarness(t *testing.T, providers ...*scripted) *harness {
	return newHarnessOf(t, byteVocabulary{}, providers...)
}

// newTaughtHarness has a model that was taught tools.
func newTaughtHarness(t *testing.T, providers ...*scripted) *harness {
	return newHarnessOf(t, byteVocabulary{toolcall.Tagged}, providers...)
}

func newHarnessOf(t *testing.T, v Vocabularies, providers ...*scripted) *harness {
	network := &testNetwork{providers: map[string]*scripted{}}
	for _, p := range providers {
		network.providers[p.address] = p
	}
	h := &harness{t: t, network: network, ledger: &testLedger{network: network, balance: 100 * dollar}, home: t.TempDir(), vocabularies: v}
	h.start(nil)
	h.key, h.keyID = h.makeKey(dollar)
	return h
}

// start opens the gateway on the harness's home, as often as one likes.
func (h *harness) start(adjust func(*Config)) {
	c := DefaultConfig()
	c.Home, c.ChainID, c.App = h.home, testChain, "koinon1app"
	c.FirstToken, c.NextToken, c.Probe = 2*time.Second, 2*time.Second, time.Second
	c.RevealEvery = 4
	if adjust != nil {
		adjust(&c)
	}
	h.log = &bytes.Buffer{}
	var err error
	h.gateway, err = Open(context.Background(), c, Surroundings{
		Ledger: h.ledger, Network: h.network, Vocabularies: h.vocabularies, Version: "test",
		Gossip: func(_ string, judge func([]byte) error) (io.Closer, error) {
			h.gossip = judge
			return io.NopCloser(nil), nil
		},
		Log: slog.New(slog.NewTextHandler(&syncWriter{w: h.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.gateway.Refresh(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	h.gateway.Probe(context.Background())
	h.server = httptest.NewServer(checked(h.t, h.gateway.Handler()))
	server, gateway := h.server, h.gateway
	h.t.Cleanup(func() { h.stopped(server, gateway) })
}

func (h *harness) stopped(server *httptest.Server, g *Gateway) {
	server.Close()
	if g.life.Err() == nil {
		if err := g.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

// restart closes the gateway and opens it again.
func (h *harness) restart(adjust func(*Config)) {
	h.stopped(h.server, h.gateway)
	h.start(adjust)
}

func (h *harness) makeKey(budget uint64) (text, id string) {
	text, key, err := keys.Create(h.gateway.Store(), keys.Terms{Name: "test", Budget: budget}, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return text, key.ID
}

// spent is what a key was charged, as the database says.
func (h *harness) spent(id string) uint64 {
	h.gateway.settling.Wait()
	k, err := h.gateway.Store().Key(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return k.Spent
}

func (h *harness) receipts() []store.Receipt {
	h.gateway.settling.Wait()
	all, _, err := h.gateway.Store().Receipts(context.Background(), h.keyID, 100, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// reply is a response that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (h *harness) do(method, path, key, body string) reply {
	request, err := http.NewRequest(method, h.server.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return h.send(request)
}

// send sends a request and reads the response to its end.
func (h *harness) send(request *http.Request) reply {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Error(err)
		return reply{}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	for name, values := range response.Trailer {
		response.Header[name] = values
	}
	return reply{response.StatusCode, response.Header, string(data)}
}

func (h *harness) chat(body string) reply { return h.do("POST", "/v1/chat/completions", h.key, body) }

// hello is a chat of 11 prompt tokens.
const hello = `{"model":"bard","messages":[{"role":"user","content":"hello"}],"temperature":0`

// warm is hello with something to draw.
const warm = `{"model":"bard","messages":[{"role":"user","content":"hello"}],"temperature":1`

// field reads a path like "choices.0.message.content" out of JSON.
func field(t *testing.T, body, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, body)
	}
	for _, step := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			if i := int(step[0] - '0'); i < len(at) {
				v = at[i]
			} else {
				v = nil
			}
		default:
			return nil
		}
	}
	return v
}

// events splits a stream into its data.
func readEvents(t *testing.T, body string) []string {
	t.Helper()
	var all []string
	scanner := bufio.NewScanner(strings.NewReader(body))
	for scanner.Scan() {
		line := scanner.Text()
		if line == "" {
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			t.Fatalf("not an event: %q", line)
		}
		all = append(all, data)
	}
	return all
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
