package client

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/koinon/koinon/receipt"
)

// Buyer pays gateways from one escrow.
type Buyer struct {
	// Gateway is the API's base URL, with its /v1.
	Gateway string
	// ChainID is the ledger's, Payer the account that owns the escrow, and Key the
	// escrow's grant key.
	ChainID string
	Payer   string
	Key     ed25519.PrivateKey
	// Dir keeps the grants: with them what was paid, and the secrets of tickets.
	// One process at a time uses it.
	Dir string
	// MaxGrant bounds what one provider may lock in the escrow, in ucredit, where
	// a request does not need more; 0 for twenty requests' worth.
	MaxGrant uint64
	// Right is under which versions are called that are not open to all: "list", or
	// "token/" and the number of an access token that Payer holds. Calls bounds those
	// of one grant under it, which a token for a number of calls needs; 0 for any.
	Right string
	Calls uint64
	// HTTP makes the requests; nil for http.DefaultClient.
	HTTP *http.Client
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Message is one turn of a chat.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request is a chat to be answered.
type Request struct {
	Model       string // name, name@version or digest
	Messages    []Message
	MaxTokens   uint32   // of the answer; at least 1
	Temperature *float64 // nil for the gateway's default
	Seed        *int64   // nil for one that is drawn with the provider
	MaxCost     uint64   // the most to pay, in ucredit; 0 for any price
	Provider    string   // whose offer to take; empty for the cheapest
	// Transcript asks for what an audit of the answer needs. It holds the prompt.
	Transcript bool
}

// Answer is what came of a request.
type Answer struct {
	Text    string
	Receipt receipt.Receipt
	// Body is the receipt as its provider wrote it, to be kept.
	Body json.RawMessage
	Cost uint64 // ucredit
	// Paid is what the tickets given so far on the grant are worth, in ucredit.
	Paid uint64
	// Transcript is there if it was asked for, and is of the receipt's answer.
	Transcript *receipt.Transcript
}

// Record is the receipt with its transcript, as `koinon receipt audit` reads it.
func (a Answer) Record() receipt.Record {
	return receipt.Record{Receipt: a.Receipt, Transcript: a.Transcript}
}

// Errors of answers.
var (
	// ErrBroken says that an answer did not come to its end; what had arrived is paid.
	ErrBroken = errors.New("the answer broke off")
	// ErrReceipt says that a receipt is not for what was asked and answered.
	ErrReceipt = errors.New("the receipt is not for this answer")
)

// Error is a gateway's refusal.
type Error struct {
	Status int
	Body   string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("the gateway answered %d: %s", e.Status, e.Body) }

func (b *Buyer) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

func (b *Buyer) http() *http.Client {
	if b.HTTP != nil {
		return b.HTTP
	}
	return http.DefaultClient
}

// Quote asks what a request would cost.
func (b *Buyer) Quote(ctx context.Context, r Request) (Quote, error) {
	response, err := b.ask(ctx, r, receipt.Digest{}, nil)
	if err != nil {
		return Quote{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return Quote{}, err
	}
	if response.StatusCode != http.StatusPaymentRequired {
		return Quote{}, &Error{response.StatusCode, strings.TrimSpace(string(body))}
	}
	return parseQuote(body)
}

// FirstModel is the one that the gateway lists first.
func (b *Buyer) FirstModel(ctx context.Context) (string, error) {
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := b.get(ctx, "/models", &list); err != nil {
		return "", err
	}
	if len(list.Data) == 0 {
		return "", fmt.Errorf("the gateway %s lists no model", b.Gateway)
	}
	return list.Data[0].ID, nil
}

// maxBody bounds what is read of a body that is not an answer, in bytes.
const maxBody = 1 << 20

// Chat finds the cheapest offer, pays for an answer while it comes, and verifies
// its receipt. Each piece of text is given to print, if it is not nil, as it
// arrives.
func (b *Buyer) Chat(ctx context.Context, r Request, print func(string)) (Answer, error) {
	q, err := b.Quote(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	offer, amount, err := q.cheapest(b.ChainID, r.Provider, r.MaxCost)
	if err != nil {
		return Answer{}, err
	}
	g, err := b.grantFor(offer, amount)
	if err == nil {
		err = g.begin()
	}
	if err != nil {
		return Answer{}, err
	}
	var nonce receipt.Digest
	if r.Seed == nil && (r.Temperature == nil || *r.Temperature > 0) {
		rand.Read(nonce[:]) // never fails
	}
	response, err := b.ask(ctx, r, nonce, g)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, maxBody))
		return Answer{}, &Error{response.StatusCode, strings.TrimSpace(string(body))}
	}
	p := b.startPaying(ctx, g, offer.Extra)
	a, err := p.read(response.Body, print)
	return b.conclude(ctx, p, asked{r, nonce}, a, err)
}

