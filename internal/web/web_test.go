package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/cosmos/gogoproto/proto"
	"golang.org/x/net/html"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/indexer"
)

// payloads are what others may name themselves to have a page run it.
var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `javascript:alert(1)`, `</title><svg onload=alert(1)>`,
	`{{.Key}}`, `${alert(1)}`, `<a href="javascript:alert(1)">x</a>`, "\u202e<b>gnp.x</b>", `=HYPERLINK("http://evil")`, `%3Cscript%3E`, `<!--`, `]]>`,
}

const (
	owner    = "koinon1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqp"
	provider = "koinon1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqz"
)

var (
	digest = "sha256:" + strings.Repeat("1", 64)
	now    = time.Unix(20_000*86400+7200, 0)
)

// hostile is a ledger of one block in which everything that others can name has
// a payload for its name.
type hostile struct{ payload string }

func (hostile) ChainID() string                       { return "test-1" }
func (hostile) Height(context.Context) (int64, error) { return 1, nil }
func (h hostile) Block(context.Context, int64) (indexer.Block, error) {
	step := func(m proto.Message) (string, json.RawMessage, proto.Message) {
		text, err := (&jsonpb.Marshaler{OrigName: true}).MarshalToString(m)
		if err != nil {
			panic(err)
		}
		return proto.MessageName(m), json.RawMessage(text), m
	}
	message := func(m proto.Message) indexer.Message {
		k, b, v := step(m)
		return indexer.Message{Kind: k, Body: b, Value: v}
	}
	event := func(m proto.Message) indexer.Event {
		k, b, v := step(m)
		return indexer.Event{Kind: k, Body: b, Value: v}
	}
	p := h.payload
	return indexer.Block{Height: 1, Time: now.Add(-time.Hour), Hash: strings.Repeat("A", 64), Proposer: p, Txs: []indexer.Tx{{
		Hash: strings.Repeat("B", 64), Sender: owner, Refusal: p,
		Messages: []indexer.Message{message(&modelv1.MsgRegisterVersion{Owner: owner, Digest: digest, Name: p, Version: p, License: p, Architecture: p, Quantization: p})},
	}, {
		Hash: strings.Repeat("C", 64), Sender: owner,
		Messages: []indexer.Message{
			message(&modelv1.MsgRegisterVersion{Owner: owner, Digest: digest, Name: p, Version: p, License: p, Architecture: p, Quantization: p}),
			message(&providerv1.MsgRegister{Provider: provider, Moniker: p, Region: p}),
		},
		Events: []indexer.Event{
			event(&providerv1.EventRegistered{Provider: provider, Moniker: p, Bond: 5}),
			event(&providerv1.EventOfferSet{Provider: provider, ModelDigest: digest, OutputPrice: 3}),
			event(&escrowv1.EventIssuerSet{Address: owner, Name: p, Backing: p}),
			event(&escrowv1.EventRedeemed{Id: strings.Repeat("2", 64), Payer: owner, Provider: provider, ModelDigest: digest, Amount: 7, Payouts: []escrowv1.Payout{{Recipient: provider, Role: escrowv1.Role_ROLE_PROVIDER, Amount: 7}}}),
		},
	}}}, nil
}

// site is a server of pages about a ledger.
func site(t *testing.T, l hostile) *httptest.Server {
	t.Helper()
	return serve(t, l, nil)
}

