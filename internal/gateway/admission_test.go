package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	"github.com/koinon/koinon/receipt"
)

// A gated version is called under a right of the payer's, as often as that is good
// for; else the client hears what to buy.
func TestGatedVersions(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	set := func(a Access) {
		t.Helper()
		a.Policies = append(a.Policies, accessv1.Policy{Digest: testModel.String(), Gated: true})
		h.ledger.mu.Lock()
		h.ledger.access = a
		h.ledger.mu.Unlock()
		if err := h.gateway.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(status int, text string) {
		t.Helper()
		if got := h.chat(hello + `,"max_tokens":10}`); got.status != status || !strings.Contains(got.body, text) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	name := h.gateway.directory.current.Load().versions[0].Name
	hour := time.Now().Add(time.Hour).Unix()
	plan := accessv1.Plan{Id: 3, Model: name, Calls: 100, Seconds: 30 * 24 * 3600, Price: 5 * dollar}
	token := accessv1.Token{Id: 9, Scope: name, Holder: testPayer, Metered: true, Left: 2}

	set(Access{Plans: []accessv1.Plan{plan, {Id: 4, Model: name, Closed: true}, {Id: 5, Model: "another"}}})
	ask(403, "100 calls in 30 days for $5.00: koinon access buy 3.")
	set(Access{Tokens: []accessv1.Token{{Id: 8, Scope: name, Until: time.Now().Unix() - 1}, {Id: 7, Scope: "another", Until: hour}}})
	ask(403, "None is for sale")
	set(Access{Tokens: []accessv1.Token{token}})
	ask(200, "0123456789")
	ask(200, "0123456789")
	ask(403, "access_required") // though the ledger has not counted them yet
	set(Access{Tokens: []accessv1.Token{token, {Id: 10, Scope: name, Until: hour}}})
	ask(200, "0123456789")
	rights := map[string]uint64{}
	p.mu.Lock()
	for _, a := range p.grants {
		rights[a.grant.Right] += a.grant.Calls
	}
	p.mu.Unlock()
	if len(rights) != 2 || rights["token/9"] != 2 || rights["token/10"] != 0 {
		t.Errorf("calls were set aside by right: %v", rights)
	}
}

// An offer above what shareholders allow is not chosen, and the log says why, once.
func TestOffersAboveTheCeiling(t *testing.T) {
	h := newHarness(t, newScripted(t, "dear", testPrice, "dear"), newScripted(t, "cheap", receipt.Price{Input: testPrice.Input, Output: testPrice.Output - 1}, "cheap"))
	name := h.gateway.directory.current.Load().versions[0].Name
	h.ledger.mu.Lock()
	h.ledger.ceilings = []assemblyv1.ModelCeiling{{Model: name, Ceiling: assemblyv1.Ceiling{OutputPrice: testPrice.Output - 1}}}
	h.ledger.mu.Unlock()
	for range 2 {
		if err := h.gateway.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if got := h.chat(hello + `,"max_tokens":5}`); got.status != 200 || !strings.Contains(got.body, "cheap") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if n := strings.Count(h.log.String(), "above what the model's shareholders allow"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}
