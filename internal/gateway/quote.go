package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/gateway/pay"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// paymentHeader is where a caller without a key puts its payment, as x402 has it.
const paymentHeader = "X-Payment"

// scheme is koinon's in x402's terms: a grant and its tickets.
const scheme = "koinon-grant"

// stranger is a caller without a key, who pays for itself or asks what it would
// have to pay.
type stranger struct {
	caller   *pay.Caller // nil: it asks
	resource string      // the path that it asks
}

type strangerKey struct{}

// strangerOf is who asks, if it is a stranger.
func strangerOf(ctx context.Context) *stranger {
	s, _ := ctx.Value(strangerKey{}).(*stranger)
	return s
}

// paymentPayload is what a caller's payment header holds, in base64.
type paymentPayload struct {
	Version int    `json:"x402Version"`
	Scheme  string `json:"scheme"`
	Network string `json:"network"` // chain id
	Payload struct {
		receipt.SignedGrant
		Ticket ticketJSON `json:"ticket"` // the highest revealed so far
	} `json:"payload"`
}

type ticketJSON struct {
	Index  uint64         `json:"index"`
	Ticket receipt.Digest `json:"ticket"`
}

// welcome serves a request that carries no key: with its caller's own payment, or
// with a quote.
func (g *Gateway) welcome(w http.ResponseWriter, r *http.Request, serve keyed) error {
	s := &stranger{resource: r.URL.Path}
	key := store.Key{ID: "stranger"}
	if header := r.Header.Get(paymentHeader); header != "" {
		p, err := g.readPayment(header)
		if err != nil {
			return err
		}
		at := pay.Ticket{Index: p.Payload.Ticket.Index, Preimage: p.Payload.Ticket.Ticket}
		if s.caller, err = g.callers.Open(p.Payload.SignedGrant, at); err != nil {
			return openai.Invalid("", "The payment is not good: %v.", err)
		}
		key.ID = grantOwner(p.Payload.ID())
	}
	if !g.concurrency.enter(key.ID) {
		return openai.RateLimit(time.Second, "Rate limit reached: %d requests are in flight, the most there may be.", g.config.MaxInFlight)
	}
	defer g.concurrency.leave(key.ID)
	return serve(w, r.WithContext(context.WithValue(r.Context(), strangerKey{}, s)), key)
}

// grantPrefix begins what a stranger's receipts are kept under, in a key's place.
const grantPrefix = "grant:"

func grantOwner(id receipt.Digest) string { return grantPrefix + id.Hex() }

// readPayment takes a payment header apart.
func (g *Gateway) readPayment(header string) (p paymentPayload, err error) {
	body, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return p, openai.Invalid("", "The header %s is not base64.", paymentHeader)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&p); err != nil {
		return p, openai.Invalid("", "The header %s does not hold a payment: %v.", paymentHeader, err)
	}
	switch {
	case p.Version != 1 || p.Scheme != scheme:
		return p, openai.Invalid("", "The payment must have x402Version 1 and the scheme '%s'.", scheme)
	case p.Network != g.config.ChainID || p.Payload.ChainID != g.config.ChainID:
		return p, openai.Invalid("", "The payment is for another network: this is '%s'.", g.config.ChainID)
	}
	return p, nil
}

// quote is x402's body of a 402, version 1.
type quote struct {
	Version int      `json:"x402Version"`
	Error   string   `json:"error"`
	Accepts []accept `json:"accepts"`
}

// accept is one way to pay: a grant to one provider. Amounts are in ucredit.
type accept struct {
	Scheme      string `json:"scheme"`
	Network     string `json:"network"`           // chain id
	MaxAmount   string `json:"maxAmountRequired"` // the most that the request costs
	Resource    string `json:"resource"`
	Description string `json:"description"`
	MimeType    string `json:"mimeType"`
	PayTo       string `json:"payTo"` // the provider's account
	MaxTimeout  int64  `json:"maxTimeoutSeconds"`
	Asset       string `json:"asset"`
	Extra       terms  `json:"extra"`
}

// terms are what a grant to the provider has to be like.
type terms struct {
	Model         receipt.Digest `json:"model"`
	ModelName     string         `json:"model_name"`
	App           string         `json:"app"`
	Price         receipt.Price  `json:"price"`
	ProviderKey   []byte         `json:"provider_key"` // that its receipts are signed with
	PromptTokens  uint64         `json:"prompt_tokens"`
	MaxCompletion uint64         `json:"max_completion_tokens"`
	TicketValue   uint64         `json:"ticket_value"` // the least
	MinTickets    uint64         `json:"min_tickets"`  // of that value, for this request
	MaxTickets    uint64         `json:"max_tickets"`
	MinExpiry     int64          `json:"min_expiry"` // Unix seconds
	MaxExpiry     int64          `json:"max_expiry"`
	TicketsAt     string         `json:"tickets_at"` // where tickets are given while the answer runs
	// Gated says that the grant has to name a right of its payer's.
	Gated bool `json:"gated,omitempty"`
}

