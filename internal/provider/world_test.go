package provider

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

const (
	chainID  = "koinon-test-1"
	seller   = "koinon1seller"
	treasury = "koinon1treasury"
)

// cable connects one process to the ledger, until the process dies.
type cable struct {
	*chain
	cut atomic.Bool
}

func (c *cable) Send(ctx context.Context, msgs ...proto.Message) error {
	if c.cut.Load() {
		return errDown
	}
	return c.chain.Send(ctx, msgs...)
}

func (c *cable) Redeem(ctx context.Context, msg *escrowv1.MsgRedeem) ([]error, error) {
	if c.cut.Load() {
		return nil, errDown
	}
	return c.chain.Redeem(ctx, msg)
}

// script is an engine that says its prompt backwards for ever.
type script struct {
	slots chan struct{}
	mu    sync.Mutex
	step  func(ctx context.Context, i int) error // between tokens
	seen  map[receipt.Digest][][]int32           // prompts, by scope
}

func (e *script) pace(step func(ctx context.Context, i int) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.step = step
}

func (e *script) Prompt(r inference.Request) ([]int32, error) {
	var ids []int32
	for _, b := range []byte(r.Prompt) {
		ids = append(ids, int32(b))
	}
	return ids, nil
}

// Texts and Embed make it an Embedder: a vector holds a text's length.
func (e *script) Texts(q *inference.Embed) ([][]int32, error) {
	var all [][]int32
	for _, text := range q.Texts {
		ids, err := e.Prompt(inference.Request{Prompt: text})
		if err != nil {
			return nil, err
		}
		all = append(all, ids)
	}
	return all, nil
}

func (e *script) Embed(_ context.Context, text []int32, _ string) ([]float32, error) {
	return []float32{float32(len(text)), 1}, nil
}

func (e *script) ContextLength() int { return 512 }

func (e *script) Sampler() string { return receipt.Categorical }

func (e *script) Check(inference.Request) error { return nil }

// cached is how much of a prompt it has seen in the job's scope, and remembers it.
func (e *script) cached(job Job) (most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, known := range e.seen[job.Scope] {
		n := 0
		for n < min(len(known), len(job.Prompt)) && known[n] == job.Prompt[n] {
			n++
		}
		most = max(most, n)
	}
	if e.seen == nil {
		e.seen = map[receipt.Digest][][]int32{}
	}
	e.seen[job.Scope] = append(e.seen[job.Scope], job.Prompt)
	return most
}

func (e *script) Generate(ctx context.Context, job Job, emit func(Token) error) (string, error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		return "", ErrBusy
	}
	for i := range job.MaxTokens {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		e.mu.Lock()
		step := e.step
		e.mu.Unlock()
		if step != nil {
			if err := step(ctx, i); err != nil {
				return "", err
			}
		}
		cached := 0
		if i == 0 {
			cached = e.cached(job)
		}
		id := job.Prompt[len(job.Prompt)-1-i%len(job.Prompt)]
		if err := emit(Token{ID: id, Logprob: -0.5, Leaf: receipt.Leaf(uint64(i), id, receipt.Digest{}, receipt.Digest{}), Cached: cached}); err != nil {
			return "", err
		}
	}
	return "length", nil
}

// wire is one end of a TCP connection, as a Stream.
type wire struct{ *net.TCPConn }

func (w wire) Reset() error {
	w.SetLinger(0)
	return w.TCPConn.Close()
}

// transport is a gateway's end of a stream.
type transport interface {
	io.ReadWriteCloser
	CloseWrite() error
	Reset() error
	SetReadDeadline(time.Time) error
}

// world is one provider with its ledger and its gateways.
type world struct {
	t        *testing.T
	chain    *chain
	cable    *cable
	engine   *script
	serves   Engine           // instead of engine, if set
	connect  func() transport // instead of loopback TCP, if set
	config   Config
	key      ed25519.PrivateKey
	model    Model
	provider *Provider
	stop     context.CancelFunc
	ended    chan error
	log      *logBook
	listener net.Listener
	hook     atomic.Pointer[func(string)] // see reach

	mu   sync.Mutex
	ends []wire // the provider's ends of its streams
}

