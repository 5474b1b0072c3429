package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/koinon/koinon/receipt"
)

// payer pays for one answer beside its reading.
type payer struct {
	buyer *Buyer
	grant *grant
	terms Terms
	at    string // where tickets are given

	mu      sync.Mutex
	arrived uint64 // ucredit that what has arrived costs
	wake    chan struct{}

	ended chan struct{} // closed when the answer is over
	done  chan error
}

// startPaying begins to give tickets as they fall due.
func (b *Buyer) startPaying(ctx context.Context, g *grant, t Terms) *payer {
	root := strings.TrimSuffix(strings.TrimSuffix(b.Gateway, "/"), "/v1")
	p := &payer{
		buyer: b, grant: g, terms: t, at: root + strings.ReplaceAll(t.TicketsAt, "{grant}", g.Signed.ID().Hex()),
		wake: make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan error, 1),
	}
	go func() { p.done <- p.pay(ctx) }()
	return p
}

// account is what a gateway says of a grant.
type account struct {
	Due     uint64 `json:"due"`
	Running int    `json:"running"`
}

// pay gives each ticket that is due, unless more is asked for than has arrived.
func (p *payer) pay(ctx context.Context) error {
	index := p.grant.Revealed
	for {
		a, err := p.give(ctx, index)
		if err != nil {
			return err
		}
		if a.Due <= index {
			if a.Running == 0 || p.isOver() {
				return nil
			}
			continue
		}
		if err := p.covers(ctx, a.Due); err != nil {
			return err
		}
		index = a.Due
	}
}

