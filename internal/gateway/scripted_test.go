package gateway

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// scripted is a provider that does as it is told. By default it is honest.
type scripted struct {
	t        testing.TB
	address  string
	key      ed25519.PrivateKey
	price    receipt.Price
	listener net.Listener

	mu       sync.Mutex
	answer   string
	reply    func(inference.Request) string // in place of the answer
	cached   int                            // of each prompt's tokens
	down     bool
	script   func(*serving) error        // in place of serving honestly
	forge    func(*receipt.Receipt)      // before a receipt is signed
	pace     func(token int)             // before each token
	grants   map[receipt.Digest]*account // by grant
	served   int                         // streams
	parted   int                         // streams whose gateway has ended its side
	broken   int                         // streams that the gateway left
	requests []inference.Request
	paidWith receipt.Digest // the last request's grant
}

// account is a provider's books of one grant.
type account struct {
	mu       sync.Mutex
	moved    *sync.Cond
	grant    receipt.Grant
	meter    *inference.Meter
	ticket   receipt.Digest
	sequence uint64
	previous receipt.Digest
	owed     uint64
}

// serving is one stream.
type serving struct {
	p       *scripted
	conn    *inference.ProviderConn
	stream  tcpStream
	open    *inferencev1.Open
	request inference.Request
	account *account
	prompt  []int32
	left    chan struct{} // closed when the gateway has closed its side
	sawEnd  bool          // the gateway closed its side cleanly
	cached  uint64        // of the prompt's tokens
	sent    int           // tokens
	vectors [][]float32
	seed    receipt.Seed
}

func newScripted(t testing.TB, name string, price receipt.Price, answer string) *scripted {
	seed := sha256.Sum256([]byte(name))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &scripted{
		t: t, address: "koinon1" + name, key: ed25519.NewKeyFromSeed(seed[:]), price: price, listener: listener,
		answer: answer, grants: map[receipt.Digest]*account{},
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(tcpStream{conn.(*net.TCPConn)}) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return p
}

func (p *scripted) public() ed25519.PublicKey { return p.key.Public().(ed25519.PublicKey) }

func (p *scripted) lastRequest() inference.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[len(p.requests)-1]
}

// lastGrant is the grant that came with the last request.
func (p *scripted) lastGrant() receipt.Digest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paidWith
}

func (p *scripted) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