func newWorld(t *testing.T, adjust func(*Config)) *world {
	t.Helper()
	seed := sha256.Sum256([]byte("provider"))
	w := &world{
		t: t, chain: newChain(), key: ed25519.NewKeyFromSeed(seed[:]), log: &logBook{},
		engine: &script{slots: make(chan struct{}, 8)},
		model:  Model{Digest: receipt.Sum([]byte("model")), Name: "test", Version: "1", Class: receipt.Exact, ContextLength: 512},
		config: Config{
			Home: t.TempDir(), Moniker: "one", Bond: 5, Slots: 8,
			Price:           receipt.Price{Input: 1_000_000, CachedInput: 1_000_000, Output: 2_000_000}, // 1 and 2 ucredit a token
			InitialExposure: 200, PaymentTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
			OpenTimeout: 2 * time.Second, ActivationTimeout: 2 * time.Second, DrainTimeout: 2 * time.Second,
		},
	}
	if adjust != nil {
		adjust(&w.config)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.listener = listener
	t.Cleanup(func() { listener.Close() })
	w.start()
	t.Cleanup(func() {
		if w.provider != nil {
			w.halt()
		}
	})
	return w
}

// start runs the provider until the first registration is done.
func (w *world) start() {
	w.t.Helper()
	w.cable = &cable{chain: w.chain}
	if w.serves == nil {
		w.serves = w.engine
	}
	p, err := New(w.config, Outside{
		Ledger: w.cable, Engine: w.serves, Model: w.model, Key: w.key,
		Addrs: func() []string { return []string{"/ip4/127.0.0.1/tcp/1"} },
		Log:   w.testLog(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.reached = func(point string) {
		if at := w.hook.Load(); at != nil {
			(*at)(point)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.provider, w.stop, w.ended = p, cancel, make(chan error, 1)
	go func() { w.ended <- p.Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		p.mu.Lock()
		ready := p.ready
		p.mu.Unlock()
		if ready {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the provider never became ready")
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *world) testLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// reach has the provider call at, at each named point of its work, until it is
// killed.
func (w *world) reach(at func(point string)) { w.hook.Store(&at) }

// halt stops the provider as Ctrl-C does.
func (w *world) halt() {
	w.t.Helper()
	w.stop()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	if err := w.provider.Close(); err != nil {
		w.t.Errorf("Close: %v", err)
	}
	w.provider = nil
}

// kill leaves the provider as kill -9 does: what is on disk at this moment is
// all that the next one has.
func (w *world) kill() {
	w.t.Helper()
	old, stop, ended := w.provider, w.stop, w.ended
	w.hook.Store(nil)
	w.config.Home = w.snapshot()
	w.cable.cut.Store(true)
	w.mu.Lock()
	for _, end := range w.ends {
		end.Reset()
	}
	w.ends = nil
	w.mu.Unlock()
	stop()
	old.stop(errDrained)
	<-ended
	old.Close()
	w.provider = nil
}

// snapshot copies the database while it is written. An open read keeps SQLite
// from moving anything newer than the copied log into the database file before
// that is copied too: the two halves would be of different moments.
func (w *world) snapshot() (home string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.config.Home, "provider.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	read, err := db.Begin()
	if err == nil {
		defer read.Rollback()
		err = read.QueryRow(`SELECT count(*) FROM grants`).Scan(new(int))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	home = w.t.TempDir()
	for _, name := range []string{"provider.db-wal", "provider.db"} {
		b, err := os.ReadFile(filepath.Join(w.config.Home, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), b, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return home
}

// dial opens a stream to the provider.
func (w *world) dial() transport {
	w.t.Helper()
	if w.connect != nil {
		return w.connect()
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := w.listener.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	c, err := net.Dial("tcp", w.listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	server, ok := <-accepted
	if !ok {
		w.t.Fatal("listener closed")
	}
	end := wire{server.(*net.TCPConn)}
	w.mu.Lock()
	w.ends = append(w.ends, end)
	w.mu.Unlock()
	go w.provider.Handle(end)
	w.t.Cleanup(func() { c.Close() })
	return wire{c.(*net.TCPConn)}
}

func (w *world) funded(payer string, amount uint64) {
	w.chain.deposit(payer, amount, payerKey(payer).Public().(ed25519.PublicKey))
}

// verify checks every invariant between provider, ledger and buyers.
func (w *world) verify(buyers ...*buyer) {
	w.t.Helper()
	w.chain.mu.Lock()
	var total, revealed uint64
	for _, a := range w.chain.accounts {
		total += a.Available + a.Locked
	}
	if total+w.chain.paid != w.chain.deposited {
		w.t.Errorf("escrow has %d, %d were paid, %d deposited", total, w.chain.paid, w.chain.deposited)
	}
	w.chain.mu.Unlock()
	for _, b := range buyers {
		b.mu.Lock()
		if paid, owed := b.meter.Paid(), b.meter.Owed(); paid >= owed+b.signed.TicketValue {
			w.t.Errorf("a buyer paid %d and owes %d", paid, owed)
		}
		revealed += b.meter.Paid()
		b.mu.Unlock()
		if w.provider == nil {
			continue
		}
		receipts, err := w.provider.store.receipts(context.Background(), b.signed.ID())
		if err != nil {
			w.t.Fatal(err)
		}
		if err := receipt.VerifyChain(receipts); err != nil {
			w.t.Error(err)
		}
		for _, r := range receipts {
			if err := r.Verify(); err != nil {
				w.t.Error(err)
			}
			if r.CompletionTokens == 0 {
				continue
			}
			// Of every answer there is what an accusation would ask for.
			if e, err := w.provider.Evidence(context.Background(), r); err != nil {
				w.t.Error(err)
			} else if err := e.Verify(r); err != nil {
				w.t.Error(err)
			}
		}
	}
	if w.chain.paid > revealed {
		w.t.Errorf("the ledger paid %d for %d revealed", w.chain.paid, revealed)
	}
	if strings.Contains(w.log.String(), "secret") {
		w.t.Error("a prompt is in the log")
	}
}

// logBook collects log lines.
type logBook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// receipts reads a grant's receipts in order.
func (s *store) receipts(ctx context.Context, id receipt.Digest) ([]receipt.Receipt, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT body FROM receipts WHERE grant_id = ? ORDER BY sequence`, id[:])
	if err != nil {
		return nil, fmt.Errorf("reading receipts: %w", err)
	}
	defer rows.Close()
	var out []receipt.Receipt
	for rows.Next() {
		var body []byte
		var r receipt.Receipt
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("reading receipts: %w", err)
		}
		if r, err = receipt.Decode(body); err != nil {
			return nil, fmt.Errorf("reading a receipt: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
