package testnet

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/receipt"
)

// canary is in every prompt and must be in no log.
const canary = "canary-5b1f"

// price makes a prompt token 1 and a completion token 10 ucredit.
var price = receipt.Price{Input: 1_000_000, CachedInput: 1_000_000, Output: 10_000_000}

var model = receipt.Sum([]byte("a manifest"))

// vocabulary has a token for each byte.
type vocabulary struct{}

func (vocabulary) Prompt(r inference.Request) ([]int32, error) {
	text := r.Prompt
	for _, m := range r.Messages {
		text += m.Content
	}
	ids := make([]int32, len(text))
	for i := range ids {
		ids[i] = int32(text[i])
	}
	return append(ids, r.Resume...), nil
}

func (vocabulary) Tools() toolcall.Format { return toolcall.None }

func (vocabulary) Piece(id int32) ([]byte, bool) {
	if id < 0 || id > 255 {
		return nil, false
	}
	return []byte{byte(id)}, true
}

func (v vocabulary) Vocabulary(context.Context, receipt.Digest, []gateway.Peer) (gateway.Vocabulary, error) {
	return v, nil
}

// engine answers with one letter again and again, at a pace.
type engine struct {
	vocabulary
	pace   time.Duration
	hang   atomic.Bool   // no token comes
	served atomic.Uint64 // ucredit, of all tokens emitted and their prompts
}

func (e *engine) Check(inference.Request) error { return nil }
func (e *engine) ContextLength() int            { return 1 << 20 }
func (e *engine) Sampler() string               { return receipt.Categorical }

func (e *engine) Generate(ctx context.Context, job provider.Job, emit func(provider.Token) error) (string, error) {
	tick := time.NewTicker(e.pace)
	defer tick.Stop()
	for i := range job.MaxTokens {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		for e.hang.Load() && ctx.Err() == nil {
			<-tick.C
		}
		if err := emit(provider.Token{ID: 'x', Leaf: receipt.Leaf(uint64(i), 'x', receipt.Digest{}, receipt.Digest{})}); err != nil {
			return "", err
		}
		before, _ := price.Cost(uint64(len(job.Prompt)), 0, uint64(i))
		after, _ := price.Cost(uint64(len(job.Prompt)), 0, uint64(i+1))
		if i == 0 {
			before = 0
		}
		e.served.Add(after - before)
	}
	return "length", nil
}

// shop is one provider.
type shop struct {
	address  string
	engine   *engine
	provider *provider.Provider
	key      ed25519.PrivateKey
	mischief atomic.Pointer[mischief] // nil for an honest one
	listener net.Listener
	stop     context.CancelFunc
	ended    chan error

	mu      sync.Mutex
	streams []wire
}

// die breaks every stream off and takes no more.
func (s *shop) die() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range s.streams {
		_ = stream.Reset()
	}
}

// wire is one end of a TCP connection, as a stream.
type wire struct{ *net.TCPConn }

func (w wire) Reset() error {
	w.SetLinger(0)
	return w.TCPConn.Close()
}

// market is a gateway, its providers and their ledger.
type market struct {
	*testing.T
	ledger  *ledger
	shops   []*shop
	byKey   map[string]*shop
	gateway *gateway.Gateway
	server  *httptest.Server
	key     store
	log     *logBook
}

type store struct{ text, id string }

