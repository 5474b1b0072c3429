// Package access says who may call a model version, and counts the calls of
// access tokens.
//
// A version is open, or gated: then its policy lists who may call it, and whoever
// holds an access token of its model may too. A grant names the right that its
// calls are made under, which its payer signs with the grant, so that nothing
// secret admits anybody. Calls of a metered token are set aside when a grant is
// activated and counted when it closes; no call waits for the ledger.
package access

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// Listed is the right of an account that a version's policy lists. The empty
// right is everybody's, to open versions.
const Listed = "list"

const tokenPrefix = "token/"

// MaxAccounts bounds a policy's list.
const MaxAccounts = 256

// Bounds of what tokens are good for.
const (
	MaxSeconds = 100 * 366 * 24 * 3600
	MaxCalls   = math.MaxInt64
)

// Refusals.
var (
	ErrGated    = errors.New("the version is gated: a grant has to name the right that its calls are made under")
	ErrRight    = errors.New(`a right is empty, "list", or "token/" and an access token's number`)
	ErrListed   = errors.New("the payer is not on the version's list")
	ErrHolder   = errors.New("the access token is somebody else's")
	ErrScope    = errors.New("the access token is for other models")
	ErrEnded    = errors.New("the access token has ended")
	ErrCalls    = errors.New("the access token has too few calls left")
	ErrUnbound  = errors.New("a grant under an access token for a number of calls says how many it may make")
	ErrFixed    = errors.New("the access token cannot be transferred")
	ErrInUse    = errors.New("the access token cannot be transferred while grants under it are active: wait until they close")
	ErrTerms    = errors.New("terms of access out of range")
	ErrAccounts = fmt.Errorf("a policy lists at most %d accounts, in alphabetical order and each once", MaxAccounts)
)

// Right is the right of an access token.
func Right(token uint64) string { return tokenPrefix + strconv.FormatUint(token, 10) }

// TokenOf is the token that a right names, or ErrRight; ok is false for a right
// that needs none.
func TokenOf(right string) (token uint64, ok bool, err error) {
	if right == "" || right == Listed {
		return 0, false, nil
	}
	id, found := strings.CutPrefix(right, tokenPrefix)
	if token, err = strconv.ParseUint(id, 10, 64); !found || err != nil || Right(token) != right {
		return 0, false, fmt.Errorf("%w, not %q", ErrRight, right)
	}
	return token, true, nil
}

// Policy says who may call a version.
type Policy struct {
	Gated    bool
	Accounts []string // in alphabetical order; of a gated version
}

// Validate checks the list.
func (p Policy) Validate() error {
	if len(p.Accounts) > MaxAccounts || !p.Gated && len(p.Accounts) > 0 {
		return ErrAccounts
	}
	for i, a := range p.Accounts {
		if a == "" || i > 0 && p.Accounts[i-1] >= a {
			return ErrAccounts
		}
	}
	return nil
}

// Terms are what a token is good for.
type Terms struct {
	Calls        uint64 // 0 for any number
	Seconds      int64  // from when it is made; 0 for ever
	Transferable bool
}

// Validate checks that terms are in range.
func (t Terms) Validate() error {
	if t.Calls > MaxCalls || t.Seconds < 0 || t.Seconds > MaxSeconds {
		return fmt.Errorf("%w: %d calls in %d seconds", ErrTerms, t.Calls, t.Seconds)
	}
	return nil
}

// String says it to people: 100 calls in 30 days.
func (t Terms) String() string {
	text := "any number of calls"
	if t.Calls > 0 {
		text = many(t.Calls, "call")
	}
	if t.Seconds == 0 {
		return text
	}
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{24 * 3600, "day"}, {3600, "hour"}, {60, "minute"}} {
		if t.Seconds%unit.seconds == 0 {
			return text + " in " + many(uint64(t.Seconds/unit.seconds), unit.name)
		}
	}
	return text + " in " + many(uint64(t.Seconds), "second")
}