// leastGrant is the least cap that providers find worth a transaction, in ucredit.
const leastGrant = 1_000

// quoted is the refusal of a job that nobody pays for yet, with what to pay.
func (g *Gateway) quoted(j *job, s *stranger, why string) error {
	q := quote{Version: 1, Error: why, Accepts: []accept{}}
	for _, o := range j.offers() {
		worst, err := j.worst(o)
		if err != nil {
			continue
		}
		token, err := o.price.Cost(0, 0, 1)
		if err != nil {
			continue
		}
		value := max(g.config.TicketValue, token)
		now := g.now()
		q.Accepts = append(q.Accepts, accept{
			Scheme: scheme, Network: g.config.ChainID, MaxAmount: strconv.FormatUint(worst, 10), Resource: s.resource,
			Description: "an answer of " + j.version.label(), MimeType: "application/json", PayTo: o.provider,
			MaxTimeout: int64(g.config.FirstToken / time.Second), Asset: credit.Denom,
			Extra: terms{
				Model: j.version.digest, ModelName: j.version.label(), App: g.config.App, Price: o.price, ProviderKey: o.peer.Key,
				PromptTokens: j.query.Prompt, MaxCompletion: j.query.Completion, TicketValue: value,
				MinTickets: receipt.TicketsFor(max(worst, leastGrant), value), MaxTickets: g.config.MaxTickets,
				MinExpiry: now.Add(10 * time.Minute).Unix(), MaxExpiry: now.Add(g.config.GrantLifetime).Unix(),
				TicketsAt: "/v1/payments/{grant}/tickets", Gated: j.version.gate != nil,
			},
		})
	}
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	e := openai.Quota("%s", why)
	e.Raw = body
	return e
}

// admit lets a stranger's job go on if its grant is for it.
func (g *Gateway) admit(j *job, s *stranger) error {
	if s.caller == nil {
		return g.quoted(j, s, "This gateway serves whoever pays. Send the request again with the header "+paymentHeader+
			": a grant to one of these providers, signed with your escrow's grant key.")
	}
	if len(j.calls) != 1 {
		return openai.Unsupported("n", "A request that its caller pays for has one answer.")
	}
	grant := s.caller.Signed()
	if j.version.gate != nil && grant.Right == "" {
		return barred(j.version, "the grant names no right")
	}
	if grant.Model != j.version.digest {
		return g.quoted(j, s, "The grant is for another model version.")
	}
	at := -1
	for i := range j.version.offers {
		if j.version.offers[i].provider == grant.Provider {
			at = i
		}
	}
	if at < 0 {
		return g.quoted(j, s, "The grant's provider does not offer the model.")
	}
	j.plan = append(j.plan[:0], route.Choice(at))
	j.calls[0].caller = s.caller
	return nil
}

// unpaid explains to a stranger why its grant did not pay for the request.
func (g *Gateway) unpaid(j *job, s *stranger, err error) error {
	var said *inference.Error
	switch {
	case errors.As(err, &said) && stale(err):
		return g.quoted(j, s, "The provider will not serve on this grant: "+said.Message)
	case errors.Is(err, inference.ErrCap):
		return g.quoted(j, s, "The grant does not cover the request: make one with more tickets.")
	case errors.Is(err, inference.ErrTicketValue):
		return g.quoted(j, s, "The grant's tickets are worth less than one token.")
	}
	return nil
}

// takeTicket serves POST /v1/payments/{id}/tickets: a caller gives the ticket
// that is due, and hears which is due next, as soon as one is.
func (g *Gateway) takeTicket(w http.ResponseWriter, r *http.Request) error {
	id, err := receipt.ParseHex(r.PathValue("id"))
	if err != nil {
		return openai.NotFound("grant_not_found", "id", "'%s' is no grant's id: it has 64 hexadecimal digits.", r.PathValue("id"))
	}
	caller, err := g.callers.Grant(id)
	if err != nil {
		return openai.NotFound("grant_not_found", "id", "No request was paid with this grant here.")
	}
	body, err := openai.ReadBody(r)
	if err != nil {
		return err
	}
	var t ticketJSON
	if err := json.Unmarshal(body, &t); err != nil {
		return openai.Malformed("The body must be a ticket: %v.", err)
	}
	if t.Index > 0 {
		if err := caller.Reveal(pay.Ticket{Index: t.Index, Preimage: t.Ticket}); err != nil {
			return openai.Invalid("ticket", "The ticket is not good: %v.", err)
		}
	}
	wait, cancel := context.WithTimeout(r.Context(), ticketWait)
	defer cancel()
	return openai.WriteJSON(w, http.StatusOK, caller.Await(wait))
}

// ticketWait is how long a caller waits to hear of the next ticket.
const ticketWait = 10 * time.Second
