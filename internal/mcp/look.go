package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/receipt"
)

type modelQuery struct {
	Query string `json:"query,omitempty" jsonschema:"a part of a name, digest, license or architecture; empty for all"`
}

// modelFound is a model as tools show it.
type modelFound struct {
	ID            string `json:"id"`
	Digest        string `json:"digest"`
	Class         string `json:"class"`
	License       string `json:"license"`
	Architecture  string `json:"architecture"`
	Parameters    uint64 `json:"parameters"`
	ContextLength uint32 `json:"context_length"`
	Providers     int    `json:"providers" jsonschema:"that can be reached now"`
	InputPrice    string `json:"input_price,omitempty" jsonschema:"dollars for a million tokens"`
	OutputPrice   string `json:"output_price,omitempty" jsonschema:"dollars for a million tokens"`
}

func found(m openai.Model) modelFound {
	k := m.Koinon
	f := modelFound{
		ID: m.ID, Digest: k.Digest, Class: k.Class, License: k.License, Architecture: k.Architecture,
		Parameters: k.Parameters, ContextLength: k.ContextLength, Providers: k.Providers,
	}
	if k.Price != nil {
		f.InputPrice, f.OutputPrice = credit.Dollars(k.Price.Input), credit.Dollars(k.Price.Output)
	}
	return f
}

type modelsFound struct {
	Models []modelFound `json:"models"`
}

func (s *Server) searchModels(ctx context.Context, _ *mcp.CallToolRequest, q modelQuery) (*mcp.CallToolResult, modelsFound, error) {
	var all openai.List[openai.Model]
	if err := s.get(ctx, "/models", &all); err != nil {
		return nil, modelsFound{}, err
	}
	list := modelsFound{Models: []modelFound{}}
	for _, m := range all.Data {
		text := strings.ToLower(strings.Join([]string{m.ID, m.Koinon.Digest, m.Koinon.License, m.Koinon.Architecture, m.OwnedBy}, "\n"))
		if strings.Contains(text, strings.ToLower(strings.TrimSpace(q.Query))) {
			list.Models = append(list.Models, found(m))
		}
	}
	return nil, list, nil
}

type modelNamed struct {
	Model string `json:"model" jsonschema:"its name, name@version or digest"`
}

func (s *Server) showModel(ctx context.Context, _ *mcp.CallToolRequest, q modelNamed) (*mcp.CallToolResult, modelFound, error) {
	m, err := s.model(ctx, q.Model)
	return nil, found(m), err
}

func (s *Server) model(ctx context.Context, name string) (m openai.Model, err error) {
	return m, s.get(ctx, "/models/"+url.PathEscape(name), &m)
}

// stored is a page of receipts as the gateway has them.
type stored struct {
	Data []struct {
		ID      string           `json:"id"`
		Valid   bool             `json:"valid"`
		Problem string           `json:"problem"`
		Receipt *receipt.Receipt `json:"receipt"`
	} `json:"data"`
	Next string `json:"next"`
}

