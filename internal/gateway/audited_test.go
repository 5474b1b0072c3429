package gateway

import (
	"net/http"
	"testing"
	"time"
)

// The ledger's audit records choose, and show in the list of models.
func TestAuditRecordsChoose(t *testing.T) {
	proven := newScripted(t, "proven", times(testPrice, 3), "proven")
	cheap := newScripted(t, "cheap", testPrice, "cheap")
	h := newHarness(t, proven, cheap)
	h.ledger.mu.Lock()
	h.ledger.audited = map[string]float64{proven.address: 0.875}
	h.ledger.mu.Unlock()
	d := h.gateway.directory
	d.now = func() time.Time { return time.Now().Add(2 * recordsFor) } // what was read is old
	if err := d.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := h.chat(hello + `,"provider":{"min_audit_score":0.8}}`)
	if got := field(t, r.body, "choices.0.message.content"); r.status != http.StatusOK || got != "proven" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.chat(hello + `,"provider":{"min_audit_score":0.9}}`); r.status != http.StatusNotFound {
		t.Errorf("nobody is that proven: %d %s", r.status, r.body)
	}
	if r := h.do("GET", "/v1/models/bard", h.key, ""); field(t, r.body, "koinon.audit_score") != 0.875 {
		t.Errorf("%s", r.body)
	}
}
