package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

func TestCheapestIsChosen(t *testing.T) {
	dear := newScripted(t, "a", receipt.Price{Input: 2e6, Output: 2e7}, "dear")
	cheap := newScripted(t, "b", testPrice, "cheap")
	h := newHarness(t, dear, cheap)
	for range 3 {
		if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "cheap" {
			t.Fatal(got.body)
		}
	}
	cheap.set(func(p *scripted) { p.down = true })
	if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "dear" {
		t.Fatal(got.body)
	}
	h.gateway.Probe(context.Background())
	cheap.set(func(p *scripted) { p.down = false })
	if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "dear" {
		t.Fatal("a dead provider was chosen before a probe found it alive", got.body)
	}
	h.gateway.Probe(context.Background())
	if got := h.chat(hello + "}"); field(t, got.body, "choices.0.message.content") != "cheap" {
		t.Fatal(got.body)
	}
}

// TestFailover: whatever a provider does before its first token, the client
// does not notice.
func TestFailover(t *testing.T) {
	for name, script := range map[string]func(*serving) error{
		"hangs up at once":       func(s *serving) error { return nil },
		"hangs up once accepted": func(s *serving) error { return s.accept() },
		"resets":                 func(s *serving) error { return s.stream.Reset() },
		"busy":                   func(s *serving) error { return inference.Errorf(inference.CodeBusy, "full") },
		"draining":               func(s *serving) error { return inference.Errorf(inference.CodeDraining, "going") },
		"fails":                  func(s *serving) error { return inference.Errorf(inference.CodeInternal, "oops") },
		"has another model":      func(s *serving) error { return inference.Errorf(inference.CodeModelNotFound, "none") },
		"refuses the grant":      func(s *serving) error { return inference.Errorf(inference.CodeGrantRefused, "no") },
		"wants payment":          func(s *serving) error { return inference.Errorf(inference.CodePaymentRequired, "more") },
		"sends garbage":          func(s *serving) error { _, err := s.stream.Write([]byte{5, 1, 2, 3, 4, 5}); return err },
		"miscounts the prompt": func(s *serving) error {
			s.prompt = append(s.prompt, 1)
			return s.accept()
		},
		"sends a token from nowhere": func(s *serving) error { return s.token(70000, 0) },
		"is silent":                  func(s *serving) error { <-s.left; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bad := newScripted(t, "a", receipt.Price{Input: 1, Output: 1}, "bad")
			bad.script = script
			good := newScripted(t, "b", testPrice, "good")
			h := newHarness(t, bad, good)
			got := h.chat(hello + `,"stream":true}`)
			if got.status != 200 || strings.Contains(got.body, "error") || got.header.Get(openai.HeaderProvider) != good.address {
				t.Fatalf("%d %v %s", got.status, got.header, got.body)
			}
			if bad.count() == 0 {
				t.Error("the cheaper one was not tried")
			}
			if spent := h.spent(h.keyID); spent != 11+40 {
				t.Errorf("the key was charged %d", spent)
			}
			if paid, _ := bad.paid(); paid != 0 {
				t.Errorf("a provider that served nothing was paid %d", paid)
			}
		})
	}
}

func TestNoProvider(t *testing.T) {
	p := newScripted(t, "p", testPrice, "x")
	p.script = func(*serving) error { return inference.Errorf(inference.CodeBusy, "full") }
	h := newHarness(t, p)
	got := h.chat(hello + "}")
	if got.status != 503 || field(t, got.body, "error.code") != "overloaded" || got.header.Get("Retry-After") != "1" {
		t.Errorf("all busy: %d %v %s", got.status, got.header, got.body)
	}
	p.set(func(p *scripted) { p.down = true })
	for range 2 { // found out, then known
		got = h.chat(hello + "}")
		if got.status != 503 || field(t, got.body, "error.code") != "no_provider" || got.header.Get("Retry-After") == "" {
			t.Errorf("none: %d %v %s", got.status, got.header, got.body)
		}
	}
	if spent := h.spent(h.keyID); spent != 0 {
		t.Errorf("the key was charged %d for nothing", spent)
	}
}

func TestFailureInTheMiddle(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	p.script = func(s *serving) error {
		_, err := s.generate(5)
		if err == nil {
			err = s.stream.Reset()
		}
		return err
	}
	h := newHarness(t, p, newScripted(t, "z", receipt.Price{Input: 2e6, Output: 2e7}, "another answer"))
	h.ledger.class = modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL // nobody can go on with it
	if err := h.gateway.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := h.chat(hello + `,"stream":true}`)
	events := readEvents(t, got.body)
	if last := events[len(events)-1]; field(t, last, "error.code") != "provider_failed" {
		t.Errorf("the last event: %s", last)
	}
	if strings.Contains(got.body, "another") || strings.Contains(got.body, "[DONE]") {
		t.Errorf("not a clean end: %s", got.body)
	}
	// What arrived before the break may be fewer than were sent.
	if spent := h.spent(h.keyID); spent > 11+50 || spent < 21 {
		t.Errorf("charged %d, at most 61 was received", spent)
	}
	p.set(func(p *scripted) { p.script = nil })
}

