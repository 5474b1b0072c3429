package gateway

import (
	"errors"
	"fmt"
	"time"
)

// Config is everything an operator can set. [DefaultConfig] fills in what is
// not said; times are written like 30s or 24h, amounts are in ucredit,
// millionths of a dollar.
type Config struct {
	// Home is the directory of the gateway's database, grant key and lock. One
	// gateway runs on it at a time.
	Home string `yaml:"home"`
	// Listen is the host:port of the HTTP API.
	Listen string `yaml:"listen"`
	// ChainID is the ledger's.
	ChainID string `yaml:"chain_id"`
	// App is the account address of the application that refers the requests
	// and gets its share of their price, or empty.
	App string `yaml:"app"`

	// Deposit is what the escrow is filled up to, as far as the account's
	// balance goes; TopUpBelow is when. A deposit of 0 leaves the escrow alone.
	Deposit    uint64 `yaml:"deposit"`
	TopUpBelow uint64 `yaml:"top_up_below"`
	// TicketValue is what one ticket pays: the most that is at risk on either
	// side of a stream. Where one token costs more, tickets are worth a token.
	TicketValue uint64 `yaml:"ticket_value"`
	// GrantCap is the most that one grant can pay. Its provider locks as much
	// in the escrow.
	GrantCap uint64 `yaml:"grant_cap"`
	// GrantLifetime is how long a grant is used before it is renewed.
	GrantLifetime time.Duration `yaml:"grant_lifetime"`
	// MaxTickets bounds a grant's hash chain; the ledger refuses longer ones
	// than its own parameter max_tickets.
	MaxTickets uint64 `yaml:"max_tickets"`
	// RevealEvery is after how many tokens a ticket is revealed at the latest.
	RevealEvery uint64 `yaml:"reveal_every"`

	// Poll is how often offers are read from the ledger.
	Poll time.Duration `yaml:"poll"`
	// Probe is how often providers are checked for being reachable.
	Probe time.Duration `yaml:"probe"`
	// FirstToken is how long a provider has until its first token, and
	// NextToken until each further one, before another is tried or the answer
	// is given up.
	FirstToken time.Duration `yaml:"first_token"`
	NextToken  time.Duration `yaml:"next_token"`
	// Hedge asks a second provider when the first is slower to begin than nineteen
	// in twenty have been, and takes whoever begins first. What the other had sent
	// by then is paid by the gateway, not by the request's key.
	Hedge bool `yaml:"hedge"`
	// Suspend is how long a provider is left out after a false receipt.
	Suspend time.Duration `yaml:"suspend"`

	// KeepTranscripts keeps prompts and answers beside their receipts, so that the
	// keys that paid for them can have them audited later. Without it a client asks
	// for a transcript with its answer, and keeps it itself.
	KeepTranscripts bool `yaml:"keep_transcripts"`

	// TopUp is where a key's holder buys more, named in the refusals of keys whose
	// budget is used up: a URL in which {key} and {name} stand for the key's
	// identifier and name. Empty for none.
	TopUp string `yaml:"top_up"`
	// Public serves whoever pays: a request without a key is told what it costs, and
	// served with a grant of its caller's own. The gateway's money is not touched.
	Public bool `yaml:"public"`
	// MaxBody bounds a request's body in bytes.
	MaxBody int64 `yaml:"max_body"`
	// MaxInFlight bounds one key's requests at once.
	MaxInFlight int `yaml:"max_in_flight"`
	// Shutdown is how long running answers may take to end when the gateway stops.
	Shutdown time.Duration `yaml:"shutdown"`
}

// DefaultConfig is a gateway for a ledger on the same machine.
func DefaultConfig() Config {
	return Config{
		Listen:        "127.0.0.1:8080",
		Deposit:       20_000_000,
		TopUpBelow:    10_000_000,
		TicketValue:   100,
		GrantCap:      1_000_000,
		GrantLifetime: 12 * time.Hour,
		MaxTickets:    100_000,
		RevealEvery:   64,
		Poll:          2 * time.Second,
		Probe:         5 * time.Second,
		FirstToken:    30 * time.Second,
		NextToken:     30 * time.Second,
		Suspend:       time.Hour,
		MaxBody:       1 << 20,
		MaxInFlight:   256,
		Shutdown:      10 * time.Second,
	}
}

// ErrConfig says that a setting is missing or makes no sense.
var ErrConfig = errors.New("gateway configuration")

// Validate checks every setting.
func (c Config) Validate() error {
	for _, rule := range []struct {
		ok   bool
		text string
	}{
		{c.Home != "", "home must be a directory"},
		{c.Listen != "", "listen must be host:port"},
		{c.ChainID != "", "chain_id must be the ledger's"},
		{c.TopUpBelow <= c.Deposit, "top_up_below must not exceed deposit"},
		{c.TicketValue > 0, "ticket_value must be positive"},
		{c.GrantCap >= c.TicketValue, "grant_cap must be at least ticket_value"},
		{c.GrantLifetime >= time.Minute, "grant_lifetime must be at least 1m"},
		{c.MaxTickets > 0, "max_tickets must be positive"},
		{c.Poll > 0 && c.Probe > 0, "poll and probe must be positive"},
		{c.FirstToken > 0 && c.NextToken > 0, "first_token and next_token must be positive"},
		{c.Suspend >= 0 && c.Shutdown >= 0, "suspend and shutdown must not be negative"},
		{c.MaxBody > 0 && c.MaxInFlight > 0, "max_body and max_in_flight must be positive"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: %s", ErrConfig, rule.text)
		}
	}
	return nil
}