// set changes a provider's ways.
func (p *scripted) set(f func(*scripted)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// owed is what each grant owes.
func (p *scripted) owed() (all []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.grants {
		a.mu.Lock()
		all = append(all, a.meter.Owed())
		a.mu.Unlock()
	}
	return all
}

// paid is what all grants' tickets, and their books, add up to.
func (p *scripted) paid() (paid, owed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.grants {
		a.mu.Lock()
		paid += a.meter.Paid()
		owed += a.meter.Owed()
		a.mu.Unlock()
	}
	return paid, owed
}

// count is the number of requests that came.
func (p *scripted) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

func (p *scripted) serve(stream tcpStream) {
	defer stream.Close()
	s := &serving{p: p, conn: inference.NewProviderConn(stream), stream: stream, left: make(chan struct{})}
	frame, err := s.conn.Receive()
	if err != nil || frame.GetOpen() == nil {
		return
	}
	s.open = frame.GetOpen()
	if s.request, err = inference.ParseRequest(s.open.Request); err != nil {
		p.t.Errorf("%s: the gateway sent an invalid request: %v", p.address, err)
		return
	}
	if err := s.admit(); err != nil {
		p.t.Errorf("%s: %v", p.address, err)
		return
	}
	s.prompt, _ = byteVocabulary{}.Prompt(s.request)
	p.mu.Lock()
	p.served++
	p.requests = append(p.requests, s.request)
	script := p.script
	p.mu.Unlock()
	go s.listen()
	if script == nil {
		script = (*serving).honest
	}
	if err = script(s); errors.Is(err, errLeft) {
		p.set(func(p *scripted) { p.broken++ })
	}
	var said *inference.Error
	if errors.As(err, &said) {
		s.conn.Send(said.Frame())
		if said.Receipt != nil {
			<-s.left // its acknowledgement
		}
	}
}

// admit checks the grant as a real provider does.
func (s *serving) admit() error {
	grant, err := inference.GrantFromWire(&s.open.Grant)
	if err != nil {
		return err
	}
	if grant.Provider != s.p.address || grant.Payer != testPayer || grant.ChainID != testChain || grant.Model != testModel {
		return fmt.Errorf("a grant for somebody else: %+v", grant)
	}
	s.p.mu.Lock()
	a := s.p.grants[grant.ID()]
	if a == nil {
		meter, err := inference.NewMeter(grant)
		if err != nil {
			s.p.mu.Unlock()
			return err
		}
		a = &account{grant: grant, meter: meter, ticket: grant.Anchor}
		a.moved = sync.NewCond(&a.mu)
		s.p.grants[grant.ID()] = a
	}
	s.account, s.p.paidWith = a, grant.ID()
	s.p.mu.Unlock()
	return s.reveal(s.open.Reveal)
}

// reveal takes a ticket, which must lead to the last one.
func (s *serving) reveal(r *inferencev1.Reveal) error {
	index, ticket, err := inference.TicketFromWire(r)
	if err != nil {
		return err
	}
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if index <= a.meter.Revealed() {
		return nil
	}
	if err := receipt.VerifyTicket(a.ticket, a.meter.Revealed(), ticket, index); err != nil {
		return fmt.Errorf("a false ticket: %w", err)
	}
	a.ticket = ticket
	_, err = a.meter.Reveal(index)
	a.moved.Broadcast()
	return err
}

// listen takes the gateway's frames until it closes its side.
func (s *serving) listen() {
	defer func() {
		close(s.left)
		s.p.set(func(p *scripted) { p.parted++ })
		s.account.mu.Lock()
		s.account.moved.Broadcast()
		s.account.mu.Unlock()
	}()
	for {
		frame, err := s.conn.Receive()
		if err != nil {
			s.sawEnd = err.Error() == "EOF"
			return
		}
		if err := s.reveal(frame.GetReveal()); err != nil {
			s.p.t.Errorf("%s: %v", s.p.address, err)
			return
		}
	}
}

func (s *serving) gone() bool {
	select {
	case <-s.left:
		return true
	default:
		return false
	}
}

func (s *serving) accept() error {
	digest := receipt.TokensDigest(s.prompt)
	s.seed = receipt.NameSeed(s.request.Seed)
	if !s.request.Nonce.IsZero() {
		lot, err := receipt.DrawLot(s.p.key, s.account.grant.ID())
		if err != nil {
			return err
		}
		s.seed = lot.Seed(s.request.Nonce)
	}
	return s.conn.Send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Accepted{Accepted: &inferencev1.Accepted{
		PromptTokens: uint32(len(s.prompt)), PromptDigest: digest[:], SeedProof: s.seed.Proof,
	}}})
}

func (s *serving) token(id int32, owed uint64) error {
	cached := s.cached
	if s.sent++; s.sent > 1 {
		cached = 0
	}
	return s.conn.Send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Tokens{Tokens: &inferencev1.Tokens{
		Tokens: []inferencev1.Token{{Id: uint32(id), Logprob: -0.5, Top: []inferencev1.TopLogprob{{Id: uint32(id), Logprob: -0.5}, {Id: 'x', Logprob: -1.5}}}},
		Owed:   owed, CachedTokens: uint32(cached),
	}}})
}

// honest serves as a provider should: it waits for tickets, signs a receipt,
// and takes a clean close as its acknowledgement.
func (s *serving) honest() error {
	_, err := s.generate(1 << 30)
	return err
}

// generate serves honestly for at most so many tokens, and then stops dead.
func (s *serving) generate(most int) (output []int32, err error) {
	a := s.account
	a.mu.Lock()
	stream, err := a.meter.Start(uint64(len(s.prompt)), 0, s.p.price)
	a.mu.Unlock()
	if err != nil {
		return nil, inference.Errorf(inference.CodePaymentRequired, "%v", err)
	}
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		stream.Forgive()
	}()
	if err := s.accept(); err != nil {
		return nil, err
	}
	if s.request.Embed != nil {
		return nil, s.embed(stream)
	}
	s.p.mu.Lock()
	answer, pace := s.p.answer, s.p.pace
	if s.p.reply != nil {
		answer = s.p.reply(s.request)
	}
	answer = answer[min(len(answer), len(s.request.Resume)):]
	s.cached = uint64(s.p.cached)
	s.p.mu.Unlock()
	text, finish := "", "stop"
	for i := range len(answer) {
		if len(output) == int(s.request.MaxTokens) {
			finish = "length"
			break
		}
		if i == most {
			return output, nil
		}
		if pace != nil {
			pace(i)
		}
		if i == 0 {
			a.mu.Lock()
			err := stream.Cached(s.cached)
			a.mu.Unlock()
			if err != nil {
				return output, err
			}
		}
		owed, err := s.wait(stream)
		if err != nil {
			return output, err
		}
		output, text = append(output, int32(answer[i])), text+answer[i:i+1]
		if err := s.token(int32(answer[i]), owed); err != nil {
			return output, err
		}
		if endsWithStop(text, s.request.Stop) {
			break
		}
	}
	if len(output) == int(s.request.MaxTokens) && finish == "stop" && len(output) < len(answer) && !endsWithStop(text, s.request.Stop) {
		finish = "length"
	}
	return output, s.done(stream, output, finish)
}

