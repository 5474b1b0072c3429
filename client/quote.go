package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/koinon/koinon/receipt"
)

// Scheme is the way to pay, in x402's terms.
const Scheme = "koinon-grant"

// Quote is what a gateway asks for a request, the body of its 402.
type Quote struct {
	Version int     `json:"x402Version"`
	Error   string  `json:"error"`
	Accepts []Offer `json:"accepts"`
}

// Offer is one provider's price for the request. Amounts are in ucredit,
// millionths of a dollar.
type Offer struct {
	Scheme    string `json:"scheme"`
	Network   string `json:"network"`           // chain id
	MaxAmount string `json:"maxAmountRequired"` // the most that the request costs
	PayTo     string `json:"payTo"`             // the provider's account
	Extra     Terms  `json:"extra"`
}

// Terms are what a grant to the provider has to be like.
type Terms struct {
	Model         receipt.Digest `json:"model"`
	ModelName     string         `json:"model_name"`
	App           string         `json:"app"`
	Price         receipt.Price  `json:"price"`
	ProviderKey   []byte         `json:"provider_key"` // as the gateway has it from the ledger
	PromptTokens  uint64         `json:"prompt_tokens"`
	MaxCompletion uint64         `json:"max_completion_tokens"`
	TicketValue   uint64         `json:"ticket_value"` // the least
	MinTickets    uint64         `json:"min_tickets"`
	MaxTickets    uint64         `json:"max_tickets"`
	MinExpiry     int64          `json:"min_expiry"` // Unix seconds
	MaxExpiry     int64          `json:"max_expiry"`
	TicketsAt     string         `json:"tickets_at"`
	Gated         bool           `json:"gated"` // the grant has to name a right
}

// ErrQuote says that a gateway's quote cannot be accepted.
var ErrQuote = errors.New("the gateway's quote")

// DearError is a quote that asks for more than the buyer would pay.
type DearError struct {
	Asked, Most uint64 // ucredit
}

// Error says so, in ucredit.
func (e *DearError) Error() string {
	return fmt.Sprintf("%v is for up to %d ucredit, and at most %d are to be paid", ErrQuote, e.Asked, e.Most)
}

// Unwrap makes it an [ErrQuote].
func (e *DearError) Unwrap() error { return ErrQuote }

// parseQuote reads the body of a 402.
func parseQuote(body []byte) (q Quote, err error) {
	if err := json.Unmarshal(body, &q); err != nil {
		return q, fmt.Errorf("%w cannot be read: %w", ErrQuote, err)
	}
	if q.Version != 1 {
		return q, fmt.Errorf("%w has x402Version %d, not 1: the gateway may serve keys alone", ErrQuote, q.Version)
	}
	return q, nil
}

// cheapest is the offer, of a provider if one is named, that this buyer can accept
// and that costs least.
func (q Quote) cheapest(chainID, provider string, most uint64) (Offer, uint64, error) {
	var best Offer
	var least uint64
	found := false
	for _, o := range q.Accepts {
		amount, err := strconv.ParseUint(o.MaxAmount, 10, 64)
		if err != nil || o.Scheme != Scheme || o.Network != chainID || provider != "" && o.PayTo != provider || o.Extra.check() != nil {
			continue
		}
		// The amount must be what the price makes of it, or the price is a lie.
		if worst, err := o.Extra.Price.Cost(o.Extra.PromptTokens, 0, o.Extra.MaxCompletion); err != nil || worst > amount {
			continue
		}
		if !found || amount < least {
			best, least, found = o, amount, true
		}
	}
	switch {
	case !found:
		return best, 0, fmt.Errorf("%w has no offer that this client can accept on %s: %s", ErrQuote, chainID, q.Error)
	case most > 0 && least > most:
		return best, least, &DearError{Asked: least, Most: most}
	}
	return best, least, nil
}

// check says what about terms makes no sense.
func (t Terms) check() error {
	switch {
	case t.TicketValue == 0 || t.MaxTickets == 0 || t.MaxTickets > 1<<24 || t.MinTickets > t.MaxTickets:
		return fmt.Errorf("%w asks for an impossible grant", ErrQuote)
	case t.Model.IsZero() || t.MaxExpiry <= 0:
		return fmt.Errorf("%w names no model or time", ErrQuote)
	}
	return nil
}
