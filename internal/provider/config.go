package provider

import (
	"errors"
	"fmt"
	"time"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/receipt"
)

// Config is everything that the owner of a provider decides. Amounts are in
// micro-units of the currency named; zero means the default where one is given.
type Config struct {
	// Home holds the provider's database: grants, tickets and receipts. One
	// process at a time uses it.
	Home string `yaml:"home"`
	// Moniker is the name that people see, at most 64 bytes.
	Moniker string `yaml:"moniker"`
	// Region is where the machine is, such as DE or US-CA (ISO 3166), for requests
	// that must stay there; empty says nothing.
	Region string `yaml:"region"`
	// Bond is the least bond to hold, in ukoin; what is missing is added.
	Bond uint64 `yaml:"bond"`
	// Price is what tokens cost, in ucredit for 1,000,000 of them. A cached input
	// price of 0 is the input price: no discount.
	Price receipt.Price `yaml:"price"`
	// FollowCeiling lowers the price to what the model's shareholders allow, should
	// that be less. Without it, nothing is sold above their ceiling.
	FollowCeiling bool `yaml:"follow_ceiling"`
	// Own are the payers who pay nothing: the owner's own gateways. Their grants
	// are not activated, so that nothing of theirs is locked.
	Own []string `yaml:"own"`
	// Policy splits the revenue if this provider is the first to register the
	// model version; a registered version keeps its own.
	Policy modelv1.Policy `yaml:"policy"`

	// Slots is the number of requests that the engine serves at once.
	// Default 4.
	Slots int `yaml:"slots"`
	// MaxStreams bounds open streams, served, queued and finishing ones
	// together. Default 16 + 8 for each slot.
	MaxStreams int `yaml:"max_streams"`

	// InitialExposure is what one payer may be served before the ledger has
	// confirmed its grant, in ucredit: the most it can take for nothing. 0 means
	// 1,000 (a tenth of a cent); to serve nothing before, use 1.
	InitialExposure uint64 `yaml:"initial_exposure"`
	// MaxDebt is how much one payer's broken streams may leave unpaid, in
	// ucredit, over MaxDebtAge, before its requests are refused. Default 20,000.
	MaxDebt uint64 `yaml:"max_debt"`
	// MaxTicketValue bounds the value of one ticket, in ucredit: what each running
	// stream may owe. Default 20,000.
	MaxTicketValue uint64 `yaml:"max_ticket_value"`
	// MinGrant is the least cap of a grant that is worth activating, in ucredit.
	// Default 1,000.
	MinGrant uint64 `yaml:"min_grant"`
	// ExpiryMargin before a grant's expiry it takes no new request and is
	// closed. Default 2m.
	ExpiryMargin time.Duration `yaml:"expiry_margin"`

	// RedeemEvery is the time between redemptions of one grant. Default 1h.
	RedeemEvery time.Duration `yaml:"redeem_every"`
	// RedeemAbove redeems a grant at once when it holds more than this, in
	// ucredit. Default 5,000,000.
	RedeemAbove uint64 `yaml:"redeem_above"`

	// KeepEvidence is how long requests and answers are kept, sealed with the
	// provider's key, to answer accusations: at least as long as anybody may
	// accuse. Default 168h.
	KeepEvidence time.Duration `yaml:"keep_evidence"`
	// MaxEvidence bounds them, in bytes; beyond it the oldest are dropped, and
	// accusations about those cannot be answered. Default 1 GiB.
	MaxEvidence uint64 `yaml:"max_evidence"`

	// OpenTimeout bounds the wait for a stream's first frame. Default 10s.
	OpenTimeout time.Duration `yaml:"open_timeout"`
	// PaymentTimeout bounds the wait for a ticket, while a slot is held, and for
	// the acknowledgement of a receipt. Default 10s.
	PaymentTimeout time.Duration `yaml:"payment_timeout"`
	// WriteTimeout bounds the wait for a gateway that does not read. Default 10s.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// ActivationTimeout bounds how long a request waits for its grant's
	// activation when it has used the initial exposure. Default 20s.
	ActivationTimeout time.Duration `yaml:"activation_timeout"`
	// ChallengeEvery is how often the ledger is asked for epoch challenges to
	// answer. Default 10s.
	ChallengeEvery time.Duration `yaml:"challenge_every"`
	// DrainTimeout bounds the wait for running requests at shutdown. Default 20s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// MaxDebtAge is how long a payer's unpaid broken streams are held against it.
const MaxDebtAge = 24 * time.Hour

// ErrConfig says that a configuration cannot work.
var ErrConfig = errors.New("provider configuration")

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	orAmount(&c.Price.CachedInput, c.Price.Input)
	orInt(&c.Slots, 4)
	orInt(&c.MaxStreams, 16+8*c.Slots)
	orAmount(&c.InitialExposure, 1_000)
	orAmount(&c.MaxDebt, 20_000)
	orAmount(&c.MaxTicketValue, 20_000)
	orAmount(&c.MinGrant, 1_000)
	orAmount(&c.RedeemAbove, 5_000_000)
	orAmount(&c.MaxEvidence, 1<<30)
	orTime(&c.KeepEvidence, 7*24*time.Hour)
	orTime(&c.ExpiryMargin, 2*time.Minute)
	orTime(&c.RedeemEvery, time.Hour)
	orTime(&c.OpenTimeout, 10*time.Second)
	orTime(&c.PaymentTimeout, 10*time.Second)
	orTime(&c.WriteTimeout, 10*time.Second)
	orTime(&c.ActivationTimeout, 20*time.Second)
	orTime(&c.ChallengeEvery, defaultChallengeEvery)
	orTime(&c.DrainTimeout, 20*time.Second)
	return c
}

func orInt(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

func orAmount(v *uint64, otherwise uint64) {
	if *v == 0 {
		*v = otherwise
	}
}

func orTime(v *time.Duration, otherwise time.Duration) {
	if *v == 0 {
		*v = otherwise
	}
}

// Validate says what about a configuration cannot work, and what to change.
func (c Config) Validate() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	token, err := c.Price.Cost(0, 0, 1)
	switch {
	case c.Home == "":
		return wrong("home is missing: give the folder that holds the provider's database")
	case len(c.Moniker) > 64:
		return wrong("moniker has %d bytes: use at most 64", len(c.Moniker))
	case c.Slots < 0 || c.MaxStreams < 0:
		return wrong("slots and max_streams must be positive")
	case err != nil:
		return wrong("price: %v", err)
	case c.Price.CachedInput > c.Price.Input:
		return wrong("price.cached_input is %d, above price.input, %d: lower it", c.Price.CachedInput, c.Price.Input)
	}
	d := c.withDefaults()
	if token > d.MaxTicketValue {
		return wrong("max_ticket_value %d is below the price of one token, %d: raise it", d.MaxTicketValue, token)
	}
	for name, t := range map[string]time.Duration{
		"keep_evidence": d.KeepEvidence, "expiry_margin": d.ExpiryMargin, "redeem_every": d.RedeemEvery, "open_timeout": d.OpenTimeout,
		"payment_timeout": d.PaymentTimeout, "write_timeout": d.WriteTimeout,
		"challenge_every": d.ChallengeEvery, "activation_timeout": d.ActivationTimeout, "drain_timeout": d.DrainTimeout,
	} {
		if t < 0 {
			return wrong("%s is negative", name)
		}
	}
	return nil
}