// serve is site, of the owner of a provider unless own is nil.
func serve(t *testing.T, l hostile, own func(context.Context) (Own, error)) *httptest.Server {
	t.Helper()
	x, err := indexer.Open(t.Context(), filepath.Join(t.TempDir(), "index.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.CatchUp(t.Context(), l, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	s, err := New(Config{Index: x, Ledger: named(l.payload), People: []Person{{l.payload, owner, "secret words"}}, RPC: l.payload, Own: own, Alone: own != nil, Key: "sk-secret", Version: "test", ChainID: "test-1", Ended: ended, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return now }
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() { close(ended); server.Close(); x.Close() })
	return server
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// paths are all pages, of things that are and of things that are not.
var paths = []string{
	"/", "/models", "/models/" + digest, "/models/none", "/providers", "/providers/" + provider, "/providers/none", "/ledger", "/ledger/txs", "/ledger/txs?before=1.1",
	"/blocks/1", "/blocks/x", "/txs/" + strings.Repeat("B", 64), "/txs/" + strings.Repeat("C", 64), "/txs/none", "/accounts/" + owner, "/economy", "/nothing",
	"/wallet", "/ledger/validators", "/ledger/proposals", "/ledger/modules",
	"/docs/", "/docs/tutorial", "/docs/bench.md", "/docs/spec/protocol", "/docs/none",
}

// What stands in a page is as many tags as the same page has for harmless names.
func TestNamesAreText(t *testing.T) {
	tag := regexp.MustCompile(`<[a-zA-Z/!][^>]*>`)
	plain := site(t, hostile{"plain"})
	for _, payload := range payloads {
		server := site(t, hostile{payload})
		for _, path := range append(paths, "/search?q="+strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "+", "%2B", " ", "%20", "\"", "%22", "<", "%3C", ">", "%3E").Replace(payload)) {
			_, got := get(t, server.URL+path)
			if !strings.HasPrefix(path, "/search") {
				_, want := get(t, plain.URL+path)
				if a, b := len(tag.FindAllString(got, -1)), len(tag.FindAllString(want, -1)); a != b {
					t.Errorf("%s with %q: %d tags, not %d", path, payload, a, b)
				}
			}
			if strings.Contains(payload, "<") && strings.Contains(got, payload) {
				t.Errorf("%s has %q as it is", path, payload)
			}
			if runs(got) {
				t.Errorf("%s with %q runs something", path, payload)
			}
		}
	}
}

// runs says whether a browser would run something that stands in a page.
func runs(page string) bool {
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			from := ""
			for _, a := range t.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") && a.Key != "value" && !strings.HasPrefix(a.Key, "data-") && a.Key != "title" {
					return true
				}
				if a.Key == "src" {
					from = a.Val
				}
			}
			if t.Data == "script" && !strings.HasPrefix(from, "/assets/") {
				return true
			}
		}
	}
}

func TestPagesLoadNothingElse(t *testing.T) {
	server := site(t, hostile{"plain"})
	for _, path := range paths {
		response, body := get(t, server.URL+path)
		if policy := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		want := http.StatusOK
		if strings.HasSuffix(path, "none") && !strings.HasPrefix(path, "/search") || path == "/nothing" || path == "/blocks/x" {
			want = http.StatusNotFound
		}
		if response.StatusCode != want {
			t.Errorf("%s: %s", path, response.Status)
		}
		for _, reference := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(reference[1], "/") && !strings.HasPrefix(reference[1], "?") && !strings.HasPrefix(reference[1], "#") {
				t.Errorf("%s reaches %s", path, reference[1])
			}
			if strings.HasPrefix(reference[1], "/assets/") {
				asset, data := get(t, server.URL+reference[1])
				if asset.StatusCode != http.StatusOK || len(data) == 0 || !strings.Contains(asset.Header.Get("Cache-Control"), "immutable") {
					t.Errorf("%s: %s", reference[1], asset.Status)
				}
			}
		}
	}
}

