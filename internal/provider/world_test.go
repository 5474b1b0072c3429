package provider

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
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
	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

const (
	chainID  = "koinon-test-1"
	seller   = "koinon1seller"
	treasury = "koinon1treasury"
)

// chain is a ledger in memory: the real rules of money, one block per
// transaction.
type chain struct {
	mu        sync.Mutex
	params    escrow.Params
	accounts  map[string]escrow.Account
	grants    map[string]escrow.Grant
	versions  map[string]modelv1.Version
	providers map[string]providerv1.Provider
	offers    map[string]providerv1.Offer
	deposited uint64
	paid      uint64 // ucredit redeemed
	sent      []string
	height    int64

	down      bool                      // nothing answers
	loseReply bool                      // the next transaction takes effect, its reply is lost
	refuse    func(proto.Message) error // extra refusals
	changed   chan struct{}
}

func newChain() *chain {
	return &chain{
		params:   escrow.Params{MaxGrantSeconds: 7 * 86400, RedeemGrace: 3600, MaxTickets: 1 << 20, FreeWindowBlocks: 1},
		accounts: map[string]escrow.Account{}, grants: map[string]escrow.Grant{}, versions: map[string]modelv1.Version{},
		providers: map[string]providerv1.Provider{}, offers: map[string]providerv1.Offer{},
		refuse: func(proto.Message) error { return nil }, changed: make(chan struct{}),
	}
}

var errDown = errors.New("connection refused")

func (c *chain) Address() string { return seller }
func (c *chain) ChainID() string { return chainID }

func (c *chain) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until a condition on the ledger holds.
func (c *chain) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		ok, changed := holds(), c.changed
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("never came: %s", what)
		}
	}
}

func (c *chain) Send(_ context.Context, msgs ...proto.Message) error {
	var out error
	c.set(func() {
		if c.down {
			out = errDown
			return
		}
		accounts, grants, paid := clone(c.accounts), clone(c.grants), c.paid
		for _, m := range msgs {
			err := c.refuse(m)
			if err == nil {
				err = c.apply(m)
			}
			if err != nil {
				c.accounts, c.grants, c.paid = accounts, grants, paid
				out = fmt.Errorf("%w: %w", ErrRefused, err)
				return
			}
		}
		c.height++
		for _, m := range msgs {
			c.sent = append(c.sent, strings.TrimPrefix(fmt.Sprintf("%T", m), "*"))
		}
		if c.loseReply {
			c.loseReply = false
			out = errDown
		}
	})
	return out
}

func clone[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (c *chain) apply(m proto.Message) error {
	now := time.Now().Unix()
	switch m := m.(type) {
	case *modelv1.MsgRegisterVersion:
		if _, ok := c.versions[m.Digest]; ok {
			return errors.New("version exists")
		}
		c.versions[m.Digest] = modelv1.Version{Digest: m.Digest, Name: m.Name, Class: m.Class, Owner: m.Owner}
	case *providerv1.MsgRegister:
		c.providers[m.Provider] = providerv1.Provider{
			Address: m.Provider, PublicKey: m.PublicKey, Addrs: m.Addrs, Moniker: m.Moniker, Bond: m.Bond, Status: providerv1.Status_STATUS_ACTIVE,
		}
	case *providerv1.MsgUpdate:
		p := c.providers[m.Provider]
		p.Addrs, p.Moniker, p.Status = m.Addrs, m.Moniker, m.Status
		c.providers[m.Provider] = p
	case *providerv1.MsgBond:
		p := c.providers[m.Provider]
		p.Bond += m.Amount
		c.providers[m.Provider] = p
	case *providerv1.MsgSetOffer:
		c.offers[m.ModelDigest] = providerv1.Offer{
			Provider: m.Provider, ModelDigest: m.ModelDigest, InputPrice: m.InputPrice,
			OutputPrice: m.OutputPrice, MaxContext: m.MaxContext, Slots: m.Slots,
		}
	case *escrowv1.MsgActivate:
		g, err := inference.GrantFromWire(&m.Grant)
		if err != nil {
			return err
		}
		_, known := c.grants[g.ID().Hex()]
		account, grant, err := escrow.Activate(c.params, c.accounts[g.Payer], known,
			receipt.SignedGrant{Grant: g, Signature: m.Signature}, m.Provider, chainID, now)
		if err != nil {
			return err
		}
		c.accounts[g.Payer], c.grants[g.ID().Hex()] = account, grant
	case *escrowv1.MsgRedeem:
		g, ok := c.grants[m.Id]
		if !ok {
			return errors.New("no such grant")
		}
		account, grant, _, amount, err := escrow.Redeem(c.params, c.accounts[g.Payer], g,
			split.Policy{ProviderBps: 10_000}, escrow.Redemption{
				Index: m.Index, Ticket: receipt.Digest(m.Ticket), ReceiptsRoot: receipt.Digest(m.ReceiptsRoot), Receipts: m.Receipts, Close: m.Close,
			}, m.Provider, treasury, now)
		if err != nil {
			return err
		}
		c.accounts[g.Payer], c.grants[m.Id] = account, grant
		c.paid += amount
	default:
		return fmt.Errorf("unexpected message %T", m)
	}
	return nil
}

func find[V any](c *chain, from func() map[string]V, key string) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var none V
	if c.down {
		return none, errDown
	}
	if v, ok := from()[key]; ok {
		return v, nil
	}
	return none, ErrNotFound
}

