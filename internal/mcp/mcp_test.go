package mcp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// published is a receipt of the published vectors.
func published(t *testing.T) json.RawMessage {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "spec", "vectors", "receipt", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Receipt json.RawMessage }
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v.Receipt
}

// gateway answers as one does, and counts what it was asked to sell.
type gateway struct {
	*httptest.Server
	sold []map[string]any
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{}
	model := `{"id":"bard","object":"model","owned_by":"koinon1ada","context_length":4096,"koinon":{"name":"bard","digest":"sha256:ab","class":"exact","license":"MIT",
		"providers":2,"price":{"input":1000000,"cached_input":0,"output":2000000}}}`
	kept := `{"id":"sha256:cd","valid":true,"receipt":` + string(published(t)) + `}`
	mux := http.NewServeMux()
	for path, answer := range map[string]string{
		"GET /v1/models": `{"object":"list","data":[` + model + `]}`, "GET /v1/models/bard": model,
		"GET /v1/receipts": `{"data":[` + kept + `,{"id":"sha256:ef","problem":"garbage","receipt":null}]}`, "GET /v1/receipts/cd": kept,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer key" {
				http.Error(w, `{"error":{"message":"no such key"}}`, http.StatusUnauthorized)
				return
			}
			w.Write([]byte(answer))
		})
	}
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var asked map[string]any
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		g.sold = append(g.sold, asked)
		w.Write([]byte(`{"choices":[{"message":{"content":"Sing, O goddess"}}],"koinon":{"receipt":"sha256:cd","cost":150}}`))
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

// session is a client's end of a session with a server of that configuration.
func session(t *testing.T, c Config) *mcp.ClientSession {
	t.Helper()
	here, there := mcp.NewInMemoryTransports()
	go Run(t.Context(), c, there) // ends with the test
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// use calls a tool and returns its text.
func use(t *testing.T, s *mcp.ClientSession, tool string, arguments any) (text string, failed bool) {
	t.Helper()
	result, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return err.Error(), true
	}
	for _, c := range result.Content {
		if part, ok := c.(*mcp.TextContent); ok {
			text += part.Text
		}
	}
	return text, result.IsError
}

func TestLooking(t *testing.T) {
	g := newGateway(t)
	s := session(t, Config{Gateway: g.URL + "/v1", APIKey: "key"})
	tampered := strings.Replace(string(published(t)), `"completion_tokens": `, `"completion_tokens": 1`, 1)
	for _, c := range []struct {
		tool      string
		arguments map[string]any
		want      string
	}{
		{"search_models", map[string]any{"query": "BAR"}, `"input_price":"$1.00"`},
		{"search_models", map[string]any{"query": "nothing like it"}, `{"models":[]}`},
		{"show_model", map[string]any{"model": "bard"}, `"license":"MIT"`},
		{"list_receipts", map[string]any{}, `"problem":"garbage"`},
		{"verify_receipt", map[string]any{"receipt": "cd"}, `"valid":true`},
		{"verify_receipt", map[string]any{"receipt": string(published(t))}, `"valid":true`},
		{"verify_receipt", map[string]any{"receipt": tampered}, `"valid":false`},
		{"read_usage", map[string]any{}, `"cost":"$0.000229"`},
	} {
		if got, failed := use(t, s, c.tool, c.arguments); failed || !strings.Contains(got, c.want) {
			t.Errorf("%s %v: %s", c.tool, c.arguments, got)
		}
	}
	if got, failed := use(t, s, "ask", map[string]any{"model": "bard", "message": "hello"}); !failed || len(g.sold) > 0 {
		t.Errorf("a session that may spend nothing asks: %s", got)
	}
	if got, failed := use(t, session(t, Config{Gateway: g.URL + "/v1", APIKey: "other"}), "show_model", map[string]any{"model": "bard"}); !failed || !strings.Contains(got, "401") {
		t.Errorf("with a key that the gateway does not know: %s", got)
	}
}

// TestASessionKeepsToItsBudget: what an answer may cost at most is reserved before it
// is asked for, so that no sequence of questions goes beyond the budget.
func TestASessionKeepsToItsBudget(t *testing.T) {
	g := newGateway(t)
	// A question costs at most (5+64)×1 + 100×2 + 1 = 270 ucredit, and then 150.
	s := session(t, Config{Gateway: g.URL + "/v1", APIKey: "key", Budget: 450})
	q := map[string]any{"model": "bard", "message": "hello", "max_tokens": 100}
	for i, allowed := range []bool{true, true, false} {
		got, failed := use(t, s, "ask", q)
		if failed == allowed {
			t.Errorf("question %d: %s", i+1, got)
		}
		if allowed && !strings.Contains(got, `"receipt":"sha256:cd"`) {
			t.Errorf("question %d: %s", i+1, got)
		}
	}
	if len(g.sold) != 2 {
		t.Fatalf("%d were asked for", len(g.sold))
	}
	bound, err := json.Marshal(g.sold[0]["provider"])
	if err != nil || string(bound) != `{"max_price":{"completion":"2.000000","prompt":"1.000000"}}` {
		t.Errorf("asked with %s, %v", bound, err)
	}
	if err := Run(t.Context(), Config{Gateway: g.URL, Budget: 1}, nil); err == nil {
		t.Error("a session may spend without a key")
	}
}