func many(n uint64, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// Token is an access token.
type Token struct {
	Scope  string // a model's name, or a namespace's
	Holder string
	Until  int64 // Unix seconds; 0 for ever
	// Metered tokens are good for so many calls: Left, Reserved by active grants,
	// and Used always make what there was at first.
	Metered              bool
	Left, Reserved, Used uint64
	Grants               uint64 // that are active under it
	Transferable         bool
}

// New makes a token by its terms, which are valid.
func New(scope, holder string, t Terms, now int64) Token {
	token := Token{Scope: scope, Holder: holder, Metered: t.Calls > 0, Left: t.Calls, Transferable: t.Transferable}
	if t.Seconds > 0 {
		token.Until = now + t.Seconds
	}
	return token
}

// Covers says whether a scope, a model's name or a namespace's, is of a model.
func Covers(scope, model string) bool {
	space, _, err := registry.ParseName(model)
	return scope == model || err == nil && space != "" && scope == space
}

// Request is what a grant asks for.
type Request struct {
	Model string // its name
	Payer string
	Right string
	Calls uint64 // the most that the grant may make; 0 for any number
}

// Admit refuses a grant that its payer may not make. The token is the one that the
// right names, or nil; it is returned with the grant's calls set aside.
func Admit(p Policy, t *Token, r Request, now int64) (*Token, error) {
	switch {
	case r.Right == "" && p.Gated:
		return nil, ErrGated
	case r.Right == "":
		return nil, nil
	case r.Right == Listed:
		if _, found := slices.BinarySearch(p.Accounts, r.Payer); !found {
			return nil, fmt.Errorf("%w: %s", ErrListed, r.Payer)
		}
		return nil, nil
	case t == nil:
		return nil, fmt.Errorf("%w: %s", ErrRight, r.Right)
	case t.Holder != r.Payer:
		return nil, fmt.Errorf("%w: %s is not %s's", ErrHolder, r.Right, r.Payer)
	case !Covers(t.Scope, r.Model):
		return nil, fmt.Errorf("%w: %s, not %s", ErrScope, t.Scope, r.Model)
	case t.Until != 0 && now >= t.Until:
		return nil, fmt.Errorf("%w: at %d, it is %d", ErrEnded, t.Until, now)
	}
	next := *t
	next.Grants++
	if t.Metered {
		if r.Calls == 0 {
			return nil, ErrUnbound
		}
		if r.Calls > t.Left {
			return nil, fmt.Errorf("%w: %d, the grant is for %d", ErrCalls, t.Left, r.Calls)
		}
		next.Left, next.Reserved = t.Left-r.Calls, t.Reserved+r.Calls
	}
	return &next, nil
}

// Settle ends a grant that Admit let in: of the calls that it set aside, those
// that it made are used and the others are left. It returns how many were used.
func Settle(t Token, calls, made uint64) (Token, uint64) {
	t.Grants--
	if !t.Metered {
		return t, 0
	}
	made = min(made, calls)
	t.Reserved -= calls
	t.Used += made
	t.Left += calls - made
	return t, made
}

// Transfer gives a token to another holder. One that is in use stays where it is:
// else a token for a time could be used by many at once.
func Transfer(t Token, from, to string, now int64) (Token, error) {
	switch {
	case t.Holder != from:
		return t, ErrHolder
	case !t.Transferable:
		return t, ErrFixed
	case t.Until != 0 && now >= t.Until:
		return t, ErrEnded
	case t.Grants > 0:
		return t, fmt.Errorf("%w: %d", ErrInUse, t.Grants)
	}
	t.Holder = to
	return t, nil
}

// Sale is how the price of a token is divided: as an answer of the version is,
// but for what providers, apps and curators have of an answer, which is the
// model's royalty. So parents have of access what they have of answers.
func Sale(p split.Policy, model string) split.Policy {
	more := p.ProviderBps + p.AppBps + p.CuratorsBps
	p.ProviderBps, p.AppBps, p.CuratorsBps = 0, 0, 0
	if more == 0 {
		return p
	}
	p.Royalties = slices.Clone(p.Royalties)
	for i := range p.Royalties {
		if p.Royalties[i].Recipient == model {
			p.Royalties[i].Bps += more
			return p
		}
	}
	p.Royalties = append(p.Royalties, split.Share{Recipient: model, Bps: more})
	return p
}

// Credential admits its holder to a scope until it ends. The scope's owner signs
// it off the ledger.
type Credential struct {
	ChainID string
	Scope   string
	Holder  string
	Until   int64 // Unix seconds
	Issued  int64 // when it was signed, in Unix seconds
}

// Revoked says whether a revocation at a time takes the credential back: whatever was
// issued until then, that second included. What is issued later admits again.
func (c Credential) Revoked(at int64) bool { return c.Issued <= at }

// Bytes is the credential's canonical form: what is signed.
func (c Credential) Bytes() []byte {
	w := canonical.Writer("koinon/credential/v1\x00")
	for _, text := range []string{c.ChainID, c.Scope, c.Holder} {
		w.Bytes([]byte(text))
	}
	w.Uint64(uint64(c.Until))
	w.Uint64(uint64(c.Issued))
	return w
}