// TestDisconnect: a client that leaves stops the generation, and pays for what
// it received.
func TestDisconnect(t *testing.T) {
	p := newScripted(t, "p", testPrice, strings.Repeat("x", 100))
	release := make(chan struct{})
	p.pace = func(token int) {
		if token == 7 {
			<-release
		}
	}
	h := newHarness(t, p)
	ctx, leave := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, "POST", h.server.URL+"/v1/chat/completions", strings.NewReader(hello+`,"stream":true}`))
	request.Header.Set("Authorization", "Bearer "+h.key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	seen := ""
	for strings.Count(seen, `"content":"x"`) < 7 {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen += string(buffer[:n])
	}
	leave()
	response.Body.Close()
	eventually(t, "the key is charged", func() bool { return h.spent(h.keyID) == 11+70 })
	eventually(t, "the ticket arrives", func() bool { paid, _ := p.paid(); return paid == 100 })
	// Else the gateway may not have seen that its client left, and takes more.
	eventually(t, "the gateway leaves", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.parted == 1 })
	close(release)
	eventually(t, "the generation stops", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.broken == 1 })
	eventually(t, "the provider claims no more", func() bool { _, owed := p.paid(); return owed <= 11+70 })
	// The budget is free again: the rest is not held back.
	eventually(t, "the reservation ends", func() bool {
		key, err := h.gateway.Store().Key(context.Background(), h.keyID)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := h.gateway.budgets.Reserve(key, dollar-81, h.gateway.now())
		if err != nil {
			return false
		}
		rest.Settle(0)
		return true
	})
}

// TestFailureWithReceipt: a provider that fails and signs for what it sent is
// paid for it.
func TestFailureWithReceipt(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	p.script = func(s *serving) error {
		output, err := s.generate(5)
		if err != nil {
			return err
		}
		s.account.mu.Lock()
		defer s.account.mu.Unlock()
		return &inference.Error{Code: inference.CodeInternal, Message: "out of memory", Receipt: s.receipt(output, "error")}
	}
	h := newHarness(t, p)
	got := h.chat(hello + `,"stream":true}`)
	if events := readEvents(t, got.body); field(t, events[len(events)-1], "error.code") != "provider_failed" {
		t.Errorf("the end: %s", got.body)
	}
	if kept := h.receipts(); len(kept) != 1 || kept[0].Problem != "" {
		t.Errorf("receipts: %+v", kept)
	}
	if spent := h.spent(h.keyID); spent != 11+50 {
		t.Errorf("charged %d", spent)
	}
	eventually(t, "the ticket arrives", func() bool { paid, _ := p.paid(); return paid == 100 })
}

func TestFalseReceipt(t *testing.T) {
	bad := newScripted(t, "a", receipt.Price{Input: 1, Output: 1}, "words")
	bad.forge = func(r *receipt.Receipt) { r.CompletionTokens++; r.OutputDigest[0] ^= 1 }
	good := newScripted(t, "b", testPrice, "words")
	h := newHarness(t, bad, good)
	got := h.chat(hello + `,"stream":true}`)
	events := readEvents(t, got.body)
	if last := events[len(events)-1]; field(t, last, "error.code") != "provider_failed" {
		t.Errorf("the last event: %s", last)
	}
	kept := h.receipts()
	if len(kept) != 1 || kept[0].Problem == "" || kept[0].Provider != bad.address {
		t.Fatalf("the evidence: %+v", kept)
	}
	for range 2 {
		if got := h.chat(hello + "}"); got.header.Get(openai.HeaderProvider) != good.address {
			t.Errorf("served by %s", got.header.Get(openai.HeaderProvider))
		}
		h.restart(nil) // a suspension outlives the process
	}
}

// TestOverCounting: a receipt that counts more tokens than came is refused, and kept
// with what convicts it on the ledger, where its own digest shows it.
func TestOverCounting(t *testing.T) {
	for name, forge := range map[string]func(*receipt.Receipt){
		"answer": func(r *receipt.Receipt) { r.CompletionTokens += 3 },
		"prompt": func(r *receipt.Receipt) { r.PromptTokens += 3 },
	} {
		p := newScripted(t, "p", receipt.Price{}, "words")
		p.forge = forge
		h := newHarness(t, p)
		h.chat(hello + "}")
		kept := h.receipts()
		if len(kept) != 1 || kept[0].Problem == "" || kept[0].Counts == nil {
			t.Fatalf("%s: the evidence: %+v", name, kept)
		}
		var record receipt.Record
		shown := h.do("GET", "/v1/receipts/"+kept[0].ID.Hex(), h.key, "")
		if err := json.Unmarshal([]byte(shown.body), &record); err != nil {
			t.Fatal(err)
		}
		if err := record.Receipt.OverCounts(record.Counts.Prompt, record.Counts.Answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for range 2 { // the ledger is shown it, once
			if err := h.gateway.accuseNow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.ledger.accused; len(got) != 1 || got[0].Receipt.OverCounts(got[0].Counts.Prompt, got[0].Counts.Answer) != nil {
			t.Errorf("%s: the ledger was shown %+v", name, got)
		}
	}
}

// TestEquivocation: of two receipts for one place, the ledger is shown both.
func TestEquivocation(t *testing.T) {
	p := newScripted(t, "p", receipt.Price{}, "words")
	again := false
	p.forge = func(r *receipt.Receipt) {
		if again {
			r.Sequence, r.Previous = 1, receipt.Digest{}
		}
	}
	h := newHarness(t, p)
	h.chat(hello + "}")
	again = true
	h.chat(hello + "}")
	h.receipts() // all that came is on disk
	if err := h.gateway.accuseNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := h.ledger.accused
	if len(got) != 1 || got[0].Other == nil || receipt.Equivocates(got[0].Receipt, *got[0].Other) != nil {
		t.Errorf("the ledger was shown %+v", got)
	}
}
