// Package shop buys answers for an auditor as a stranger would: at any gateway
// that is open to strangers, from a wallet, with prompts that cannot be told
// from other people's.
package shop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/koinon/koinon/client"
	"github.com/koinon/koinon/internal/auditor/prompts"
	"github.com/koinon/koinon/receipt"
)

// Config is where and with what to buy.
type Config struct {
	// Gateways are base URLs with their /v1, of which one is drawn each time.
	Gateways []string
	// Buyer pays; its Gateway is set each time.
	Buyer client.Buyer
	// MaxCost is the most that an answer may cost, in ucredit.
	MaxCost uint64
	Pool    *prompts.Pool
}

// Shop buys. Create it with [New]. It is safe for concurrent use, and buys one
// thing at a time.
type Shop struct {
	mu      sync.Mutex
	c       Config
	chance  *rand.Rand
	lengths map[string]prompts.Lengths // of gateways
}

// ErrGateways says that there is nowhere to buy.
var ErrGateways = errors.New("no gateway is known: give one that is open to strangers")

// New is a shop. The seed decides prompts and gateways: a secret of the
// auditor's, or its purchases could be foretold.
func New(c Config, seed [32]byte) (*Shop, error) {
	if len(c.Gateways) == 0 {
		return nil, ErrGateways
	}
	return &Shop{c: c, chance: rand.New(rand.NewChaCha8(seed)), lengths: map[string]prompts.Lengths{}}, nil
}

// Buy buys an answer of a provider. A gateway that fails, or gives no transcript to
// judge the answer by, is passed over for another.
func (s *Shop) Buy(ctx context.Context, provider string, model receipt.Digest) (receipt.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []error
	var mute receipt.Record // bought, but cannot be judged
	for _, i := range s.chance.Perm(len(s.c.Gateways)) {
		gateway := s.c.Gateways[i]
		record, err := s.buy(ctx, gateway, provider, model)
		if err == nil && record.Transcript != nil {
			return record, nil
		}
		if err == nil {
			mute = record
			continue
		}
		if ctx.Err() != nil {
			return record, ctx.Err()
		}
		failed = append(failed, fmt.Errorf("%s: %w", gateway, err))
	}
	if mute.Receipt.Version > 0 {
		return mute, nil
	}
	return receipt.Record{}, errors.Join(failed...)
}

func (s *Shop) buy(ctx context.Context, gateway, provider string, model receipt.Digest) (receipt.Record, error) {
	p := s.c.Pool.Draw(s.chance, s.market(ctx, gateway))
	r := client.Request{
		Model: model.String(), MaxTokens: p.MaxTokens, Temperature: &p.Temperature, MaxCost: s.c.MaxCost, Provider: provider, Transcript: true,
		Messages: []client.Message{{Role: "user", Content: p.Text}},
	}
	if p.System != "" {
		r.Messages = append([]client.Message{{Role: "system", Content: p.System}}, r.Messages...)
	}
	b := s.c.Buyer
	b.Gateway = gateway
	answer, err := b.Chat(ctx, r, nil)
	if err != nil {
		return receipt.Record{}, err
	}
	return answer.Record(), nil
}

// patience bounds the wait for a gateway's metrics.
const patience = 5 * time.Second

// market are the lengths that a gateway sees, or the usual ones where it does not
// say.
func (s *Shop) market(ctx context.Context, gateway string) prompts.Lengths {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if l, err := read(ctx, s.c.Buyer.HTTP, gateway); err == nil {
		s.lengths[gateway] = l
	}
	if l, ok := s.lengths[gateway]; ok {
		return l
	}
	return prompts.Usual()
}

func read(ctx context.Context, by *http.Client, gateway string) (prompts.Lengths, error) {
	at, err := url.Parse(gateway)
	if err != nil {
		return prompts.Lengths{}, err
	}
	at.Path = "/metrics"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return prompts.Lengths{}, err
	}
	if by == nil {
		by = http.DefaultClient
	}
	response, err := by.Do(request)
	if err != nil {
		return prompts.Lengths{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
		return prompts.Lengths{}, fmt.Errorf("%s answers %s", at, response.Status)
	}
	return prompts.ReadLengths(response.Body)
}
