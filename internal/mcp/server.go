// Package mcp lets assistants that speak the Model Context Protocol look at a
// gateway: which models there are and what they cost, which receipts a key has and
// whether they hold, what was spent. Asking a model costs money, so that it is there
// only for who said how much a session may spend, and takes an API key, whose own
// budget the gateway keeps to besides.
package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/koinon/koinon/internal/credit"
)

// Config is what a session is about.
type Config struct {
	// Gateway is the base URL of its API, which ends in /v1; APIKey is asked with.
	Gateway, APIKey string
	// Budget is what the session may spend, in ucredit; 0 for a session that only
	// looks.
	Budget uint64
	// Version is the program's.
	Version string
}

// Server answers one session.
type Server struct {
	config Config

	mu    sync.Mutex
	spent uint64 // with what is being spent, ucredit
}

// ErrBudget says that a session must not spend so much.
var ErrBudget = errors.New("beyond what this session may spend")

// Run serves a session over a transport until ctx or the session ends.
func Run(ctx context.Context, c Config, over mcp.Transport) error {
	if c.Budget > 0 && c.APIKey == "" {
		return errors.New("spending needs an API key with a budget: make one with koinon keys create --budget")
	}
	s := &Server{config: c}
	server := mcp.NewServer(&mcp.Implementation{Name: "koinon", Title: "koinon", Version: c.Version}, nil)
	look := &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}
	mcp.AddTool(server, &mcp.Tool{Name: "search_models", Annotations: look,
		Description: "Find models that the gateway can reach, by a part of their name, digest, license or architecture; with price, context and live providers."}, s.searchModels)
	mcp.AddTool(server, &mcp.Tool{Name: "show_model", Annotations: look, Description: "Show one model by its name or digest."}, s.showModel)
	mcp.AddTool(server, &mcp.Tool{Name: "list_receipts", Annotations: look, Description: "List this API key's receipts, newest first."}, s.listReceipts)
	mcp.AddTool(server, &mcp.Tool{Name: "verify_receipt", Annotations: look,
		Description: "Check a receipt, by its id or as JSON: signature, arithmetic of its price, commitment, seed. Needs no trust in the gateway."}, s.verifyReceipt)
	mcp.AddTool(server, &mcp.Tool{Name: "read_usage", Annotations: look, Description: "Sum up what this API key spent, by model, over its latest receipts."}, s.readUsage)
	if c.Budget > 0 {
		mcp.AddTool(server, &mcp.Tool{Name: "ask", Description: "Ask a model one question. It costs money: this session may spend " +
			credit.Dollars(c.Budget) + " in all."}, s.ask)
	}
	return server.Run(ctx, over)
}

// get reads JSON from the gateway.
func (s *Server) get(ctx context.Context, path string, into any) error {
	return s.call(ctx, http.MethodGet, path, nil, into)
}

// most bounds what is read of one answer, in bytes.
const most = 16 << 20

func (s *Server) call(ctx context.Context, method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.config.Gateway+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.config.APIKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the gateway cannot be reached: %w", err)
	}
	defer response.Body.Close()
	answer := io.LimitReader(response.Body, most)
	if response.StatusCode != http.StatusOK {
		var refused struct {
			Error struct{ Message string } `json:"error"`
		}
		if json.NewDecoder(answer).Decode(&refused) != nil || refused.Error.Message == "" {
			refused.Error.Message = response.Status
		}
		return fmt.Errorf("the gateway answers %d: %s", response.StatusCode, refused.Error.Message)
	}
	return json.NewDecoder(answer).Decode(into)
}

// page reads receipts of the key before a cursor; empty for the newest.
func (s *Server) page(ctx context.Context, limit int, before string) (list stored, err error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if before != "" {
		query.Set("before", before)
	}
	return list, s.get(ctx, "/receipts?"+query.Encode(), &list)
}

// reserve takes a part of the budget.
func (s *Server) reserve(amount uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := s.config.Budget - s.spent; amount > left {
		return fmt.Errorf("%w: it may cost %s, and %s is left; ask less, or a cheaper model", ErrBudget, credit.Dollars(amount), credit.Dollars(left))
	}
	s.spent += amount
	return nil
}

// settle replaces what was reserved by what it cost, and returns what is left.
func (s *Server) settle(reserved, cost uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spent = s.spent - reserved + cost
	return s.config.Budget - min(s.spent, s.config.Budget)
}
