package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/receipt"
)

// The request that is compared: a prompt of some length, as the gateway counts
// its tokens and compares them with the provider's count.
const (
	comparedPrompt = "In the beginning God created the heaven and the earth. And the earth was without form, " +
		"and void; and darkness was upon the face of the deep. And the Spirit of God moved upon the face of the waters."
	answerTokens = 64
)

// overhead compares one request asked in three ways.
type overhead struct {
	Requests int `json:"requests"` // in each way
	// Moved counts rounds that were left out, because the gateway chose another
	// provider than the direct buyer asked.
	Moved        int       `json:"moved"`
	PromptTokens int       `json:"prompt_tokens"`
	AnswerTokens int       `json:"answer_tokens"`
	First        latencies `json:"first_token"`
	Total        latencies `json:"total"`
}

// latencies are times in milliseconds.
type latencies struct {
	Engine  tail `json:"engine_ms"`  // in this process, no network and no payment
	Direct  tail `json:"direct_ms"`  // the provider over libp2p, with grant and tickets
	Gateway tail `json:"gateway_ms"` // the gateway's HTTP API
	// Ratio is the gateway's median over the direct one's.
	Ratio    float64 `json:"ratio"`
	RatioP95 float64 `json:"ratio_p95"`
	// Difference is gateway minus direct, taken request by request. Its median
	// lies in Interval with a confidence of 95 %: where that holds 0, the run
	// cannot tell the two apart.
	Difference tail       `json:"difference_ms"`
	Interval   [2]float64 `json:"difference_interval_ms"`
}

// compareLatencies sums up what was asked in turns; the lists are of one length.
func compareLatencies(engine, direct, gateway []time.Duration) latencies {
	list := func(times []time.Duration) []float64 {
		out := make([]float64, len(times))
		for i, d := range times {
			out[i] = milliseconds(d)
		}
		return out
	}
	differences := make([]time.Duration, len(direct))
	for i := range direct {
		differences[i] = gateway[i] - direct[i]
	}
	l := latencies{
		Engine: tailOf(list(engine)), Direct: tailOf(list(direct)), Gateway: tailOf(list(gateway)),
		Difference: tailOf(list(differences)),
	}
	l.Interval[0], l.Interval[1] = medianInterval(list(differences))
	l.Ratio, l.RatioP95 = l.Gateway.P50/l.Direct.P50, l.Gateway.P95/l.Direct.P95
	return l
}

// comparison asks the same request in three ways.
type comparison struct {
	model   *engine.Model
	engine  *engine.Engine
	gateway *gatewayClient
	buyer   *buyer
	line    *line
	request inference.Request
	prompt  []int32
}

// The three ways.
const (
	byEngine = iota
	byDirect
	byGateway
	ways
)

// orders are all orders of the ways, so that each follows each other way, and
// begins a round, equally often: what was asked last warms caches for the next.
var orders = [][ways]int{
	{byEngine, byDirect, byGateway}, {byGateway, byDirect, byEngine}, {byDirect, byGateway, byEngine},
	{byEngine, byGateway, byDirect}, {byGateway, byEngine, byDirect}, {byDirect, byEngine, byGateway},
}

// measureGateway takes turns between the engine alone, a provider asked
// directly, and the gateway, with the same prompt, seed and sampling, so that
// all three compute the same answer under the same disturbances.
func measureGateway(ctx context.Context, n *network, quick bool, progress func(string, ...any)) (_ *overhead, err error) {
	rounds := 30 * len(orders)
	if quick {
		rounds = 4 * len(orders)
	}
	progress("depositing credit for direct requests")
	c, err := newComparison(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.gateway.http.CloseIdleConnections()
		err = errors.Join(err, c.buyer.close())
	}()
	progress("waiting until the ledger has both grants")
	if err := c.warmUp(ctx, n); err != nil {
		return nil, err
	}
	o := &overhead{PromptTokens: len(c.prompt)}
	var first, total [ways][]time.Duration
	for round := range rounds {
		if round%(3*len(orders)) == 0 {
			progress("asking engine, provider and gateway in turns, round %d of %d", round, rounds)
		}
		answers, err := c.round(ctx, round)
		if err != nil {
			return nil, err
		}
		if answers[byGateway].provider != answers[byDirect].provider {
			o.Moved++
			continue
		}
		for way, a := range answers {
			first[way], total[way] = append(first[way], a.first), append(total[way], a.total)
		}
		o.AnswerTokens = len(answers[byDirect].tokens)
	}
	if o.Requests = rounds - o.Moved; o.Requests < rounds/2 {
		return nil, fmt.Errorf("the gateway asked another provider in %d of %d rounds", o.Moved, rounds)
	}
	o.First = compareLatencies(first[byEngine], first[byDirect], first[byGateway])
	o.Total = compareLatencies(total[byEngine], total[byDirect], total[byGateway])
	return o, nil
}