// asked is a request as the provider has to have got it.
type asked struct {
	Request
	nonce receipt.Digest // zero where the seed was named, or nothing is drawn
}

// conclude pays what is left and verifies the receipt.
func (b *Buyer) conclude(ctx context.Context, p *payer, q asked, a heard, err error) (Answer, error) {
	paid := p.stop(ctx)
	if err = errors.Join(err, paid); err != nil {
		return Answer{Text: string(a.text)}, err
	}
	answer := Answer{Text: string(a.text), Cost: a.koinon.Cost, Paid: p.grant.Revealed * p.grant.Signed.TicketValue}
	if answer.Body, err = b.fetchReceipt(ctx, a.koinon.Receipt); err != nil {
		return answer, err
	}
	if err := json.Unmarshal(answer.Body, &answer.Receipt); err != nil {
		return answer, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if err := p.verify(answer.Receipt, a); err != nil {
		return answer, err
	}
	answer.Transcript = a.koinon.Transcript
	return answer, q.verify(answer.Receipt, answer.Transcript)
}

// ask sends a request, with a grant's payment if there is one.
func (b *Buyer) ask(ctx context.Context, r Request, nonce receipt.Digest, g *grant) (*http.Response, error) {
	fields := map[string]any{
		"model": r.Model, "messages": r.Messages, "max_tokens": r.MaxTokens, "temperature": r.Temperature, "seed": r.Seed,
		"transcript": r.Transcript,
		"stream":     true, "stream_options": map[string]bool{"include_usage": true, "continuous_usage_stats": true},
	}
	if !nonce.IsZero() {
		fields["nonce"] = nonce.Hex()
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.Gateway+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if g != nil {
		payment, err := b.payment(g)
		if err != nil {
			return nil, err
		}
		request.Header.Set("X-Payment", payment)
	}
	return b.http().Do(request)
}

// payment is what stands in the header: the grant and the ticket it is at.
func (b *Buyer) payment(g *grant) (string, error) {
	type ticket struct {
		Index  uint64         `json:"index"`
		Ticket receipt.Digest `json:"ticket"`
	}
	last, err := g.ticket(g.Revealed)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{
		"x402Version": 1, "scheme": Scheme, "network": b.ChainID,
		"payload": struct {
			receipt.SignedGrant
			Ticket ticket `json:"ticket"`
		}{g.Signed, ticket{g.Revealed, last}},
	})
	return base64.StdEncoding.EncodeToString(data), err
}

// fetchReceipt reads a receipt as the provider wrote it.
func (b *Buyer) fetchReceipt(ctx context.Context, id string) (json.RawMessage, error) {
	var stored struct {
		Receipt json.RawMessage `json:"receipt"`
	}
	err := b.get(ctx, "/receipts/"+url.PathEscape(id), &stored)
	return stored.Receipt, err
}

// get reads a JSON body.
func (b *Buyer) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.Gateway+path, nil)
	if err != nil {
		return err
	}
	response, err := b.http().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return &Error{response.StatusCode, strings.TrimSpace(string(body))}
	}
	return json.Unmarshal(body, into)
}