// embed answers with a vector for each text: its length and its first byte.
func (s *serving) embed(stream *inference.Stream) error {
	for _, text := range s.request.Embed.Texts {
		v := []float32{float32(len(text)), float32(text[0])}
		s.vectors = append(s.vectors, v)
		err := s.conn.Send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Vectors{Vectors: &inferencev1.Vectors{
			Vectors: [][]byte{receipt.VectorBytes(v)},
		}}})
		if err != nil {
			return err
		}
	}
	return s.done(stream, nil, "stop")
}

// done sends the receipt and waits for its acknowledgement.
func (s *serving) done(stream *inference.Stream, output []int32, finish string) error {
	a := s.account
	a.mu.Lock()
	stream.Complete()
	body := s.receipt(output, finish)
	a.mu.Unlock()
	if err := s.conn.Send(&inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Done{Done: &inferencev1.Done{Receipt: body}}}); err != nil {
		return err
	}
	<-s.left
	if s.sawEnd {
		a.mu.Lock()
		stream.Finish()
		a.mu.Unlock()
	}
	return nil
}

func endsWithStop(text string, stops []string) bool {
	for _, stop := range stops {
		if len(text) >= len(stop) && text[len(text)-len(stop):] == stop {
			return true
		}
	}
	return false
}

// wait holds a token back until tickets allow it.
func (s *serving) wait(stream *inference.Stream) (owed uint64, err error) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		if s.gone() {
			return 0, errLeft
		}
		wait, err := stream.MustWait()
		if err != nil {
			return 0, inference.Errorf(inference.CodePaymentRequired, "%v", err)
		}
		if !wait {
			break
		}
		a.moved.Wait()
	}
	return a.meter.Owed(), stream.Token()
}

// receipt signs an answer. The account is locked.
func (s *serving) receipt(output []int32, finish string) []byte {
	a := s.account
	cost, err := s.p.price.Cost(uint64(len(s.prompt)), s.cached, uint64(len(output)))
	if err != nil {
		s.p.t.Error(err)
	}
	a.owed += cost
	a.sequence++
	r := receipt.Receipt{
		Version: receipt.Version, ChainID: testChain, Grant: a.grant.ID(), Sequence: a.sequence, Previous: a.previous,
		Provider: s.p.address, Payer: testPayer, App: a.grant.App, Right: a.grant.Right, Model: testModel, Class: receipt.Exact,
		Request: receipt.Sum(s.open.Request), PromptTokens: uint64(len(s.prompt)), CachedTokens: s.cached, CompletionTokens: uint64(len(output)),
		PromptDigest: receipt.TokensDigest(s.prompt), OutputDigest: receipt.TokensDigest(output),
		Commitment: receipt.Sum([]byte("the steps")), Sampling: s.request.Sampling(receipt.Categorical, s.request.MaxTokens), Seed: s.seed,
		FinishReason: finish, Price: s.p.price, Cost: cost, Owed: a.owed, Ticket: a.meter.Revealed(),
		Started: 1, FirstToken: 2, Finished: time.Now().UnixMilli(),
	}
	if s.vectors != nil {
		r.OutputDigest = receipt.VectorsDigest(s.vectors)
	}
	s.p.mu.Lock()
	forge := s.p.forge
	s.p.mu.Unlock()
	if forge != nil {
		forge(&r)
	}
	r = r.Sign(s.p.key)
	a.previous = r.Hash()
	return r.Encode()
}
