package testnet

import (
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// mischief stands between a provider and its gateways and changes what passes: a
// provider that lies does so in what it sends.
type mischief struct {
	key   ed25519.PrivateKey // the provider's
	times atomic.Int64       // that something was changed
	// says is what leaves in the place of a frame of the provider's; nil bytes end
	// the stream.
	says func(*mischief, *inferencev1.ServerFrame) []any
	// hears is what arrives in the place of a frame of the gateway's, and what is
	// answered at once, if anything.
	hears func(*mischief, *inferencev1.ClientFrame) (arrives []*inferencev1.ClientFrame, answer *inferencev1.ServerFrame)
}

// between passes one stream on.
func (x *mischief) between(outer wire, serve func(wire)) {
	inner, end, err := pair()
	if err != nil {
		_ = outer.Reset()
		return
	}
	go serve(end)
	out := sender{conn: inference.NewProviderConn(outer), raw: outer}
	go x.inward(outer, inner, &out)
	x.outward(outer, inner, &out)
}

// sender is the way to the gateway, which both directions use.
type sender struct {
	mu   sync.Mutex
	conn *inference.ProviderConn
	raw  io.Writer
}

// send writes a frame, or raw bytes.
func (s *sender) send(one any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if frame, ok := one.(*inferencev1.ServerFrame); ok {
		return s.conn.Send(frame)
	}
	_, err := s.raw.Write(one.([]byte))
	return err
}

func (x *mischief) inward(outer, inner wire, out *sender) {
	from, to := inference.NewProviderConn(outer), inference.NewGatewayConn(inner)
	for {
		frame, err := from.Receive()
		if err != nil {
			if err == io.EOF {
				_ = inner.CloseWrite()
			} else {
				_ = inner.Reset()
			}
			return
		}
		arrives := []*inferencev1.ClientFrame{frame}
		if x.hears != nil {
			var answer *inferencev1.ServerFrame
			if arrives, answer = x.hears(x, frame); answer != nil {
				_ = out.send(answer)
				_ = inner.Reset()
				_ = outer.Close()
				return
			}
		}
		for _, f := range arrives {
			if to.Send(f) != nil {
				_ = outer.Reset()
				return
			}
		}
	}
}

func (x *mischief) outward(outer, inner wire, out *sender) {
	from := inference.NewGatewayConn(inner)
	for {
		frame, err := from.Receive()
		if err != nil {
			if err == io.EOF {
				_ = outer.CloseWrite()
			} else {
				_ = outer.Reset()
			}
			return
		}
		leaves := []any{frame}
		if x.says != nil {
			leaves = x.says(x, frame)
		}
		for _, f := range leaves {
			if out.send(f) != nil {
				_ = inner.Reset()
				return
			}
		}
	}
}

// pair are two ends of a connection over loopback.
func pair() (one, other wire, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return one, other, err
	}
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return one, other, err
	}
	accepted, err := listener.Accept()
	return wire{dialled.(*net.TCPConn)}, wire{accepted.(*net.TCPConn)}, err
}

// changed is a receipt of the provider's, changed and signed again.
func (x *mischief) changed(done *inferencev1.Done, change func(*receipt.Receipt)) []any {
	r, err := receipt.Decode(done.Receipt)
	if err != nil {
		return nil
	}
	cost := r.Cost
	change(&r)
	r.Cost, _ = r.Price.Cost(r.PromptTokens, r.CachedTokens, r.CompletionTokens)
	r.Owed += r.Cost - cost
	body := r.Sign(x.key).Encode()
	x.times.Add(1)
	return []any{&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Done{Done: &inferencev1.Done{Receipt: body}}}}
}

// tried is a mischief and what the log must have of it.
type tried struct {
	*mischief
	log string
}