// logBook is what all roles log.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logged says whether a line of the log has all of these.
func (m *market) logged(parts ...string) bool {
	for line := range strings.Lines(m.log.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// size is how large a market is.
type size struct {
	providers int
	cap       uint64 // of a grant, ucredit
	pace      time.Duration
	exposure  uint64        // of each provider, ucredit
	slots     int           // of each provider; 0 for 64
	patience  time.Duration // of the gateway, between tokens; 0 for its own
}

// In ucredit.
const (
	deposit     = 100_000_000
	ticketValue = 100
)

func newMarket(t *testing.T, s size) *market {
	m := &market{T: t, ledger: newLedger(deposit), byKey: map[string]*shop{}, log: &logBook{}}
	m.ledger.version = modelv1.Version{
		Digest: model.String(), Name: "bard", Version: "1", Class: modelv1.VerificationClass_VERIFICATION_CLASS_EXACT, ContextLength: 1 << 20,
	}
	for i := range s.providers {
		m.open(i, s)
	}
	home := t.TempDir()
	c := gateway.DefaultConfig()
	c.Home, c.ChainID, c.Deposit, c.TopUpBelow = filepath.Join(home, "gateway"), chainID, deposit, deposit/2
	c.GrantCap, c.TicketValue, c.MaxInFlight, c.Probe = s.cap, ticketValue, 1<<16, time.Second
	c.NextToken = cmp.Or(s.patience, c.NextToken)
	g, err := gateway.Open(t.Context(), c, gateway.Surroundings{
		Ledger: desk{m.ledger}, Network: m, Vocabularies: vocabulary{}, Log: m.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.gateway = g
	text, key, err := keys.Create(g.Store(), keys.Terms{Budget: deposit}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m.key = store{text, key.ID}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx, listener) }()
	m.server = &httptest.Server{URL: "http://" + listener.Addr().String()}
	t.Cleanup(func() {
		stop()
		<-served
	})
	m.awaitReady()
	return m
}

func (m *market) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open starts one provider.
func (m *market) open(i int, s size) {
	m.Helper()
	seed := sha256.Sum256([]byte{byte(i)})
	key := ed25519.NewKeyFromSeed(seed[:])
	one := &shop{address: fmt.Sprintf("koinon1seller%d", i), key: key, engine: &engine{pace: s.pace}, ended: make(chan error, 1)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.Fatal(err)
	}
	one.listener = listener
	one.provider, err = provider.New(provider.Config{
		Home: m.TempDir(), Bond: 1, Price: price, Slots: cmp.Or(s.slots, 64), MaxStreams: 256, InitialExposure: s.exposure, RedeemEvery: time.Second,
		ActivationTimeout: time.Minute,
	}, provider.Outside{
		Ledger: seat{m.ledger, one.address}, Engine: one.engine, Key: key, Log: m.logger(), Metrics: prometheus.NewRegistry(),
		Model: provider.Model{Digest: model, Name: "bard", Version: "1", Class: receipt.Exact, ContextLength: 1 << 20},
		Addrs: func() []string { return []string{listener.Addr().String()} },
	})
	if err != nil {
		m.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			stream := wire{conn.(*net.TCPConn)}
			one.mu.Lock()
			one.streams = append(one.streams, stream)
			one.mu.Unlock()
			if x := one.mischief.Load(); x != nil {
				go x.between(stream, func(w wire) { one.provider.Handle(w) })
			} else {
				go one.provider.Handle(stream)
			}
		}
	}()
	ctx, stop := context.WithCancel(context.Background())
	one.stop = stop
	go func() { one.ended <- one.provider.Run(ctx) }()
	m.shops = append(m.shops, one)
	m.byKey[string(key.Public().(ed25519.PublicKey))] = one
}

// Open implements gateway.Network.
func (m *market) Open(ctx context.Context, p gateway.Peer) (gateway.Stream, error) {
	one := m.byKey[string(p.Key)]
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", one.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	return wire{conn.(*net.TCPConn)}, nil
}

// Probe implements gateway.Network.
func (m *market) Probe(context.Context, gateway.Peer) (time.Duration, error) {
	return time.Millisecond, nil
}

// awaitReady waits until every provider offers and the gateway knows it.
func (m *market) awaitReady() {
	m.Helper()
	m.eventually("the market to be ready", func() bool {
		response, err := http.Get(m.server.URL + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		var status struct {
			Status    string
			Providers int
		}
		return json.NewDecoder(response.Body).Decode(&status) == nil && status.Status == "ok" && status.Providers == len(m.shops)
	})
}

func (m *market) eventually(what string, ok func() bool) {
	m.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			m.Fatalf("waited in vain for %s", what)
		}
	}
}

// ask has one streamed answer, from certain providers if any are named, and says
// how many letters came.
func (m *market) ask(ctx context.Context, tokens int, only ...string) (letters int, err error) {
	controls, err := json.Marshal(map[string][]string{"only": only})
	if err != nil {
		return 0, err
	}
	body := fmt.Sprintf(`{"model":"bard","stream":true,"max_tokens":%d,"provider":%s,"messages":[{"role":"user","content":"%s"}]}`, tokens, controls, canary)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.server.URL+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+m.key.text)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(string(data)), "[DONE]") {
		return 0, fmt.Errorf("%s: %s", response.Status, data)
	}
	for _, line := range strings.Split(string(data), "\n") {
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if text, ok := strings.CutPrefix(line, "data: {"); ok && json.Unmarshal([]byte("{"+text), &chunk) == nil && len(chunk.Choices) > 0 {
			letters += len(chunk.Choices[0].Delta.Content)
		}
	}
	return letters, nil
}

