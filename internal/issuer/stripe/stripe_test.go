package stripe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"
	"pgregory.net/rapid"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/issuer/stripe"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

var alice, bob = ledgertest.NewAccount("alice"), ledgertest.NewAccount("bob")

const secret = "whsec_test"

// shop is an issuer with its ledger and its card processor.
type shop struct {
	t      ledgertest.TB
	ledger ledgertest.Issuing
	config stripe.Config
	card   *card
	*stripe.Issuer
	log *bytes.Buffer
}

func open(t ledgertest.TB, home string, c *card) *shop {
	t.Helper()
	s := &shop{t: t, card: c, ledger: ledgertest.Issuing{Ledger: ledgertest.New(t, []ledgertest.Account{alice, bob}, nil)}}
	s.config = stripe.DefaultConfig()
	s.config.Home, s.config.SecretKey, s.config.WebhookSecret, s.config.APIURL = home, "sk_test", secret, c.URL
	s.restart()
	return s
}

// restart is a new process on the same home.
func (s *shop) restart() {
	s.t.Helper()
	s.log = &bytes.Buffer{}
	var err error
	if s.Issuer, err = stripe.New(s.config, s.ledger, slog.New(slog.NewTextHandler(s.log, nil))); err != nil {
		s.t.Fatalf("%v", err)
	}
}

func (s *shop) post(path, body string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// event is what Stripe sends about a session.
func event(kind, session, address, status string, cents int64) string {
	return fmt.Sprintf(`{"id":"evt_1","object":"event","type":%q,"api_version":"2020-01-01","data":{"object":{"id":%q,"object":"checkout.session",
"payment_status":%q,"amount_total":%d,"currency":"usd","payment_intent":"pi_%s","metadata":{"koinon_address":%q}}}}`, kind, session, status, cents, session, address)
}

const completed, succeeded = "checkout.session.completed", "checkout.session.async_payment_succeeded"

// deliver sends a signed event and returns the status.
func (s *shop) deliver(payload string) int {
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(payload), Secret: secret})
	return s.post("/webhook", payload, map[string]string{"Stripe-Signature": signed.Header}).Code
}

func (s *shop) held(a ledgertest.Account) uint64 { return s.ledger.Balance(a.Address, credit.Denom) }

func (s *shop) cashOut(a ledgertest.Account, ucredit uint64, session string) {
	s.ledger.Must(a, &escrowv1.MsgCashOut{Holder: a.Address, Issuer: s.ledger.Issuer.Address, Amount: ucredit, Destination: session})
}

func TestCheckout(t *testing.T) {
	s := open(t, t.TempDir(), newCard(t))
	w := s.post("/checkout", fmt.Sprintf(`{"address":%q,"amount":"$20"}`, alice.Address), nil)
	var answer struct{ ID, URL string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.ID != "cs_test_1" || !strings.HasPrefix(answer.URL, "https://") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	form := s.card.opened[0]
	if form["metadata[koinon_address]"] != alice.Address || form["line_items[0][price_data][unit_amount]"] != "2000" || form["mode"] != "payment" {
		t.Errorf("opened %v", form)
	}
	for body, want := range map[string]string{
		`{"address":"koinon1nobody","amount":"20"}`:                   "address",
		fmt.Sprintf(`{"address":%q,"amount":"4.99"}`, alice.Address):  "from $5.00 to $500.00",
		fmt.Sprintf(`{"address":%q,"amount":"501"}`, alice.Address):   "from $5.00 to $500.00",
		fmt.Sprintf(`{"address":%q,"amount":"5.001"}`, alice.Address): "whole cents",
		fmt.Sprintf(`{"address":%q,"amount":"five"}`, alice.Address):  "amount",
		`[`: "JSON",
	} {
		if w := s.post("/checkout", body, nil); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	s.card.Close()
	if w := s.post("/checkout", fmt.Sprintf(`{"address":%q,"amount":"20"}`, alice.Address), nil); w.Code != http.StatusBadGateway {
		t.Errorf("without Stripe: %d", w.Code)
	}
}

func TestOnlySignedEventsCount(t *testing.T) {
	s := open(t, t.TempDir(), newCard(t))
	before := s.held(alice)
	good := event(completed, "cs_1", alice.Address, "paid", 2000)
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(good), Secret: secret})
	old := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(good), Secret: secret, Timestamp: time.Now().Add(-time.Hour)})
	other := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(good), Secret: "whsec_other"})
	for name, c := range map[string][2]string{
		"no signature": {good, ""}, "another secret": {good, other.Header}, "an hour ago": {good, old.Header},
		"altered": {strings.Replace(good, "2000", "9000", 1), signed.Header},
	} {
		if w := s.post("/webhook", c[0], map[string]string{"Stripe-Signature": c[1]}); w.Code != 400 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for name, payload := range map[string]string{
		"not paid yet":     event(completed, "cs_2", alice.Address, "unpaid", 2000),
		"another business": event(completed, "cs_3", "", "paid", 2000),
		"no address":       event(completed, "cs_4", "koinon1nobody", "paid", 2000),
		"euros":            strings.Replace(event(completed, "cs_5", alice.Address, "paid", 2000), "usd", "eur", 1),
		"another event":    event("customer.created", "cs_6", alice.Address, "paid", 2000),
	} {
		if code := s.deliver(payload); code != http.StatusNoContent {
			t.Errorf("%s: %d", name, code)
		}
	}
	if err := s.Work(t.Context()); err != nil || s.held(alice) != before {
		t.Errorf("%d minted, %v", s.held(alice)-before, err)
	}
	if code := s.deliver(event(completed, "../cs", alice.Address, "paid", 1)); code != http.StatusInternalServerError {
		t.Errorf("a session of a strange name: %d", code)
	}
	if code := s.deliver(good); code != http.StatusNoContent {
		t.Errorf("the good one: %d", code)
	}
	if err := s.Work(t.Context()); err != nil || s.held(alice)-before != 20_000_000 {
		t.Errorf("%d minted, %v", s.held(alice)-before, err)
	}
}

