package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

// TestTranscripts: who asks for a transcript gets one that is of its receipt; nobody
// else does, and the gateway keeps none unless its operator says so.
func TestTranscripts(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be")
	h := newHarness(t, p)
	nonce := strings.Repeat("0a", 32)
	type answered struct {
		Koinon openai.Koinon `json:"koinon"`
	}
	var asked, plain answered
	if err := json.Unmarshal([]byte(h.chat(warm+`,"transcript":true,"nonce":"`+nonce+`"}`).body), &asked); err != nil {
		t.Fatal(err)
	}
	kept := h.receipts()[0]
	r, err := receipt.Decode(kept.Body)
	if err != nil {
		t.Fatal(err)
	}
	if asked.Koinon.Transcript == nil {
		t.Fatal("no transcript")
	}
	if err := asked.Koinon.Transcript.Verify(r); err != nil || r.Seed.Nonce.Hex() != nonce || r.Verify() != nil {
		t.Errorf("%v, %v; the nonce is %s", err, r.Verify(), r.Seed.Nonce)
	}
	if err := json.Unmarshal([]byte(h.chat(hello+`,"transcript":true,"nonce":"`+nonce+`"}`).body), &asked); err != nil || asked.Koinon.Transcript == nil {
		t.Fatal("no transcript at temperature 0", err)
	}
	if r, err = receipt.Decode(h.receipts()[0].Body); err != nil || !r.Seed.Equal(receipt.NameSeed(0)) || asked.Koinon.Transcript.Verify(r) != nil {
		t.Errorf("a seed of nothing that is drawn: %+v, %v", r.Seed, err)
	}
	body := h.chat(hello + "}").body
	if err := json.Unmarshal([]byte(body), &plain); err != nil || plain.Koinon.Transcript != nil || kept.Transcript != nil {
		t.Errorf("a transcript that nobody asked for: %s", body)
	}
	for _, bad := range []string{`"nonce":"00"`, `"nonce":"` + strings.Repeat("0", 64) + `"`, `"seed":1,"nonce":"` + nonce + `"`} {
		if got := h.chat(hello + "," + bad + "}"); got.status != http.StatusBadRequest || field(t, got.body, "error.param") != "nonce" {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}

	h.restart(func(c *Config) { c.KeepTranscripts = true })
	h.chat(hello + "}")
	last := h.receipts()[0]
	if last.Transcript == nil {
		t.Fatal("none is kept")
	}
	shown := h.do("GET", "/v1/receipts/"+last.ID.Hex(), h.key, "")
	var record receipt.Record
	if err := json.Unmarshal([]byte(shown.body), &record); err != nil || record.Transcript == nil {
		t.Fatalf("%v: %s", err, shown.body)
	}
	if err := record.Transcript.Verify(record.Receipt); err != nil {
		t.Error(err)
	}
}
