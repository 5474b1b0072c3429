package devnet_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	buyer "github.com/koinon/koinon/client"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// stranger is Bob, of whom the gateway has never heard.
func stranger(t *testing.T, ctx context.Context, n *devnet.Network, deposit uint64) *buyer.Buyer {
	t.Helper()
	ledger, err := client.Dial(ctx, n.GRPC, n.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	for _, a := range n.Accounts {
		if a.Name != "bob" {
			continue
		}
		key, err := client.KeyFromMnemonic(a.Name, a.Mnemonic)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := key.GrantKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Send(ctx, key, &escrowv1.MsgDeposit{Payer: a.Address, Amount: deposit, GrantKey: signer.Public().(ed25519.PublicKey)}); err != nil {
			t.Fatal(err)
		}
		return &buyer.Buyer{Gateway: n.Gateway, ChainID: n.ChainID, Payer: a.Address, Key: signer, Dir: t.TempDir()}
	}
	t.Fatal("there is no Bob")
	return nil
}

// A stranger without a key is told the price, pays with a grant of its own, and
// is answered; the gateway pays nothing, and the balances are exact.
func TestAStrangerPaysForItself(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	home := t.TempDir()
	c := config(home)
	c.Providers, c.Public = 1, true
	n, err := devnet.Start(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	const deposit = 1_000_000
	before := take(t, ctx, n.Info)
	b := stranger(t, ctx, n, deposit)

	body := `{"model":"` + n.Models[0].Name + `","max_tokens":8,"messages":[{"role":"user","content":"hello"}]}`
	response, err := http.Post(n.Gateway+"/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var q buyer.Quote
	if err := json.NewDecoder(response.Body).Decode(&q); err != nil || response.StatusCode != http.StatusPaymentRequired || q.Version != 1 || len(q.Accepts) != 1 {
		t.Fatalf("%s: %+v, %v", response.Status, q, err)
	}

	weights, err := trivium.Install(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	model, err := engine.Load(weights)
	if err != nil {
		t.Fatal(err)
	}
	var paid, owed uint64
	for i := range 3 {
		var printed strings.Builder
		answer, err := b.Chat(ctx, buyer.Request{
			Model: n.Models[0].Name, Messages: []buyer.Message{{Role: "user", Content: "In the beginning"}}, MaxTokens: 60, MaxCost: 10_000,
			Transcript: true,
		}, func(text string) { printed.WriteString(text) })
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if r := answer.Receipt; r.Payer != b.Payer || r.CompletionTokens == 0 || answer.Text == "" || printed.String() != answer.Text {
			t.Fatalf("answer %d: %+v", i, answer)
		}
		// What it was sold is what the model computes, with a seed that it had a part in.
		found, err := proof.Exact(ctx, model, answer.Receipt, *answer.Transcript, 2)
		if err != nil || found.Verdict != proof.Upheld || answer.Receipt.Seed.Origin != receipt.Drawn {
			t.Errorf("answer %d: %+v, %v; the seed is %s", i, found, err, answer.Receipt.Seed.Origin)
		}
		paid, owed = answer.Paid, owed+answer.Cost
		if value := q.Accepts[0].Extra.TicketValue; paid < owed || paid >= owed+value {
			t.Errorf("answer %d: paid %d, owed %d, a ticket is worth %d", i, paid, owed, value)
		}
	}

	// The provider redeems as it stops, and closes nothing: what is left stays locked.
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if n, err = devnet.Start(ctx, c, nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	after := take(t, ctx, n.Info)
	if before.total() != after.total() {
		t.Errorf("%d ucredit became %d", before.total(), after.total())
	}
	ledger, err := client.Dial(ctx, n.GRPC, n.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	escrow, err := ledger.Escrow(ctx, b.Payer)
	if err != nil || escrow.Available+escrow.Locked+paid != deposit {
		t.Errorf("of %d, %d were paid, and %d and %d are left: %v", deposit, paid, escrow.Available, escrow.Locked, err)
	}
	if after.accounts["buyer"] != before.accounts["buyer"] {
		t.Error("the gateway's account moved")
	}
	grants, err := ledger.Grants(ctx, b.Payer, "")
	if err != nil || len(grants) != 1 {
		t.Errorf("%d grants for three answers of one provider: %v", len(grants), err)
	}
}

// Payments that are none are refused before anything is served.
func TestBadPaymentsAreRefused(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := config(t.TempDir())
	c.Providers, c.Public = 1, true
	n, err := devnet.Start(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	b := stranger(t, ctx, n, 1_000_000)
	ask := buyer.Request{Model: n.Models[0].Name, Messages: []buyer.Message{{Role: "user", Content: "hello"}}, MaxTokens: 8}
	b.Key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) // not the escrow's
	if _, err := b.Chat(ctx, ask, nil); err == nil || !strings.Contains(err.Error(), "grant refused") {
		t.Errorf("a grant that its payer never signed: %v", err)
	}
	for _, header := range []string{"!", "e30=", "eyJ4NDAyVmVyc2lvbiI6MX0="} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Gateway+"/chat/completions",
			strings.NewReader(`{"model":"`+ask.Model+`","messages":[{"role":"user","content":"hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Payment", header)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", header, response.Status)
		}
	}
	ask.MaxCost = 1
	if _, err := b.Chat(ctx, ask, nil); err == nil || !strings.Contains(err.Error(), "at most 1") {
		t.Errorf("more than was allowed: %v", err)
	}
}

// meddling is a transport that changes what a buyer sends.
type meddling func(*http.Request) (*http.Response, error)

func (m meddling) RoundTrip(r *http.Request) (*http.Response, error) { return m(r) }

// A stranger who is served and gives no ticket gets little: the answer stops, and
// nobody's balance moves.
func TestAStrangerWhoGivesNoTickets(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := config(t.TempDir())
	c.Providers, c.Public = 1, true
	n, err := devnet.Start(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	const deposit = 1_000_000
	before := take(t, ctx, n.Info)
	b := stranger(t, ctx, n, deposit)
	b.HTTP = &http.Client{Transport: meddling(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/tickets") {
			none := `{"owed":0,"revealed":0,"due":0,"running":0}`
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(none)), Header: http.Header{}, Request: r}, nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	ask := buyer.Request{Model: n.Models[0].Name, Messages: []buyer.Message{{Role: "user", Content: "In the beginning"}}, MaxTokens: 400}
	// A ticket's worth each time, until its debt is too much ([provider.Config.MaxDebt]).
	answer, err := b.Chat(ctx, ask, nil)
	if !errors.Is(err, buyer.ErrBroken) || answer.Text == "" || len(answer.Text) > 60 {
		t.Errorf("%q for nothing: %v", answer.Text, err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if n, err = devnet.Start(ctx, c, nil); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	after := take(t, ctx, n.Info)
	if before.total() != after.total() {
		t.Errorf("%d ucredit became %d", before.total(), after.total())
	}
	ledger, err := client.Dial(ctx, n.GRPC, n.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	if escrow, err := ledger.Escrow(ctx, b.Payer); err != nil || escrow.Available+escrow.Locked != deposit {
		t.Errorf("of %d, %d and %d are left: %v", deposit, escrow.Available, escrow.Locked, err)
	}
}

// A stranger may send a request again as others may, and pays once.
func TestAStrangerRepeats(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := config(t.TempDir())
	c.Providers, c.Public = 1, true
	n, err := devnet.Start(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	b := stranger(t, ctx, n, 1_000_000)
	replayed := 0
	b.HTTP = &http.Client{Transport: meddling(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("Idempotency-Key", "once")
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && response.Header.Get("Idempotent-Replayed") == "true" {
			replayed++
		}
		return response, err
	})}
	var first buyer.Answer
	seed := int64(7) // or each request would draw another
	for i := range 3 {
		answer, err := b.Chat(ctx, buyer.Request{
			Model: n.Models[0].Name, Messages: []buyer.Message{{Role: "user", Content: "In the beginning"}}, MaxTokens: 60, Seed: &seed,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = answer
		} else if answer.Text != first.Text || answer.Paid != first.Paid || answer.Receipt.Sequence != first.Receipt.Sequence || replayed != i {
			t.Errorf("sent again: %q, paid %d; first %q, paid %d; %d replayed", answer.Text, answer.Paid, first.Text, first.Paid, replayed)
		}
	}
}