func TestACashOutIsRefundedToItsCard(t *testing.T) {
	s := open(t, t.TempDir(), newCard(t))
	s.deliver(event(completed, "cs_1", alice.Address, "paid", 2000))
	if err := s.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.cashOut(bob, 1_000_000, "cs_1")   // another's card
	s.cashOut(alice, 1_000_000, "cs_9") // no such session
	s.cashOut(alice, 5_009_999, "cs_1")
	s.cashOut(alice, 15_010_000, "cs_1") // more than is left
	s.cashOut(alice, 14_990_000, "cs_1")
	s.cashOut(alice, 1_000_000, "customer-7") // another issuer's way
	err := s.Work(t.Context())
	for _, want := range []string{"session cs_1 was for", "cs_9, which is not known", "wants 1501 cents"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
	if got := s.card.refunded(); got != 500+1499 {
		t.Errorf("%d cents were refunded", got)
	}
	owed, err := s.ledger.CashOuts(t.Context())
	if err != nil || len(owed) != 4 {
		t.Errorf("still owed: %+v, %v", owed, err)
	}
}

// TestExactlyOnce replays, loses and restarts: in the end everybody has what it
// paid for, and each cash-out is refunded once.
func TestExactlyOnce(t *testing.T) {
	c := newCard(t)
	rapid.Check(t, func(rt *rapid.T) {
		c.mu.Lock()
		c.refunds = nil
		c.mu.Unlock()
		s := open(rt, t.TempDir(), c)
		before := s.held(alice)
		fails := func() bool { return rapid.IntRange(0, 2).Draw(rt, "lost") == 0 }
		s.ledger.Lost = func() error {
			if fails() {
				return errors.New("connection reset")
			}
			return nil
		}
		c.lost = fails
		var paid, out uint64
		known, left := map[string]int64{}, map[string]int64{} // cents of each session, and what is not refunded
		for range rapid.IntRange(3, 12).Draw(rt, "steps") {
			s.restart()
			if rapid.Bool().Draw(rt, "a day passes") {
				c.forget()
			}
			session := fmt.Sprintf("cs_%d", rapid.IntRange(1, 3).Draw(rt, "session"))
			switch rapid.SampledFrom([]string{"event", "event", "cash out", "work"}).Draw(rt, "step") {
			case "event":
				if _, again := known[session]; !again {
					known[session] = rapid.Int64Range(100, 5000).Draw(rt, "cents")
					left[session] = known[session]
					paid += uint64(known[session]) * 10_000
				}
				s.deliver(event(rapid.SampledFrom([]string{completed, succeeded}).Draw(rt, "event"), session, alice.Address, "paid", known[session]))
			case "cash out":
				if left[session] >= 100 {
					out += 1_000_000
					left[session] -= 100
					s.cashOut(alice, 1_000_000, session)
				}
			case "work":
				s.Work(context.Background())
			}
		}
		s.ledger.Lost, c.lost = nil, func() bool { return false }
		s.restart()
		if err := s.Work(context.Background()); err != nil {
			rt.Fatalf("%v", err)
		}
		if got := s.held(alice) + out - before; got != paid {
			rt.Fatalf("%d minted, %d paid", got, paid)
		}
		if got := uint64(c.refunded()) * 10_000; got != out {
			rt.Fatalf("%d refunded, %d cashed out", got, out)
		}
	})
}
