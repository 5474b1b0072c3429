package provider

import (
	"math"
	"sync"
	"time"
)

// Activity is what a provider did since it started, and what it is owed now.
// Amounts are in ucredit.
type Activity struct {
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // of a pause
	// Running is the number of open streams, Slots how many are served at once.
	Running int `json:"running"`
	Slots   int `json:"slots"`
	// Requests are those that ended, Failed those of them that ended with an
	// error of this provider's.
	Requests         uint64 `json:"requests"`
	Failed           uint64 `json:"failed"`
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	// TokensPerSecond are tokens of answers, over the last ten seconds or so.
	TokensPerSecond float64 `json:"tokens_per_second"`
	// Grants that may be served on, Locked what the ledger holds for them.
	Grants int    `json:"grants"`
	Locked uint64 `json:"locked"`
	// Exposed was served and no ticket covers it yet: what could be lost.
	Exposed uint64 `json:"exposed"`
	// Pending is covered by tickets that the ledger has not seen yet.
	Pending uint64 `json:"pending"`
	// Redeemed went to the ledger since the start, before its split.
	Redeemed uint64 `json:"redeemed"`
	// LastError is the last failure of a request, without anything of the request.
	LastError string `json:"last_error,omitempty"`
}

// tally counts what a provider does.
type tally struct {
	mu                           sync.Mutex
	requests, failed             uint64
	prompt, completion, redeemed uint64
	lastError                    string
	rate                         float64 // tokens per second, as of last
	last                         time.Time
}

// memory is the time over which the rate of tokens forgets all but 1/e.
const memory = 10 * time.Second

// token counts one token of an answer.
func (t *tally) token(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.completion++
	t.rate = t.decayed(now) + 1/memory.Seconds()
	t.last = now
}

// decayed is the rate now. The lock is held.
func (t *tally) decayed(now time.Time) float64 {
	return t.rate * math.Exp(-max(0, now.Sub(t.last).Seconds())/memory.Seconds())
}

// ended counts a request that was accepted.
func (t *tally) ended(prompt int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	t.prompt += uint64(prompt)
}

// failure counts why a request failed here.
func (t *tally) failure(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.lastError = cause.Error()
}

// collected counts what a redemption came to, in ucredit.
func (t *tally) collected(amount uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.redeemed += amount
}

// Activity is what the provider did and does.
func (p *Provider) Activity() Activity {
	state, reason := p.State()
	a := Activity{State: state, Reason: reason, Running: len(p.streams), Slots: p.config.Slots}
	p.tally.mu.Lock()
	a.Requests, a.Failed, a.LastError = p.tally.requests, p.tally.failed, p.tally.lastError
	a.PromptTokens, a.CompletionTokens = p.tally.prompt, p.tally.completion
	a.TokensPerSecond, a.Redeemed = p.tally.decayed(p.now()), p.tally.redeemed
	p.tally.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.books {
		b.mu.Lock()
		if b.state == pending || b.state == active {
			a.Grants++
			a.Exposed += b.meter.Unpaid()
			a.Pending += b.unredeemed()
		}
		if b.state == active {
			a.Locked += b.meter.Cap() - min(b.meter.Cap(), b.redeemed*b.signed.TicketValue)
		}
		b.mu.Unlock()
	}
	return a
}
