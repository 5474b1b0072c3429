package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// The direct buyer pays as the gateway of "koinon up" does, so that both give
// their provider the same work.
const (
	deposit     = 5_000_000 // ucredit
	grantCap    = 1_000_000 // ucredit
	ticketValue = 10        // ucredit
	revealEvery = 64        // tokens
	grantLife   = time.Hour
)

// buyer asks providers directly, over libp2p, and pays from an escrow of its
// own. It keeps its books in memory alone: what the gateway's disk costs is a
// part of what the gateway adds.
type buyer struct {
	ledger  *client.Client
	host    *p2p.Host
	account client.Key
	signer  ed25519.PrivateKey // signs grants
	app     string
}

// newBuyer deposits credit of an account of the network as any user would.
func newBuyer(ctx context.Context, n *network, account string) (_ *buyer, err error) {
	funded, err := n.account(account)
	if err != nil {
		return nil, err
	}
	app, err := n.account("app")
	if err != nil {
		return nil, err
	}
	b := &buyer{app: app.Address}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.account, err = client.KeyFromMnemonic(account, funded.Mnemonic); err != nil {
		return nil, err
	}
	if _, b.signer, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	if b.ledger, err = client.Dial(ctx, n.GRPC, n.ChainID); err != nil {
		return nil, err
	}
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if b.host, err = p2p.New(p2p.Config{Key: identity, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	_, err = b.ledger.Send(ctx, b.account, &escrowv1.MsgDeposit{
		Payer: b.account.Address(), Amount: deposit, GrantKey: b.signer.Public().(ed25519.PublicKey),
	})
	return b, err
}

func (b *buyer) close() error {
	var failed []error
	if b.host != nil {
		failed = append(failed, b.host.Close())
	}
	if b.ledger != nil {
		failed = append(failed, b.ledger.Close())
	}
	return errors.Join(failed...)
}

// line is a grant to one provider for one model version, and its books.
type line struct {
	peer   p2p.Peer
	price  receipt.Price
	signed receipt.SignedGrant
	chain  *receipt.Chain
	meter  *inference.Meter
}

// grant signs a grant for a provider that offers a model version.
func (b *buyer) grant(ctx context.Context, provider string, model receipt.Digest) (*line, error) {
	registered, err := b.ledger.Provider(ctx, provider)
	if err != nil {
		return nil, err
	}
	offers, err := b.ledger.Offers(ctx, model.String(), provider)
	if err != nil {
		return nil, err
	}
	if len(offers) != 1 {
		return nil, fmt.Errorf("%s has %d offers of %s", provider, len(offers), model)
	}
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	l := &line{
		peer:  p2p.Peer{Key: registered.PublicKey, Addrs: registered.Addrs},
		price: inference.PriceOf(&offers[0]),
		chain: receipt.NewChain(seed, grantCap/ticketValue),
	}
	l.signed = receipt.Grant{
		ChainID: b.ledger.ChainID(), Payer: b.account.Address(), Provider: provider, Model: model, App: b.app,
		TicketValue: ticketValue, Tickets: grantCap / ticketValue,
		Expiry: time.Now().Add(grantLife).Unix(), Anchor: l.chain.Anchor(),
	}.Sign(b.signer)
	l.meter, err = inference.NewMeter(l.signed.Grant)
	return l, err
}

// ask has one request answered and paid for, and times it: the first token by
// its frame's arrival, the whole by the end of the stream, its receipt checked
// and its last ticket revealed. PromptTokens is how long the prompt is.
func (b *buyer) ask(ctx context.Context, l *line, r inference.Request, promptTokens int) (a timed, err error) {
	began := time.Now()
	r.MaxPrice = inference.Bound(l.price)
	body, err := r.Encode()
	if err != nil {
		return a, err
	}
	stream, err := b.host.Open(ctx, l.peer, inference.Protocol)
	if err != nil {
		return a, err
	}
	defer context.AfterFunc(ctx, func() { _ = stream.Reset() })()
	c := &conversation{line: l, conn: inference.NewGatewayConn(stream), began: began}
	if c.metered, err = l.meter.Start(uint64(promptTokens), uint64(r.MaxTokens), l.price); err == nil {
		err = c.run(body)
	}
	if err != nil {
		if c.metered != nil {
			c.metered.Break() // does nothing where the answer was finished
		}
		return a, errors.Join(err, stream.Reset())
	}
	err = errors.Join(stream.CloseWrite(), stream.Close())
	c.answer.total = time.Since(began)
	c.answer.provider = l.signed.Provider
	return c.answer, err
}

// conversation is one stream.
type conversation struct {
	*line
	conn    *inference.GatewayConn
	metered *inference.Stream
	began   time.Time
	answer  timed
}

func (c *conversation) run(request []byte) error {
	revealed := c.meter.Revealed()
	ticket, err := c.chain.Ticket(revealed)
	if err != nil {
		return err
	}
	err = c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Open{Open: &inferencev1.Open{
		Grant: inference.GrantToWire(c.signed.Grant), GrantSignature: c.signed.Signature,
		Request: request, Reveal: inference.TicketToWire(revealed, ticket),
	}}})
	if err != nil {
		return err
	}
	for {
		frame, err := c.conn.Receive()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch f := frame.Frame.(type) {
		case *inferencev1.ServerFrame_Tokens:
			if err := c.tokens(f.Tokens); err != nil {
				return err
			}
		case *inferencev1.ServerFrame_Done:
			if err := c.check(f.Done.Receipt, request); err != nil {
				return err
			}
			c.metered.Finish()
			return c.pay()
		case *inferencev1.ServerFrame_Error:
			return inference.ErrorFromWire(f.Error)
		}
	}
}

func (c *conversation) tokens(f *inferencev1.Tokens) error {
	if f.CachedTokens > 0 {
		if err := c.metered.Cached(uint64(f.CachedTokens)); err != nil {
			return err
		}
	}
	for _, t := range f.Tokens {
		if len(c.answer.tokens) == 0 {
			c.answer.first = time.Since(c.began)
		}
		c.answer.tokens = append(c.answer.tokens, int32(t.Id))
		if err := c.metered.Token(); err != nil {
			return err
		}
	}
	return c.pay()
}

// pay reveals the next ticket, if one is due.
func (c *conversation) pay() error {
	index, due := c.meter.Due(revealEvery)
	if !due {
		return nil
	}
	if advanced, err := c.meter.Reveal(index); !advanced || err != nil {
		return err
	}
	ticket, err := c.chain.Ticket(index)
	if err != nil {
		return err
	}
	return c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Reveal{Reveal: inference.TicketToWire(index, ticket)}})
}

// check verifies the answer's receipt.
func (c *conversation) check(body, request []byte) error {
	var r receipt.Receipt
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("the receipt cannot be read: %w", err)
	}
	if err := r.Verify(); err != nil {
		return err
	}
	if r.Grant != c.signed.ID() || r.Request != receipt.Sum(request) || r.OutputDigest != receipt.TokensDigest(c.answer.tokens) {
		return errors.New("the receipt is of another answer")
	}
	return nil
}
