// Package stripe issues credit for card payments taken by Stripe: a small HTTP
// endpoint that opens Checkout Sessions and takes Stripe's signed webhooks, and
// a loop that mints what is paid and refunds what is cashed out.
//
// A payment is on disk before it is minted, and minted under its session's id,
// which the ledger takes once: whatever is replayed, lost or killed, it is
// minted exactly once. A holder gets dollars back by cashing out to the id of a
// session that its account paid with; the refund carries the cash-out's number,
// so that it, too, happens once.
package stripe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/issuer"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// Config is how payments are taken. The two secrets are Stripe's.
type Config struct {
	// Home is where payments are kept.
	Home string `yaml:"home"`
	// Listen is the endpoint's address; only /webhook must be reachable by Stripe.
	Listen string `yaml:"listen"`
	// SecretKey is the API key, sk_… or rk_… with Checkout Sessions and Refunds.
	SecretKey string `yaml:"secret_key"`
	// WebhookSecret signs events, whsec_….
	WebhookSecret string `yaml:"webhook_secret"`
	// SuccessURL is where Checkout sends the payer afterwards.
	SuccessURL string `yaml:"success_url"`
	// MinCents and MaxCents bound one payment.
	MinCents int64 `yaml:"min_cents"`
	MaxCents int64 `yaml:"max_cents"`
	// Every is how often unfinished payments and cash-outs are looked at.
	Every time.Duration `yaml:"every"`
	// MetricsAddr is where metrics and readiness are served, host:port. Default
	// loopback, at any port; instruments.json in home says which.
	MetricsAddr string `yaml:"metrics_addr"`
	// APIURL is Stripe's, unless a test has one.
	APIURL string `yaml:"api_url"`
}

// DefaultConfig takes $5 to $500 on loopback.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8787", SuccessURL: "https://github.com/koinon/koinon", MinCents: 500, MaxCents: 50_000,
		Every: 15 * time.Second, APIURL: stripe.APIURL,
	}
}

// ErrConfig is returned for settings that cannot work.
var ErrConfig = errors.New("the card issuer cannot work so")

// Validate checks the settings.
func (c Config) Validate() error {
	switch {
	case c.SecretKey == "" || c.WebhookSecret == "":
		return fmt.Errorf("%w: Stripe's secret key and webhook secret are needed", ErrConfig)
	case c.MinCents < 1 || c.MaxCents < c.MinCents || c.MaxCents > 100_000_000:
		return fmt.Errorf("%w: payments of %d to %d cents", ErrConfig, c.MinCents, c.MaxCents)
	case c.Home == "" || c.Every <= 0:
		return fmt.Errorf("%w: it needs a home and an interval", ErrConfig)
	}
	return nil
}

// Issuer takes card payments.
type Issuer struct {
	config Config
	ledger issuer.Ledger
	api    *stripe.Client
	store  store
	log    *slog.Logger
	state  *state
	work   sync.Mutex // one payment is worked on at a time: the issuer has one account
	keep   sync.Mutex // one new payment is written at a time
	wake   chan struct{}
}

// New makes an issuer; nothing happens until its Handler and Run are used.
func New(c Config, l issuer.Ledger, log *slog.Logger) (*Issuer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(c.APIURL), HTTPClient: &http.Client{Timeout: 30 * time.Second},
		EnableTelemetry: stripe.Bool(false), LeveledLogger: &stripe.LeveledLogger{},
	})
	return &Issuer{
		config: c, ledger: l, api: stripe.NewClient(c.SecretKey, stripe.WithBackends(backends)),
		store: store{filepath.Join(c.Home, "payments")}, log: log, state: newState(), wake: make(chan struct{}, 1),
	}, nil
}

// Run mints what is paid and refunds what is cashed out until the context ends.
// What fails is tried again.
func (i *Issuer) Run(ctx context.Context) error {
	ticker := time.NewTicker(i.config.Every)
	defer ticker.Stop()
	for {
		err := i.Work(ctx)
		i.state.done(err)
		if err != nil && ctx.Err() == nil {
			i.log.Warn("not all is done, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-i.wake:
		}
	}
}

// Address is the issuer's account.
func (i *Issuer) Address() string { return i.ledger.Address() }

// Work does what is waiting, once.
func (i *Issuer) Work(ctx context.Context) error {
	i.work.Lock()
	defer i.work.Unlock()
	list, err := i.store.waiting()
	all := []error{err}
	for _, p := range list {
		all = append(all, i.mint(ctx, p))
	}
	owed, err := i.ledger.CashOuts(ctx)
	all = append(all, err)
	i.state.waiting.WithLabelValues("payments").Set(float64(len(list)))
	i.state.waiting.WithLabelValues("cash_outs").Set(float64(len(owed)))
	for _, c := range owed {
		if sessionID.MatchString(c.Destination) {
			all = append(all, i.refund(ctx, escrow.CashOut{ID: c.Id, Holder: c.Holder, Amount: c.Amount, Destination: c.Destination}))
		}
	}
	return errors.Join(all...)
}

// mint issues the credit of one payment, and notes it.
func (i *Issuer) mint(ctx context.Context, p payment) error {
	minted, err := issuer.Issue(ctx, i.ledger, p.issue())
	if err != nil {
		return fmt.Errorf("payment %s: %w", p.Session, err)
	}
	p.Minted = true
	if err := i.store.put(p); err != nil {
		return err
	}
	if minted {
		i.state.minted.Add(float64(p.issue().Ucredit))
		i.log.Info("minted", "session", p.Session, "recipient", p.Address, "dollars", credit.Dollars(p.issue().Ucredit))
	}
	return nil
}