func newComparison(ctx context.Context, n *network) (*comparison, error) {
	model, err := loadModel()
	if err != nil {
		return nil, err
	}
	if len(n.Models) == 0 {
		return nil, errors.New("the network serves no model")
	}
	digest, err := receipt.ParseDigest(n.Models[0].Digest)
	if err != nil {
		return nil, err
	}
	b, err := newBuyer(ctx, n, "bob")
	if err != nil {
		return nil, err
	}
	return &comparison{
		model: model, prompt: model.Prompt(comparedPrompt), buyer: b,
		engine:  engine.New(model, engine.Options{Slots: 1, Threads: 1}), // as many threads as a provider of koinon up
		gateway: &gatewayClient{url: n.Gateway, key: n.APIKey, model: n.Models[0].Digest, http: &http.Client{}},
		request: inference.Request{
			Model: digest, Prompt: comparedPrompt, MaxTokens: answerTokens, Temperature: temperature, TopP: 1, Seed: sampleSeed,
		},
	}, nil
}

// warmUp asks often enough that connections stand, and waits until the ledger
// has activated both payers' grants: before that a provider serves a stranger
// little.
func (c *comparison) warmUp(ctx context.Context, n *network) error {
	a, err := c.gateway.ask(ctx, c.request)
	if err != nil {
		return err
	}
	if c.line, err = c.buyer.grant(ctx, a.provider, c.request.Model); err != nil {
		return err
	}
	if _, err := c.buyer.ask(ctx, c.line, c.request, len(c.prompt)); err != nil {
		return err
	}
	payer, err := n.account("buyer")
	if err != nil {
		return err
	}
	if err := c.awaitGrants(ctx, payer.Address, a.provider); err != nil {
		return fmt.Errorf("the grants are not on the ledger: %w", err)
	}
	for round := range orders {
		if _, err := c.round(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

// awaitGrants waits until the ledger has the direct buyer's grant, and one of
// the gateway's to the same provider.
func (c *comparison) awaitGrants(ctx context.Context, gateway, provider string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := c.buyer.ledger.Grant(ctx, c.line.signed.ID().Hex())
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return err
		}
		grants, failed := c.buyer.ledger.Grants(ctx, gateway, "")
		if failed != nil {
			return failed
		}
		if err == nil && slices.ContainsFunc(grants, func(g escrowv1.ActiveGrant) bool { return g.Grant.Provider == provider }) {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// round asks once in each way, in an order that changes from round to round, and
// makes sure that all three answers are the same.
func (c *comparison) round(ctx context.Context, round int) (answers [ways]timed, err error) {
	for _, way := range orders[round%len(orders)] {
		switch way {
		case byEngine:
			answers[way], err = generate(ctx, c.engine, c.prompt, answerTokens)
		case byDirect:
			answers[way], err = c.buyer.ask(ctx, c.line, c.request, len(c.prompt))
		case byGateway:
			answers[way], err = c.gateway.ask(ctx, c.request)
		}
		if err != nil {
			return answers, err
		}
	}
	alone, direct := answers[byEngine], answers[byDirect]
	if receipt.TokensDigest(alone.tokens) != receipt.TokensDigest(direct.tokens) || c.text(direct.tokens) != answers[byGateway].text {
		return answers, errors.New("the answers differ, so their times cannot be compared")
	}
	return answers, nil
}

// text is what tokens read as.
func (c *comparison) text(tokens []int32) string {
	var text strings.Builder
	for _, id := range tokens {
		text.Write(c.model.Piece(id))
	}
	return strings.ToValidUTF8(text.String(), "\uFFFD")
}