func TestTablesAreFiles(t *testing.T) {
	server := site(t, hostile{"=1+1"})
	_, text := get(t, server.URL+"/providers?format=csv")
	table, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(table) != 2 || table[0][0] != "address" || table[1][0] != provider || table[1][1] != "'=1+1" {
		t.Errorf("CSV: %q, %v", table, err)
	}
	_, text = get(t, server.URL+"/providers?format=json")
	var list []indexer.ProviderRow
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 || list[0].Moniker != "=1+1" || list[0].Earned != 7 {
		t.Errorf("JSON: %+v, %v", list, err)
	}
	for _, path := range []string{"/models", "/models/" + digest, "/ledger", "/ledger/txs", "/blocks/1", "/accounts/" + owner, "/economy", "/search?q=1"} {
		for _, format := range []string{"csv", "json"} {
			joint := "?"
			if strings.Contains(path, "?") {
				joint = "&"
			}
			if response, body := get(t, server.URL+path+joint+"format="+format); response.StatusCode != http.StatusOK || strings.Contains(body, "<html") {
				t.Errorf("%s as %s: %s", path, format, response.Status)
			}
		}
	}
}

// What the wallet asks of the ledger comes back as JSON whatever it says, and a
// transaction that no ledger would take is not read whole.
func TestWalletAsks(t *testing.T) {
	server := site(t, hostile{payloads[0]})
	response, body := get(t, server.URL+"/wallet/accounts/"+owner)
	if response.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"credit":"5"`) {
		t.Errorf("an account: %s", body)
	}
	for path, size := range map[string]int{"simulate": 10, "send": maxTx + 1} {
		response, err := http.Post(server.URL+"/wallet/"+path, "application/octet-stream", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		want := map[string]int{"simulate": http.StatusOK, "send": http.StatusRequestEntityTooLarge}[path]
		if response.StatusCode != want || strings.Contains(string(text), "<script>") {
			t.Errorf("%s of %d bytes: %s %s", path, size, response.Status, text)
		}
	}
	if _, body := get(t, server.URL+"/wallet/txs/none"); !strings.Contains(body, `"height":0`) {
		t.Errorf("a transaction that is not there: %s", body)
	}
}

// A provider's owner sees what is at risk, on the provider's own machine alone.
func TestOwnersPages(t *testing.T) {
	for _, payload := range payloads {
		server := serve(t, hostile{payload}, func(context.Context) (Own, error) {
			return Own{Address: provider, Model: payload, Digest: digest, State: payload, Reason: payload, Exposed: 1_250_000, LastError: payload}, nil
		})
		for _, path := range []string{"/", "/own"} {
			if _, body := get(t, server.URL+path); !strings.Contains(body, "$1.25") || runs(body) || strings.Contains(payload, "<") && strings.Contains(body, payload) {
				t.Errorf("%s with %q: %s", path, payload, body)
			}
			r := httptest.NewRequest(http.MethodGet, server.URL+path, nil)
			r.RequestURI, r.Host = "", "evil.example"
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if strings.Contains(string(body), "$1.25") {
				t.Errorf("%s shows strangers what is at risk", path)
			}
		}
	}
}

// What hosted APIs cost is read as it is edited, and a file that is no table is no
// table.
func TestHostedPrices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosted.csv")
	if list, err := readHosted(path); list != nil || err != nil {
		t.Errorf("a file that is not there: %v, %v", list, err)
	}
	for text, want := range map[string]int{"# mine\nCloud A, $0.15, 0.60\n": 1, "Cloud A, 0.15": -1, "Cloud A, x, 1\n": -1, strings.Repeat("a,1,2\n", maxHosted+5): maxHosted, "": 0} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := readHosted(path)
		if (err != nil) != (want < 0) || len(list) != max(0, want) {
			t.Errorf("%.40q: %v, %v", text, list, err)
		}
	}
	prices := compared([]indexer.VersionRow{{Name: "a", Version: "1", Digest: digest, Providers: 1, Input: 1, Output: 5}, {Name: "b", Providers: 0}}, []Price{{Name: "Cloud A", Output: 9}, {Name: "Cloud B", Output: 2}})
	if len(prices) != 3 || prices[0].Name != "Cloud B" || prices[1].Link == "" || prices[2].Name != "Cloud A" {
		t.Errorf("%v", prices)
	}
}

func TestForecast(t *testing.T) {
	const day = 86400
	today := now.Unix() / day * day
	for _, c := range []struct {
		days []indexer.DayRow
		want uint64
	}{
		{nil, 0},
		{[]indexer.DayRow{{Day: today, Amount: 10}}, 300},
		{[]indexer.DayRow{{Day: today - 30*day, Amount: 900}, {Day: today, Amount: 10}}, 300},
		{[]indexer.DayRow{{Day: today - day, Amount: 10}, {Day: today, Of: "a", Amount: 5}, {Day: today, Of: "b", Amount: 5}}, 300},
	} {
		if got := forecast(c.days, now); got != c.want {
			t.Errorf("%v: %d, not %d", c.days, got, c.want)
		}
	}
}

// The key is shown to who sits at this machine, and to no page of another name.
func TestKeyStaysHere(t *testing.T) {
	s := site(t, hostile{"plain"})
	for _, c := range []struct {
		host, forwarded string
		shown           bool
	}{
		{"localhost:8080", "", true}, {"127.0.0.1:8080", "", true}, {"[::1]:8080", "", true},
		{"evil.example:8080", "", false}, {"localhost.evil.example", "", false}, {"localhost", "203.0.113.7", false},
	} {
		r := httptest.NewRequest(http.MethodGet, s.URL+"/", nil)
		r.RequestURI, r.Host = "", c.host
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if strings.Contains(string(body), "sk-secret") != c.shown {
			t.Errorf("%+v: shown is %v", c, !c.shown)
		}
		r.URL.Path = "/wallet"
		if response, err = http.DefaultClient.Do(r); err != nil {
			t.Fatal(err)
		}
		body, _ = io.ReadAll(response.Body)
		response.Body.Close()
		if strings.Contains(string(body), "secret words") != c.shown {
			t.Errorf("%+v: the words' being shown is %v", c, !c.shown)
		}
	}
	if local(&http.Request{Host: "localhost", RemoteAddr: "10.0.0.7:5", Header: http.Header{}}) {
		t.Error("another machine is taken for this one")
	}
}

func TestEventsTellTheHeight(t *testing.T) {
	server := site(t, hostile{"plain"})
	response, err := http.Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var first string
	if _, err := fmt.Fscanf(response.Body, "event: block\ndata: %s\n", &first); err != nil || first != `{"height":1}` {
		t.Errorf("%q, %v", first, err)
	}
}

// Every link of the documentation within the program leads to a page that is there,
// and what the documentation says of the tree beyond it is text.
func TestDocsLeadToEachOther(t *testing.T) {
	m, err := readManual()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.byPath) < 20 {
		t.Fatalf("only %d pages", len(m.byPath))
	}
	for name, c := range m.byPath {
		text, err := c.html()
		if err != nil || c.Title == "" {
			t.Errorf("%s: %q, %v", name, c.Title, err)
		}
		for _, found := range regexp.MustCompile(`href="([^"#]*)`).FindAllStringSubmatch(string(text), -1) {
			if to := found[1]; to != "" && m.byPath[strings.TrimPrefix(to, "/docs/")] == nil {
				t.Errorf("%s links to %s", name, to)
			}
		}
	}
	for file, links := range map[string]map[string]string{
		"README.md":        {"../spec/protocol.md": "/docs/spec/protocol", "howto/sell-a-gpu.md": "/docs/howto/sell-a-gpu", "../README.md": "", "https://example.org": "", "#x": "#x"},
		"howto/a.md":       {"../bench.md#x": "/docs/bench#x", "../../spec/audit.md": "/docs/spec/audit"},
		"spec/protocol.md": {"models.md": "/docs/spec/models", "../docs/bench.md": "/docs/bench", "vectors/a.json": ""},
	} {
		for to, want := range links {
			if got, _ := m.links(file)(to); got != want {
				t.Errorf("%s in %s leads to %q, not %q", to, file, got, want)
			}
		}
	}
}
