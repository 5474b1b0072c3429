package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/koinon/koinon/internal/credit"
)

// addressKey is where a session's metadata has the recipient.
const addressKey = "koinon_address"

// maxBody bounds what is read of a request; Stripe's events are far smaller.
const maxBody = 256 << 10 // bytes

// Handler serves POST /checkout, which opens a Checkout Session, POST /webhook
// for Stripe, and GET /healthz.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /checkout", i.checkout)
	mux.HandleFunc("POST /webhook", i.webhook)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

// order is what a payer asks for.
type order struct {
	Address string `json:"address"` // who gets the credit
	Amount  string `json:"amount"`  // in dollars: 20 or $20.00
}

// checkout opens a Checkout Session and answers its id and the page to pay on.
func (i *Issuer) checkout(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&o); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("the body must be JSON with address and amount: %w", err))
		return
	}
	if err := i.ledger.Check(o.Address); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("address: %w", err))
		return
	}
	ucredit, err := credit.Parse(o.Amount)
	cents := int64(ucredit / microPerCent)
	switch {
	case err != nil:
	case ucredit%microPerCent != 0:
		err = errors.New("cards pay whole cents")
	case ucredit/microPerCent < uint64(i.config.MinCents) || ucredit/microPerCent > uint64(i.config.MaxCents):
		err = fmt.Errorf("from %s to %s can be paid at once", credit.Dollars(uint64(i.config.MinCents)*microPerCent), credit.Dollars(uint64(i.config.MaxCents)*microPerCent))
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("amount: %w", err))
		return
	}
	session, err := i.api.V1CheckoutSessions.Create(r.Context(), &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String(string(stripe.CheckoutSessionModePayment)), SuccessURL: stripe.String(i.config.SuccessURL),
		Metadata: map[string]string{addressKey: o.Address},
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String(string(stripe.CurrencyUSD)), UnitAmount: stripe.Int64(cents),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("koinon credit")},
			},
		}},
	})
	if err != nil {
		i.log.Warn("no Checkout Session", "error", err)
		refuse(w, http.StatusBadGateway, errors.New("the card processor does not answer: try again"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"id": session.ID, "url": session.URL})
}

// webhook takes an event. It is acknowledged once its payment is on disk:
// before that, Stripe sends it again.
func (i *Issuer) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	// Only fields that every version of the API has are read.
	event, err := webhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), i.config.WebhookSecret,
		webhook.ConstructEventOptions{Tolerance: webhook.DefaultTolerance, IgnoreAPIVersionMismatch: true})
	if err != nil {
		i.state.refused.Inc()
		i.log.Warn("a webhook was refused", "error", err)
		refuse(w, http.StatusBadRequest, errors.New("not signed by Stripe, or too long ago"))
		return
	}
	switch event.Type {
	case stripe.EventTypeCheckoutSessionCompleted, stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded:
		err = i.paid(event.Data.Raw)
	case stripe.EventTypeChargeDisputeCreated:
		i.state.disputed.Inc()
		i.log.Error("a payment is disputed: its credit is out already", "event", event.ID)
	}
	if err != nil {
		i.log.Error("a payment could not be kept", "event", event.ID, "error", err)
		refuse(w, http.StatusInternalServerError, errors.New("not kept: send it again"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// paid keeps a session that is paid. One that is known, is for no address, or
// is not paid yet is nothing to do.
func (i *Issuer) paid(raw json.RawMessage) error {
	var session stripe.CheckoutSession
	if err := json.Unmarshal(raw, &session); err != nil {
		return err
	}
	address := session.Metadata[addressKey]
	if address == "" || session.PaymentStatus != stripe.CheckoutSessionPaymentStatusPaid {
		return nil
	}
	p := payment{Session: session.ID, Address: address, Cents: session.AmountTotal, Refunded: map[uint64]int64{}}
	if session.PaymentIntent != nil {
		p.Intent = session.PaymentIntent.ID
	}
	if p.Cents <= 0 || session.Currency != stripe.CurrencyUSD || i.ledger.Check(address) != nil {
		i.log.Error("a payment needs a person: it is for no address, or not in dollars", "session", p.Session, "address", address, "currency", session.Currency)
		return nil
	}
	i.keep.Lock()
	_, err := i.store.get(p.Session)
	if errors.Is(err, os.ErrNotExist) {
		err = i.store.put(p)
	}
	i.keep.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
	return err
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
