package provider

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// buyer is an honest gateway's side of one grant.
type buyer struct {
	w      *world
	signed receipt.SignedGrant
	chain  *receipt.Chain
	mu     sync.Mutex
	meter  *inference.Meter
	from   caller
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
	vectors  [][]float32
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
		Owner: []byte(b.from.owner), Process: b.from.process,
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
			if c.accepted = f.GetAccepted(); c.accepted.Free {
				c.b.mu.Lock()
				err := c.metered.Free()
				c.b.mu.Unlock()
				if err != nil {
					return err
				}
			}
		case f.GetTokens() != nil:
			if n := f.GetTokens().CachedTokens; n > 0 {
				c.b.mu.Lock()
				err := c.metered.Cached(uint64(n))
				c.b.mu.Unlock()
				if err != nil {
					return err
				}
			}
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
		case f.GetVectors() != nil:
			for _, data := range f.GetVectors().Vectors {
				vector := make([]float32, len(data)/4)
				for i := range vector {
					vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
				}
				c.vectors = append(c.vectors, vector)
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
	r, err := receipt.Decode(body)
	if err != nil {
		return err
	}
	c.receipt = r
	if err := r.Verify(); err != nil {
		return err
	}
	switch {
	case r.Request != receipt.Sum(c.body), r.Model != c.b.w.model.Digest, r.Grant != c.b.signed.ID():
		return errors.New("the receipt is for something else")
	case r.PromptTokens != uint64(c.prompt), r.CompletionTokens != uint64(len(c.tokens)), c.vectors == nil && r.OutputDigest != receipt.TokensDigest(c.tokens):
		return errors.New("the receipt's tokens are not those received")
	}
	return nil
}

// ask runs a whole request.
func (b *buyer) ask(prompt string, max int) (*call, error) {
	c := b.open(prompt, max)
	return c, c.read(-1)
}

// embed sends a request for embeddings.
func (b *buyer) embed(texts ...string) *call {
	b.w.t.Helper()
	asked := &inference.Embed{Texts: texts}
	body, err := inference.Request{Model: b.w.model.Digest, TopP: 1, Embed: asked}.Encode()
	if err != nil {
		b.w.t.Fatal(err)
	}
	c := &call{b: b, raw: b.w.dial(), body: body, pays: true}
	c.conn = inference.NewGatewayConn(c.raw)
	ids, err := b.w.serves.(Embedder).Texts(asked)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, text := range ids {
		c.prompt += len(text)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.metered, err = b.meter.Start(uint64(c.prompt), 1, b.w.config.Price); err != nil {
		b.w.t.Fatal(err)
	}
	c.sendOpen(body)
	return c
}

func (c *call) sendOpen(body []byte) {
	err := c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Open{Open: &inferencev1.Open{
		Grant: inference.GrantToWire(c.b.signed.Grant), GrantSignature: c.b.signed.Signature, Request: body,
	}}})
	if err != nil {
		c.b.w.t.Fatal(err)
	}
}