func (p *payer) isOver() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// covers waits until what has arrived is worth the tickets before this one, so
// that no more than one ticket is ever paid ahead.
func (p *payer) covers(ctx context.Context, index uint64) error {
	value := p.grant.Signed.TicketValue
	for {
		over := p.isOver()
		p.mu.Lock()
		owed := p.grant.Settled + p.arrived
		p.mu.Unlock()
		if index <= owed/value+1 {
			return nil
		}
		if over {
			return fmt.Errorf("%w: ticket %d was asked for, and what arrived is worth %d ucredit", ErrBroken, index, owed)
		}
		select {
		case <-p.wake:
		case <-p.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// give shows a ticket and hears which is due next.
func (p *payer) give(ctx context.Context, index uint64) (a account, err error) {
	ticket, err := p.grant.ticket(index)
	if err != nil {
		return a, err
	}
	body, err := json.Marshal(map[string]any{"index": index, "ticket": ticket})
	if err != nil {
		return a, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.at, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.buyer.http().Do(request)
	if err != nil {
		return a, fmt.Errorf("giving a ticket: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return a, fmt.Errorf("giving a ticket: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return a, &Error{response.StatusCode, strings.TrimSpace(string(data))}
	}
	return a, json.Unmarshal(data, &a)
}

// count notes what has arrived, from the usage in a chunk.
func (p *payer) count(prompt, cached, completion uint64) error {
	if prompt > p.terms.PromptTokens || cached > prompt || completion > p.terms.MaxCompletion {
		return fmt.Errorf("%w: it counts more tokens than were quoted", ErrBroken)
	}
	cost, err := p.terms.Price.Cost(prompt, cached, completion)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.arrived = max(p.arrived, cost)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return nil
}

// stop ends the paying once the answer is over, and settles.
func (p *payer) stop(ctx context.Context) error {
	close(p.ended)
	err := <-p.done
	p.mu.Lock()
	cost := p.arrived
	p.mu.Unlock()
	return errors.Join(err, p.grant.settle(cost))
}

// heard is what was read of an answer.
type heard struct {
	text       []byte
	prompt     uint64
	cached     uint64
	completion uint64
	koinon     provenance
}

// provenance is what a gateway says of an answer.
type provenance struct {
	Receipt    string              `json:"receipt"`
	Cost       uint64              `json:"cost"`
	Transcript *receipt.Transcript `json:"transcript"`
}

// maxEvent bounds one event of a stream, in bytes: the last has the transcript.
const maxEvent = 8 << 20

// read takes the events of an answer.
func (p *payer) read(body io.Reader, print func(string)) (h heard, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	whole := false
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			whole = true
			break
		}
		if err := p.event(&h, []byte(data), print); err != nil {
			return h, err
		}
	}
	if err := lines.Err(); err != nil {
		return h, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if !whole || h.koinon.Receipt == "" {
		return h, ErrBroken
	}
	return h, nil
}

// event takes one chunk.
func (p *payer) event(h *heard, data []byte, print func(string)) error {
	var chunk struct {
		Choices []struct {
			Delta struct {
				Content string `json:"content"`
			} `json:"delta"`
		} `json:"choices"`
		Usage *struct {
			Prompt     uint64 `json:"prompt_tokens"`
			Completion uint64 `json:"completion_tokens"`
			Details    struct {
				Cached uint64 `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		} `json:"usage"`
		Koinon *provenance `json:"koinon"`
		Error  *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &chunk); err != nil {
		return fmt.Errorf("%w: a chunk that is no JSON: %w", ErrBroken, err)
	}
	if chunk.Error != nil {
		return fmt.Errorf("%w: %s", ErrBroken, chunk.Error.Message)
	}
	for _, c := range chunk.Choices {
		h.text = append(h.text, c.Delta.Content...)
		if print != nil && c.Delta.Content != "" {
			print(c.Delta.Content)
		}
	}
	if k := chunk.Koinon; k != nil {
		if k.Transcript == nil {
			k.Transcript = h.koinon.Transcript // which came before
		}
		h.koinon = *k
	}
	if u := chunk.Usage; u != nil {
		h.prompt, h.cached, h.completion = u.Prompt, u.Details.Cached, u.Completion
		return p.count(u.Prompt, u.Details.Cached, u.Completion)
	}
	return nil
}

// verify checks a receipt by itself and against what was asked and heard.
func (p *payer) verify(r receipt.Receipt, h heard) error {
	if err := r.Verify(); err != nil {
		return fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	g := p.grant.Signed
	for _, field := range []struct {
		name string
		ok   bool
	}{
		{"grant", r.Grant == g.ID()}, {"chain_id", r.ChainID == g.ChainID}, {"payer", r.Payer == g.Payer},
		{"right", r.Right == g.Right}, {"provider", r.Provider == g.Provider}, {"provider_key", bytes.Equal(r.ProviderKey, p.terms.ProviderKey)},
		{"model", r.Model == g.Model}, {"prompt_tokens", r.PromptTokens == h.prompt}, {"cached_tokens", r.CachedTokens == h.cached},
		{"completion_tokens", r.CompletionTokens == h.completion}, {"cost", r.Cost == h.koinon.Cost},
		{"price", r.Price.Input <= p.terms.Price.Input && r.Price.CachedInput <= p.terms.Price.CachedInput && r.Price.Output <= p.terms.Price.Output},
	} {
		if !field.ok {
			return fmt.Errorf("%w: %s", ErrReceipt, field.name)
		}
	}
	return nil
}

// verify checks that the provider got what was asked, as far as the receipt shows
// it, and more with a transcript.
func (q asked) verify(r receipt.Receipt, t *receipt.Transcript) error {
	named := r.Seed.Origin == receipt.Named && (q.Seed == nil || r.Seed.Value == uint64(*q.Seed))
	drawn := r.Seed.Origin == receipt.Drawn && r.Seed.Nonce == q.nonce
	if q.nonce.IsZero() && !named || !q.nonce.IsZero() && !drawn {
		return fmt.Errorf("%w: seed", ErrReceipt)
	}
	switch {
	case q.Temperature != nil && r.Sampling.Temperature != float32(*q.Temperature):
		return fmt.Errorf("%w: sampling.temperature", ErrReceipt)
	case r.Sampling.MaxTokens > q.MaxTokens:
		return fmt.Errorf("%w: sampling.max_tokens", ErrReceipt)
	case !q.Transcript:
		return nil
	case t == nil:
		return fmt.Errorf("%w: the gateway gave no transcript", ErrReceipt)
	}
	if err := t.Verify(r); err != nil {
		return fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	var sent struct {
		Messages []Message `json:"messages"`
	}
	if err := json.Unmarshal([]byte(t.Request), &sent); err != nil || !slices.Equal(sent.Messages, q.Messages) {
		return fmt.Errorf("%w: the provider was sent other messages", ErrReceipt)
	}
	return nil
}