func (c *chain) Version(_ context.Context, digest string) (modelv1.Version, error) {
	return find(c, func() map[string]modelv1.Version { return c.versions }, digest)
}

func (c *chain) Provider(_ context.Context, address string) (providerv1.Provider, error) {
	return find(c, func() map[string]providerv1.Provider { return c.providers }, address)
}

func (c *chain) Offers(context.Context, string) ([]providerv1.Offer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []providerv1.Offer
	for _, o := range c.offers {
		out = append(out, o)
	}
	return out, nil
}

func (c *chain) Escrow(_ context.Context, payer string) (escrowv1.Escrow, error) {
	a, err := find(c, func() map[string]escrow.Account { return c.accounts }, payer)
	return escrowv1.Escrow{Payer: payer, GrantKey: a.GrantKey, Available: a.Available, Locked: a.Locked}, err
}

func (c *chain) Grant(_ context.Context, id string) (escrowv1.ActiveGrant, error) {
	g, err := find(c, func() map[string]escrow.Grant { return c.grants }, id)
	return escrowv1.ActiveGrant{
		Id: id, Grant: inference.GrantToWire(g.Grant), Status: escrowv1.GrantStatus(g.Status),
		Redeemed: g.Redeemed, LastTicket: g.LastTicket[:], Receipts: g.Receipts,
	}, err
}

func (c *chain) EscrowParams(context.Context) (escrowv1.Params, error) {
	if c.down {
		return escrowv1.Params{}, errDown
	}
	return escrowv1.Params{MaxTickets: c.params.MaxTickets, MaxGrantSeconds: c.params.MaxGrantSeconds}, nil
}

func (c *chain) deposit(payer string, amount uint64, key ed25519.PublicKey) {
	c.set(func() {
		a := c.accounts[payer]
		a.Payer = payer
		a, err := escrow.Deposit(a, amount, key)
		if err != nil {
			panic(err)
		}
		c.accounts[payer] = a
		c.deposited += amount
	})
}

func (c *chain) count(message string) (n int) {
	for _, m := range c.sent {
		if strings.HasSuffix(m, message) {
			n++
		}
	}
	return n
}

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

// script is an engine that says its prompt backwards for ever.
type script struct {
	slots chan struct{}
	mu    sync.Mutex
	step  func(ctx context.Context, i int) error // between tokens
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

func (e *script) ContextLength() int { return 512 }

func (e *script) Check(inference.Request) error { return nil }

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
		id := job.Prompt[len(job.Prompt)-1-i%len(job.Prompt)]
		if err := emit(Token{ID: id, Logprob: -0.5, Leaf: receipt.Leaf(uint64(i), id, receipt.Digest{})}); err != nil {
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
			Price:           receipt.Price{Input: 1_000_000, Output: 2_000_000}, // 1 and 2 ucredit a token
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

// buyer is an honest gateway's side of one grant.
type buyer struct {
	w      *world
	signed receipt.SignedGrant
	chain  *receipt.Chain
	mu     sync.Mutex
	meter  *inference.Meter
}

func payerKey(payer string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(payer))
	return ed25519.NewKeyFromSeed(seed[:])
}

// buyer signs a grant; the payer's escrow must have been filled.
func (w *world) buyer(payer string, ticketValue, tickets uint64, adjust func(*receipt.Grant)) *buyer {
	w.t.Helper()
	seed := sha256.Sum256([]byte(fmt.Sprint(payer, ticketValue, tickets, time.Now().UnixNano())))
	c := receipt.NewChain(seed, tickets)
	g := receipt.Grant{
		ChainID: chainID, Payer: payer, Provider: seller, Model: w.model.Digest, TicketValue: ticketValue, Tickets: tickets,
		Expiry: time.Now().Add(time.Hour).Unix(), Anchor: c.Anchor(),
	}
	if adjust != nil {
		adjust(&g)
	}
	m, err := inference.NewMeter(g)
	if err != nil {
		w.t.Fatal(err)
	}
	return &buyer{w: w, signed: g.Sign(payerKey(payer)), chain: c, meter: m}
}

func (w *world) funded(payer string, amount uint64) {
	w.chain.deposit(payer, amount, payerKey(payer).Public().(ed25519.PublicKey))
}

// call is one request under way.
type call struct {
	b        *buyer
	raw      transport
	conn     *inference.GatewayConn
	metered  *inference.Stream
	body     []byte
	prompt   int // tokens
	max      int
	tokens   []int32
	pays     bool
	receipt  receipt.Receipt
	accepted *inferencev1.Accepted
}

func (b *buyer) request(prompt string, max int) []byte {
	body, err := inference.Request{Model: b.w.model.Digest, Prompt: prompt, MaxTokens: uint32(max), TopP: 1}.Encode()
	if err != nil {
		b.w.t.Fatal(err)
	}
	return body
}

func (b *buyer) ticket() *inferencev1.Reveal {
	index := b.meter.Revealed()
	ticket, err := b.chain.Ticket(index)
	if err != nil {
		b.w.t.Error(err)
	}
	return inference.TicketToWire(index, ticket)
}

// open sends a request.
func (b *buyer) open(prompt string, max int) *call {
	b.w.t.Helper()
	raw := b.w.dial()
	c := &call{b: b, raw: raw, conn: inference.NewGatewayConn(raw), body: b.request(prompt, max), max: max, pays: true}
	ids, err := b.w.serves.Prompt(inference.Request{Prompt: prompt})
	if err != nil {
		b.w.t.Error(err)
	}
	c.prompt = len(ids)
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.metered, err = b.meter.Start(uint64(c.prompt), uint64(max), b.w.config.Price); err != nil {
		b.w.t.Error(err)
		return c
	}
	err = c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Open{Open: &inferencev1.Open{
		Grant: inference.GrantToWire(b.signed.Grant), GrantSignature: b.signed.Signature, Request: c.body, Reveal: b.ticket(),
	}}})
	if err != nil {
		b.w.t.Error(err)
	}
	return c
}