// mischiefs are what a provider, or who stands before it, may try, and what the
// gateway's log says of it.
func mischiefs() map[string]tried {
	var first atomic.Pointer[inferencev1.ServerFrame] // receipt, to be shown again
	return map[string]tried{
		"claims more than it counted": {&mischief{says: func(x *mischief, f *inferencev1.ServerFrame) []any {
			if done := f.GetDone(); done != nil {
				return x.changed(done, func(r *receipt.Receipt) { r.PromptTokens += 20 })
			}
			return []any{f}
		}}, "provider suspended"},
		"counts a longer prompt": {&mischief{says: func(x *mischief, f *inferencev1.ServerFrame) []any {
			if accepted := f.GetAccepted(); accepted != nil {
				x.times.Add(1)
				accepted.PromptTokens += 3
			}
			return []any{f}
		}}, "counts the prompt otherwise"},
		"sends garbage": {&mischief{says: func(x *mischief, f *inferencev1.ServerFrame) []any {
			if f.GetTokens() != nil {
				x.times.Add(1)
				return []any{[]byte("\x07garbage\xff\xff\xff\xff\xff")}
			}
			return []any{f}
		}}, "broke the protocol"},
		"sends more than was asked for": {&mischief{says: func(x *mischief, f *inferencev1.ServerFrame) []any {
			if f.GetDone() != nil {
				x.times.Add(1)
				more := &inferencev1.Tokens{Tokens: []inferencev1.Token{{Id: 'x'}}}
				return []any{&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Tokens{Tokens: more}}, f}
			}
			return []any{f}
		}}, "broke the protocol"},
		"refuses after payment": {&mischief{hears: func(x *mischief, f *inferencev1.ClientFrame) ([]*inferencev1.ClientFrame, *inferencev1.ServerFrame) {
			if f.GetReveal() == nil {
				return []*inferencev1.ClientFrame{f}, nil
			}
			x.times.Add(1)
			return nil, inference.Errorf(inference.CodePaymentRequired, "give me more").Frame()
		}}, "the provider: payment_required"},
		"shows an old receipt again": {&mischief{says: func(x *mischief, f *inferencev1.ServerFrame) []any {
			if f.GetDone() == nil || first.CompareAndSwap(nil, f) {
				return []any{f}
			}
			x.times.Add(1)
			return []any{first.Load()}
		}}, "provider suspended"},
		"replays tickets": {&mischief{hears: func(x *mischief, f *inferencev1.ClientFrame) ([]*inferencev1.ClientFrame, *inferencev1.ServerFrame) {
			if f.GetReveal() == nil {
				return []*inferencev1.ClientFrame{f}, nil
			}
			x.times.Add(1)
			return []*inferencev1.ClientFrame{f, f, f}, nil
		}}, "a ticket came again"},
	}
}

// Whatever one provider tries, the others serve, nobody pays for what did not
// come, and the log says what happened.
func TestMischief(t *testing.T) {
	for name, c := range mischiefs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMarket(t, size{providers: 3, cap: 20_000, pace: time.Millisecond, exposure: 10_000})
			x := c.mischief
			x.key = m.shops[0].key
			m.shops[0].mischief.Store(x)
			var whole, broken atomic.Int64
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := 0; i < 12 || x.times.Load() == 0 && i < 200; i++ {
						var only []string
						if i >= 12 { // who was always passed over is asked for
							only = []string{m.shops[0].address}
						}
						if got, err := m.ask(context.Background(), 25, only...); err == nil && got == 25 {
							whole.Add(1)
						} else {
							broken.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if x.times.Load() == 0 {
				t.Fatal("nothing was tried: the test shows nothing")
			}
			// At first four at once; then the liar rests, each time longer, and is tried again.
			if whole.Load() < 36 || broken.Load() > max(4, int64(x.times.Load())) {
				t.Errorf("%d answers were whole, %d broken", whole.Load(), broken.Load())
			}
			m.closeShops()
			m.audit(8)
			if !strings.Contains(m.log.String(), c.log) {
				t.Errorf("no log line says %q", c.log)
			}
			var served uint64
			for _, one := range m.shops {
				served += one.engine.served.Load()
			}
			if key, err := m.gateway.Store().Key(context.Background(), m.key.id); err != nil || key.Spent > served {
				t.Errorf("the key was charged %d, %d were served: %v", key.Spent, served, err)
			}
			t.Logf("tried %d times; %d answers whole, %d broken", x.times.Load(), whole.Load(), broken.Load())
		})
	}
}
