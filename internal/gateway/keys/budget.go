package keys

import (
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/gateway/store"
)

// Budgets holds back what running requests may cost, so that requests in
// parallel never spend more than a key has. What is spent is in the store;
// what is held back is in memory alone, for it ends with the process.
type Budgets struct {
	mu       sync.Mutex
	accounts map[string]*account
}

// account is one key's balance as this process, the only one that spends, sees it.
type account struct {
	window   int64  // number of the key's period
	spent    uint64 // ucredit, in that period, by requests that have ended
	reserved uint64 // ucredit, the most that running requests may spend
}

// NewBudgets starts with nothing held back.
func NewBudgets() *Budgets { return &Budgets{accounts: map[string]*account{}} }

// Reservation holds back part of a key's budget until it is settled.
type Reservation struct {
	budgets *Budgets
	account *account
	amount  uint64
}

// Reserve holds back the most that a request may cost, in ucredit, or refuses
// with [ErrBudget]. A request counts in the period in which it ends.
func (b *Budgets) Reserve(key store.Key, amount uint64, now time.Time) (*Reservation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[key.ID]
	if a == nil {
		a = &account{window: key.WindowAt(now), spent: key.SpentAt(now)} // nothing of this key runs, so the stored value is final
		b.accounts[key.ID] = a
	}
	if window := key.WindowAt(now); window > a.window {
		a.window, a.spent = window, 0
	}
	taken, carry := bits.Add64(a.spent, a.reserved, 0)
	left := key.Budget - min(key.Budget, taken)
	if carry != 0 || left == 0 || amount > left {
		return nil, fmt.Errorf("%w: %s of %s left, it may cost %s", ErrBudget,
			credit.Dollars(left), credit.Dollars(key.Budget), credit.Dollars(amount))
	}
	a.reserved += amount
	return &Reservation{b, a, amount}, nil
}

// Settle ends the reservation at what the request really cost. Settling twice
// changes nothing.
func (r *Reservation) Settle(cost uint64) {
	if r == nil { // somebody else pays
		return
	}
	r.budgets.mu.Lock()
	defer r.budgets.mu.Unlock()
	if r.account == nil {
		return
	}
	r.account.reserved -= r.amount
	r.account.spent += cost
	r.account = nil
}