type receiptQuery struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"at most this many, 1 to 100 (default 20)"`
	Before string `json:"before,omitempty" jsonschema:"the cursor that an earlier page gave"`
}

type receiptFound struct {
	ID       string `json:"id"`
	Model    string `json:"model" jsonschema:"digest of the weights that answered"`
	Provider string `json:"provider"`
	Tokens   string `json:"tokens" jsonschema:"of the prompt + of the answer"`
	Cost     string `json:"cost" jsonschema:"dollars"`
	Finished int64  `json:"finished" jsonschema:"Unix milliseconds"`
	Problem  string `json:"problem,omitempty" jsonschema:"what the gateway found wrong with it"`
}

type receiptsFound struct {
	Receipts []receiptFound `json:"receipts"`
	Before   string         `json:"before,omitempty" jsonschema:"cursor of the next page; absent at the end"`
}

func (s *Server) listReceipts(ctx context.Context, _ *mcp.CallToolRequest, q receiptQuery) (*mcp.CallToolResult, receiptsFound, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 20
	}
	page, err := s.page(ctx, limit, q.Before)
	list := receiptsFound{Receipts: []receiptFound{}, Before: page.Next}
	for _, k := range page.Data {
		f := receiptFound{ID: k.ID, Problem: k.Problem}
		if r := k.Receipt; r != nil {
			f.Model, f.Provider, f.Cost, f.Finished = r.Model.String(), r.Provider, credit.Dollars(r.Cost), r.Finished
			f.Tokens = fmt.Sprintf("%d+%d", r.PromptTokens, r.CompletionTokens)
		}
		list.Receipts = append(list.Receipts, f)
	}
	return nil, list, err
}

type receiptNamed struct {
	Receipt string `json:"receipt" jsonschema:"the receipt's id, or the receipt itself as JSON"`
}

type verdict struct {
	Valid   bool   `json:"valid"`
	Problem string `json:"problem,omitempty"`
	ID      string `json:"id"`
}

func (s *Server) verifyReceipt(ctx context.Context, _ *mcp.CallToolRequest, q receiptNamed) (*mcp.CallToolResult, verdict, error) {
	record, err := s.record(ctx, q.Receipt)
	if err != nil {
		return nil, verdict{}, err
	}
	v := verdict{Valid: true, ID: record.Receipt.Hash().String()}
	if err = record.Receipt.Verify(); err == nil && record.Transcript != nil {
		_, err = proof.Consistent(record.Receipt, *record.Transcript)
	}
	if err != nil {
		v.Valid, v.Problem = false, err.Error()
	}
	return nil, v, nil
}

// record reads a receipt, given as JSON with or without its transcript, or by its id.
func (s *Server) record(ctx context.Context, given string) (r receipt.Record, err error) {
	if !strings.HasPrefix(strings.TrimSpace(given), "{") {
		return r, s.get(ctx, "/receipts/"+url.PathEscape(given), &r)
	}
	if err := json.Unmarshal([]byte(given), &r); err == nil && len(r.Receipt.Signature) > 0 {
		return r, nil
	}
	r = receipt.Record{}
	if err := json.Unmarshal([]byte(given), &r.Receipt); err != nil {
		return r, fmt.Errorf("this is no receipt: %w", err)
	}
	return r, nil
}

type usageQuery struct{}

type usedModel struct {
	Model            string `json:"model"`
	Requests         int    `json:"requests"`
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	Cost             string `json:"cost" jsonschema:"dollars"`

	ucredit uint64
}

type usage struct {
	Cost     string      `json:"cost" jsonschema:"dollars, of the receipts counted"`
	Receipts int         `json:"receipts" jsonschema:"how many were counted"`
	All      bool        `json:"all" jsonschema:"false if there are older ones"`
	Models   []usedModel `json:"models"`
	Session  string      `json:"session_left,omitempty" jsonschema:"dollars that this session may still spend"`
}

// mostPages bounds what read_usage sums up: pages of 100 receipts.
const mostPages = 20

func (s *Server) readUsage(ctx context.Context, _ *mcp.CallToolRequest, _ usageQuery) (*mcp.CallToolResult, usage, error) {
	u := usage{Models: []usedModel{}}
	at := map[string]int{}
	total, before := uint64(0), ""
	for range mostPages {
		page, err := s.page(ctx, 100, before)
		if err != nil {
			return nil, u, err
		}
		for _, k := range page.Data {
			r := k.Receipt
			if r == nil {
				continue
			}
			i, known := at[r.Model.String()]
			if !known {
				i = len(u.Models)
				at[r.Model.String()] = i
				u.Models = append(u.Models, usedModel{Model: r.Model.String()})
			}
			m := &u.Models[i]
			m.Requests++
			m.PromptTokens += r.PromptTokens
			m.CompletionTokens += r.CompletionTokens
			m.ucredit += r.Cost
			m.Cost = credit.Dollars(m.ucredit)
			total += r.Cost
			u.Receipts++
		}
		if before = page.Next; before == "" {
			u.All = true
			break
		}
	}
	u.Cost = credit.Dollars(total)
	if s.config.Budget > 0 {
		u.Session = credit.Dollars(s.settle(0, 0))
	}
	return nil, u, nil
}