func (c *call) pay() error {
	c.b.mu.Lock()
	index, due := c.b.meter.Due(16)
	if !due || !c.pays {
		c.b.mu.Unlock()
		return nil
	}
	if _, err := c.b.meter.Reveal(index); err != nil {
		c.b.mu.Unlock()
		return err
	}
	frame := &inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Reveal{Reveal: c.b.ticket()}}
	c.b.mu.Unlock()
	return c.conn.Send(frame)
}

// read takes n tokens, or with n < 0 all up to the end; it returns the
// protocol's error or the transport's.
func (c *call) read(n int) error {
	for n < 0 || len(c.tokens) < n {
		c.raw.SetReadDeadline(time.Now().Add(20 * time.Second))
		f, err := c.conn.Receive()
		if err != nil {
			return err
		}
		switch {
		case f.GetAccepted() != nil:
			c.accepted = f.GetAccepted()
		case f.GetTokens() != nil:
			for _, t := range f.GetTokens().Tokens {
				c.tokens = append(c.tokens, int32(t.Id))
				c.b.mu.Lock()
				err := c.metered.Token()
				c.b.mu.Unlock()
				if err != nil {
					return err
				}
			}
			if err := c.pay(); err != nil {
				return err
			}
		case f.GetDone() != nil:
			if err := c.check(f.GetDone().Receipt); err != nil {
				return err
			}
			return c.end()
		case f.GetError() != nil:
			e := inference.ErrorFromWire(f.GetError())
			if e.Receipt != nil {
				if err := c.check(e.Receipt); err != nil {
					return err
				}
				if err := c.end(); err != nil {
					return err
				}
			} else {
				c.leave()
			}
			return e
		}
	}
	return nil
}

// end acknowledges.
func (c *call) end() error {
	c.b.mu.Lock()
	c.metered.Finish()
	c.b.mu.Unlock()
	if err := c.pay(); err != nil {
		return err
	}
	c.raw.CloseWrite()
	// The provider closes when it has taken note.
	io.Copy(io.Discard, c.raw)
	return c.raw.Close()
}

// leave breaks the connection.
func (c *call) leave() {
	c.b.mu.Lock()
	c.metered.Break()
	c.b.mu.Unlock()
	c.raw.Reset()
}

// check verifies a receipt as a gateway does.
func (c *call) check(body []byte) error {
	if err := json.Unmarshal(body, &c.receipt); err != nil {
		return err
	}
	r := c.receipt
	if err := r.Verify(); err != nil {
		return err
	}
	switch {
	case r.Request != receipt.Sum(c.body), r.Model != c.b.w.model.Digest, r.Grant != c.b.signed.ID():
		return errors.New("the receipt is for something else")
	case r.PromptTokens != uint64(c.prompt), r.CompletionTokens != uint64(len(c.tokens)), r.OutputDigest != receipt.TokensDigest(c.tokens):
		return errors.New("the receipt's tokens are not those received")
	}
	return nil
}

// ask runs a whole request.
func (b *buyer) ask(prompt string, max int) (*call, error) {
	c := b.open(prompt, max)
	return c, c.read(-1)
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

func (c *call) sendOpen(body []byte) {
	err := c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Open{Open: &inferencev1.Open{
		Grant: inference.GrantToWire(c.b.signed.Grant), GrantSignature: c.b.signed.Signature, Request: body,
	}}})
	if err != nil {
		c.b.w.t.Fatal(err)
	}
}
