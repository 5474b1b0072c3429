package devnet_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/grpc/metadata"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/client"
)

func config(home string) devnet.Config {
	const any = "127.0.0.1:0"
	return devnet.Config{
		Home: home, Providers: 2, BlockTime: 100 * time.Millisecond,
		GatewayAddr: any, RPCAddr: any, RESTAddr: any, GRPCAddr: any, Version: "test", Log: slog.New(slog.DiscardHandler),
	}
}

// holdings are what everybody has, in ucredit: accounts, escrow and treasury.
type holdings struct {
	accounts         map[string]uint64
	escrow, treasury uint64
}

func (h holdings) total() uint64 {
	sum := h.escrow + h.treasury
	for _, v := range h.accounts {
		sum += v
	}
	return sum
}

func take(t *testing.T, ctx context.Context, n devnet.Info) holdings {
	t.Helper()
	ledger, err := client.Dial(ctx, n.GRPC, n.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	// All of one block: between two, money is on its way.
	height, err := ledger.Height(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "x-cosmos-block-height", strconv.FormatInt(height, 10))
	books, err := ledger.Invariants(ctx)
	if err != nil || !books.Holds {
		t.Fatalf("the escrow's books %+v, %v", books, err)
	}
	h := holdings{accounts: map[string]uint64{}, escrow: books.ModuleBalance}
	for _, a := range n.Accounts {
		if h.accounts[a.Name], err = ledger.Balance(ctx, a.Address, credit.Denom); err != nil {
			t.Fatal(err)
		}
	}
	if h.treasury, err = ledger.Treasury(ctx, credit.Denom); err != nil {
		t.Fatal(err)
	}
	return h
}

// A prompt is answered, paid and settled: the official client asks, streaming
// and not; the balances before and after add up to the micro-credit, and the
// split reaches provider, model owner, app and treasury.
func TestAPromptAnsweredPaidAndSettled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	home := t.TempDir()
	n, err := devnet.Start(ctx, config(home), func(step string) { t.Log(step) })
	if err != nil {
		t.Fatal(err)
	}
	before := take(t, ctx, n.Info)
	spans := recorded(t)
	spent := ask(t, ctx, n)
	oneTrace(t, ctx, spans, "Once more")

	// Providers redeem when they stop; what they did is there after a restart.
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if n, err = devnet.Start(ctx, config(home), nil); err != nil {
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
	owner, app, treasury := after.accounts["ada"]-before.accounts["ada"], after.accounts["app"]-before.accounts["app"], after.treasury-before.treasury
	ledger, err := client.Dial(ctx, n.GRPC, n.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	var earned, curators uint64
	for _, a := range n.Accounts {
		if strings.HasPrefix(a.Name, "provider-") {
			earned += after.accounts[a.Name] - before.accounts[a.Name]
		}
	}
	payouts, err := ledger.Payouts(ctx, "") // maturing
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range payouts {
		switch p.Role {
		case escrowv1.Role_ROLE_PROVIDER:
			earned += p.Amount
		case escrowv1.Role_ROLE_CURATORS:
			curators += p.Amount
		}
	}
	redeemed := earned + owner + app + treasury + curators
	t.Logf("answers cost %s; redeemed %s: providers %s, owner %s, app %s, treasury %s", credit.Dollars(spent), credit.Dollars(redeemed),
		credit.Dollars(earned), credit.Dollars(owner), credit.Dollars(app), credit.Dollars(treasury))
	const ticket = 10 // a grant's overpayment is below one
	if redeemed < spent || redeemed >= spent+2*ticket {
		t.Errorf("redeemed %d ucredit for answers of %d", redeemed, spent)
	}
	if earned == 0 || owner == 0 || app == 0 || treasury == 0 {
		t.Error("the split did not reach everybody")
	}
	pagesTell(t, ctx, n, redeemed)
	ask(t, ctx, n) // and it goes on
}

// pagesTell waits until the pages beside the API show what was redeemed, to the
// micro-credit: the index follows the ledger.
func pagesTell(t *testing.T, ctx context.Context, n *devnet.Network, redeemed uint64) {
	t.Helper()
	base := strings.TrimSuffix(n.Gateway, "/v1")
	for told := uint64(0); told < redeemed; {
		var days []struct {
			Amount uint64 `json:"amount"`
		}
		page(t, ctx, base+"/economy?format=json", &days)
		told = 0
		for _, d := range days {
			told += d.Amount
		}
		if ctx.Err() != nil || told > redeemed {
			t.Fatalf("the pages tell of %d ucredit, the ledger of %d", told, redeemed)
		}
	}
	var found []struct {
		Kind string `json:"kind"`
	}
	if page(t, ctx, base+"/search?q=trivium&format=json", &found); len(found) != 1 || found[0].Kind != "model" {
		t.Errorf("a search for the model finds %+v", found)
	}
}

// page reads a page's table.
func page(t *testing.T, ctx context.Context, url string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// ask has answers made and returns what they cost, in ucredit.
func ask(t *testing.T, ctx context.Context, n *devnet.Network) uint64 {
	t.Helper()
	c := openai.NewClient(option.WithBaseURL(n.Gateway), option.WithAPIKey(n.APIKey), option.WithMaxRetries(0))
	models, err := c.Models.List(ctx)
	if err != nil || len(models.Data) == 0 {
		t.Fatalf("models %v, %v", models, err)
	}
	params := openai.ChatCompletionNewParams{
		Model: n.Models[0].Name, MaxTokens: openai.Int(120), Temperature: openai.Float(0.7),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("KING HENRY:\nOnce more")},
	}
	var spent uint64
	answer, err := c.Chat.Completions.New(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Usage.CompletionTokens == 0 || answer.Choices[0].Message.Content == "" {
		t.Errorf("an empty answer: %s", answer.RawJSON())
	}
	spent += cost(t, answer.RawJSON())

	stream := c.Chat.Completions.NewStreaming(ctx, params)
	var text strings.Builder
	last := ""
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text.WriteString(choice.Delta.Content)
		}
		if raw := stream.Current().RawJSON(); strings.Contains(raw, `"koinon"`) {
			last = raw
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if text.Len() == 0 {
		t.Error("an empty stream")
	}
	return spent + cost(t, last)
}

func cost(t *testing.T, raw string) uint64 {
	t.Helper()
	var k struct {
		Koinon struct {
			Cost uint64 `json:"cost"`
		} `json:"koinon"`
	}
	if err := json.Unmarshal([]byte(raw), &k); err != nil || k.Koinon.Cost == 0 {
		t.Fatalf("no cost in %s (%v)", raw, err)
	}
	return k.Koinon.Cost
}

func TestBadRequestsGetTheErrorsThatClientsKnow(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n, err := devnet.Start(ctx, config(t.TempDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	long := strings.Repeat("and the thing ", 400)
	for name, c := range map[string]struct {
		key, body string
		status    int
		code      string
	}{
		"wrong key":      {"sk-koinon-no", `{"model":"trivium","messages":[{"role":"user","content":"hi"}]}`, 401, "invalid_api_key"},
		"unknown model":  {n.APIKey, `{"model":"nobody","messages":[{"role":"user","content":"hi"}]}`, 404, "model_not_found"},
		"malformed JSON": {n.APIKey, `{"model":`, 400, ""},
		"too long":       {n.APIKey, `{"model":"trivium","messages":[{"role":"user","content":"` + long + `"}]}`, 400, "context_length_exceeded"},
	} {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Gateway+"/chat/completions", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+c.key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Error struct{ Message, Code string }
		}
		err = json.NewDecoder(response.Body).Decode(&body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.status || body.Error.Code != c.code || body.Error.Message == "" {
			t.Errorf("%s: %d %+v, %v", name, response.StatusCode, body.Error, err)
		}
	}
}
