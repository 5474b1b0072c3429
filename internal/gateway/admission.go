package gateway

import (
	"fmt"
	"strings"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

// Access is who may call which version, as the ledger says.
type Access struct {
	Policies []accessv1.Policy // of versions that have one
	Plans    []accessv1.Plan   // by which access tokens are sold
	Tokens   []accessv1.Token  // that the payer holds
}

// gate is what a call of a gated version needs. A version that is open has none.
type gate struct {
	listed bool             // the payer is
	tokens []accessv1.Token // of the payer's, for this version
	plans  []accessv1.Plan  // by which one can be bought
}

// close gates the versions that their policies gate.
func (m *market) close(a Access, payer string) {
	for _, p := range a.Policies {
		digest, err := receipt.ParseDigest(p.Digest)
		v := m.byDigest[digest]
		if err != nil || v == nil || !p.Gated {
			continue
		}
		_, err = access.Admit(access.Policy{Gated: true, Accounts: p.Accounts}, nil, access.Request{Payer: payer, Right: access.Listed}, 0)
		v.gate = &gate{listed: err == nil}
		for _, t := range a.Tokens {
			if access.Covers(t.Scope, v.Name) {
				v.gate.tokens = append(v.gate.tokens, t)
			}
		}
		for _, plan := range a.Plans {
			if plan.Model == v.Name && !plan.Closed {
				v.gate.plans = append(v.gate.plans, plan)
			}
		}
	}
}

// right is under which a call is made.
type right struct {
	name string
	// metered rights are for a number of calls; room is how many a new grant may
	// still set aside.
	metered bool
	room    uint64
}

// perGrant is which part of an access token's calls one grant sets aside: there may
// be several providers.
const perGrant = 4

// enter finds the right under which the payer may call a version, or tells the
// client what to buy.
func (g *Gateway) enter(v *version) (right, error) {
	if v.gate == nil {
		return right{}, nil
	}
	if v.gate.listed {
		return right{name: access.Listed}, nil
	}
	for _, t := range v.gate.tokens {
		if t.Until != 0 && g.now().Unix() >= t.Until {
			continue
		}
		r := right{name: access.Right(t.Id), metered: t.Metered}
		if !t.Metered {
			return r, nil
		}
		// What was promised and is not yet on the ledger is not to be had twice.
		promised, free := g.wallet.Calls(r.name)
		all := t.Left + t.Reserved + t.Used
		r.room = min(t.Left, all-min(all, promised))
		if r.room+free > 0 {
			return r, nil
		}
	}
	return right{}, barred(v, "")
}

// calls is how many calls a new grant under the right sets aside; 0 for any number.
func (r right) calls() uint64 {
	if !r.metered {
		return 0
	}
	return max(min(r.room, 1), r.room/perGrant)
}

// barred tells a client that it may not call a version, what its provider said, and
// what to buy.
func barred(v *version, said string) *openai.Error {
	text := fmt.Sprintf("The model '%s' is for holders of an access token", v.label())
	if said != "" {
		text += " (" + said + ")"
	}
	var offers []string
	if v.gate != nil {
		for _, p := range v.gate.plans {
			offers = append(offers, fmt.Sprintf("%s for %s: koinon access buy %d", access.Terms{Calls: p.Calls, Seconds: p.Seconds}, credit.Dollars(p.Price), p.Id))
		}
	}
	remedy := "None is for sale: ask the model's owner, " + v.Version.Owner + "."
	if len(offers) > 0 {
		remedy = "Whoever pays for the call can buy one: " + strings.Join(offers, "; ") + "."
	}
	return openai.Forbidden("access_required", "model", "%s. %s", text, remedy)
}
