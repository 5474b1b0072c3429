package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

const (
	testChain = "koinon-test"
	testPayer = "koinon1payer"
)

var testModel = receipt.Sum([]byte("a manifest"))

// byteVocabulary has a token for each byte.
type byteVocabulary struct{ tools toolcall.Format }

func (byteVocabulary) Prompt(r inference.Request) ([]int32, error) {
	if r.Embed != nil {
		return bytesOf(strings.Join(r.Embed.Texts, "")), nil
	}
	text := r.Prompt
	for _, m := range r.Messages {
		text += m.Role + ":" + m.Content + "\n"
	}
	return append(bytesOf(text), r.Resume...), nil
}

func (v byteVocabulary) Tools() toolcall.Format { return v.tools }

// bytesOf are the tokens of a text.
func bytesOf(s string) []int32 {
	ids := make([]int32, len(s))
	for i := range len(s) {
		ids[i] = int32(s[i])
	}
	return ids
}

func (byteVocabulary) Piece(id int32) ([]byte, bool) {
	if id < 0 || id > 255 {
		return nil, false
	}
	return []byte{byte(id)}, true
}

func (v byteVocabulary) Vocabulary(context.Context, receipt.Digest, []Peer) (Vocabulary, error) {
	return v, nil
}

// testLedger is a ledger with one model and the offers of the network's providers.
type testLedger struct {
	network  *testNetwork
	mu       sync.Mutex
	class    modelv1.VerificationClass // exact unless set
	escrow   escrowv1.Escrow
	balance  uint64
	audited  map[string]float64 // records of providers that have one
	access   Access
	ceilings []assemblyv1.ModelCeiling
	down     bool
	accused  []Evidence
}

var errLeft = errors.New("the gateway left")

var errDown = errors.New("the ledger is down")

func (l *testLedger) Payer() string { return testPayer }

func (l *testLedger) Versions(context.Context) ([]modelv1.Version, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errDown
	}
	old := receipt.Sum([]byte("an older manifest"))
	v := modelv1.Version{
		Digest: testModel.String(), Name: "bard", Version: "2", Owner: "koinon1owner", Class: modelv1.VerificationClass_VERIFICATION_CLASS_EXACT,
		License: "Apache-2.0", Architecture: "llama", Parameters: 4, ContextLength: 512, Quantization: "Q8_0", CreatedAt: 200,
	}
	if l.class != 0 {
		v.Class = l.class
	}
	before := v
	before.Digest, before.Version, before.CreatedAt = old.String(), "1", 100
	return []modelv1.Version{before, v}, nil
}

func (l *testLedger) Ceilings(context.Context) ([]assemblyv1.ModelCeiling, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ceilings, nil
}

func (l *testLedger) Access(context.Context) (Access, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.access, nil
}

func (l *testLedger) Tags(context.Context) ([]modelv1.Tag, error) { return nil, nil }

func (l *testLedger) Providers(context.Context) ([]providerv1.Provider, error) {
	var all []providerv1.Provider
	for _, p := range l.network.list() {
		all = append(all, providerv1.Provider{Address: p.address, PublicKey: p.public(), Addrs: []string{p.address}, Status: providerv1.Status_STATUS_ACTIVE})
	}
	return all, nil
}

func (l *testLedger) Offers(context.Context) ([]providerv1.Offer, error) {
	var all []providerv1.Offer
	for _, p := range l.network.list() {
		all = append(all, providerv1.Offer{Provider: p.address, ModelDigest: testModel.String(), InputPrice: p.price.Input, OutputPrice: p.price.Output, CachedInputPrice: p.price.CachedInput, Slots: 64})
	}
	return all, nil
}

func (l *testLedger) Audited(_ context.Context, provider string) (float64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if score, ok := l.audited[provider]; ok {
		return score, nil
	}
	return route.Unaudited, nil
}

func (l *testLedger) Escrow(context.Context) (escrowv1.Escrow, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.escrow, nil
}

func (l *testLedger) Balance(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.balance, nil
}

func (l *testLedger) Accuse(_ context.Context, e Evidence) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accused = append(l.accused, e)
	return nil
}

func (l *testLedger) Deposit(_ context.Context, amount uint64, key ed25519.PublicKey) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if amount == 0 || amount > l.balance {
		return fmt.Errorf("depositing %d of %d", amount, l.balance)
	}
	l.balance -= amount
	l.escrow.Available += amount
	l.escrow.GrantKey = key
	return nil
}

// testNetwork opens streams to scripted providers over loopback.
type testNetwork struct {
	mu        sync.Mutex
	providers map[string]*scripted // by address, which is also where they are reached
}

func (n *testNetwork) list() []*scripted {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*scripted
	for _, p := range n.providers {
		all = append(all, p)
	}
	return all
}

func (n *testNetwork) find(p Peer) (*scripted, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	provider := n.providers[p.Addrs[0]]
	if provider == nil || provider.isDown() {
		return nil, errors.New("connection refused")
	}
	return provider, nil
}

func (n *testNetwork) Probe(_ context.Context, p Peer) (time.Duration, error) {
	_, err := n.find(p)
	return time.Millisecond, err
}

func (n *testNetwork) Open(ctx context.Context, p Peer) (Stream, error) {
	provider, err := n.find(p)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", provider.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	return tcpStream{conn.(*net.TCPConn)}, nil
}

// tcpStream is a connection that behaves like a libp2p stream.
type tcpStream struct{ *net.TCPConn }

// Close lets what was sent arrive, as libp2p does; TCP by itself would reset a
// connection on which something is unread.
func (s tcpStream) Close() error {
	err := s.CloseWrite()
	go func() {
		s.SetReadDeadline(time.Now().Add(5 * time.Second))
		io.Copy(io.Discard, s.TCPConn)
		s.TCPConn.Close()
	}()
	return err
}

func (s tcpStream) Reset() error {
	return errors.Join(s.SetLinger(0), s.TCPConn.Close())
}