// closeShops stops every provider, which redeems all it has.
func (m *market) closeShops() {
	m.Helper()
	for _, one := range m.shops {
		one.stop()
	}
	for _, one := range m.shops {
		if err := <-one.ended; err != nil {
			m.Errorf("%s: %v", one.address, err)
		}
		if err := one.provider.Close(); err != nil {
			m.Errorf("%s: %v", one.address, err)
		}
		one.listener.Close()
	}
}

// settled checks, when every answer was whole, that the money adds up to the
// ucredit: the key was charged what was served, and that was paid.
func (m *market) settled() {
	m.Helper()
	paid, grants := m.audit(0)
	var served uint64
	for _, one := range m.shops {
		served += one.engine.served.Load()
	}
	key, err := m.gateway.Store().Key(context.Background(), m.key.id)
	if err != nil {
		m.Fatal(err)
	}
	if key.Spent != served {
		m.Errorf("the key was charged %d, %d were served", key.Spent, served)
	}
	// Each grant overpays by less than a ticket.
	if paid < served || paid >= served+ticketValue*uint64(grants) {
		m.Errorf("%d paid for %d served on %d grants", paid, served, grants)
	}
}

// replay redeems again all that was ever redeemed: the ledger refuses each by name.
// What was paid is counted by audit.
func (m *market) replay() {
	m.Helper()
	for _, sent := range m.ledger.redemptions {
		if _, err := sent.by.Redeem(context.Background(), sent.message); !errors.Is(err, provider.ErrRefused) {
			m.Errorf("%d redemptions were sent again: %v", len(sent.message.Redemptions), err)
		}
	}
}

// audit checks, when all has ended however it ended, that the ledger paid what
// the gateway revealed, but for so many tickets that may have been lost on their
// way, that it pays no ticket twice, that nothing of the deposit is missing, and
// that no log has a prompt.
func (m *market) audit(lost uint64) (paid uint64, grants int) {
	m.Helper()
	m.replay()
	if err := m.gateway.Store().Flush(); err != nil {
		m.Fatal(err)
	}
	for _, one := range m.shops {
		paid += m.ledger.paid[one.address]
	}
	var revealed uint64
	for id := range m.ledger.grants {
		digest, err := receipt.ParseHex(id)
		if err != nil {
			m.Fatal(err)
		}
		books, err := m.gateway.Store().Books(context.Background(), digest)
		if err != nil {
			m.Fatal(err)
		}
		revealed += books.Revealed * ticketValue
	}
	if paid > revealed || revealed-paid > lost*ticketValue {
		m.Errorf("the ledger paid %d, the gateway revealed %d", paid, revealed)
	}
	if have := m.ledger.account.Available + m.ledger.account.Locked + paid + m.ledger.balance; have != deposit {
		m.Errorf("%d of %d are left", have, deposit)
	}
	if strings.Contains(m.log.String(), canary) {
		m.Error("a prompt is in the log")
	}
	return paid, len(m.ledger.grants)
}
