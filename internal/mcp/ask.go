package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/koinon/koinon/internal/credit"
)

type question struct {
	Model     string `json:"model" jsonschema:"its name, name@version or digest"`
	Message   string `json:"message"`
	System    string `json:"system,omitempty" jsonschema:"system message"`
	MaxTokens uint32 `json:"max_tokens,omitempty" jsonschema:"longest answer (default 400)"`
}

type answered struct {
	Text    string `json:"text"`
	Receipt string `json:"receipt" jsonschema:"id, for verify_receipt"`
	Cost    string `json:"cost" jsonschema:"dollars"`
	Left    string `json:"left" jsonschema:"dollars that this session may still spend"`
}

// framing is how many tokens a chat template may add to a prompt.
const framing = 64

func (s *Server) ask(ctx context.Context, _ *mcp.CallToolRequest, q question) (*mcp.CallToolResult, answered, error) {
	if q.MaxTokens == 0 {
		q.MaxTokens = 400
	}
	m, err := s.model(ctx, q.Model)
	if err != nil {
		return nil, answered{}, err
	}
	price := m.Koinon.Price
	if price == nil {
		return nil, answered{}, errors.New("nobody who can be reached offers this model")
	}
	// A token stands for a byte at least.
	worst, err := atMost(uint64(len(q.Message)+len(q.System)+framing), price.Input, uint64(q.MaxTokens), price.Output)
	if err != nil {
		return nil, answered{}, err
	}
	if err := s.reserve(worst); err != nil {
		return nil, answered{}, err
	}
	messages := []map[string]string{{"role": "user", "content": q.Message}}
	if q.System != "" {
		messages = append([]map[string]string{{"role": "system", "content": q.System}}, messages...)
	}
	body, err := json.Marshal(map[string]any{
		"model": q.Model, "max_tokens": q.MaxTokens, "messages": messages,
		"provider": map[string]any{"max_price": map[string]string{"prompt": dollars(price.Input), "completion": dollars(price.Output)}},
	})
	if err != nil {
		return nil, answered{}, err
	}
	var reply struct {
		Choices []struct {
			Message struct{ Content string } `json:"message"`
		} `json:"choices"`
		Koinon *struct {
			Receipt string `json:"receipt"`
			Cost    uint64 `json:"cost"`
		} `json:"koinon"`
	}
	// What an answer that failed cost is not known: it stays reserved.
	if err := s.call(ctx, http.MethodPost, "/chat/completions", body, &reply); err != nil {
		return nil, answered{}, err
	}
	if len(reply.Choices) == 0 || reply.Koinon == nil {
		return nil, answered{}, errors.New("the gateway's answer has no text, or no receipt")
	}
	left := s.settle(worst, reply.Koinon.Cost)
	return nil, answered{reply.Choices[0].Message.Content, reply.Koinon.Receipt, credit.Dollars(reply.Koinon.Cost), credit.Dollars(left)}, nil
}

// atMost is what so many tokens cost at prices for a million, rounded up, in ucredit.
func atMost(prompt, input, answer, output uint64) (uint64, error) {
	const million = 1_000_000
	hi1, lo1 := bits.Mul64(prompt, input)
	hi2, lo2 := bits.Mul64(answer, output)
	sum, carry := bits.Add64(lo1, lo2, 0)
	if hi1 != 0 || hi2 != 0 || carry != 0 {
		return 0, fmt.Errorf("%w: the price is beyond all bounds", ErrBudget)
	}
	return sum/million + 1, nil
}

// dollars is an amount of ucredit as the API takes it: a decimal number.
func dollars(ucredit uint64) string { return fmt.Sprintf("%d.%06d", ucredit/1e6, ucredit%1e6) }
