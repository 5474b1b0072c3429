package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/grpc/metadata"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// anyPort is a free port on loopback.
const anyPort = "127.0.0.1:0"

// funds is what the gateway's account begins with, in ucredit.
const funds = 30_000_000

// seller is what a provider prints about itself.
type seller struct{ Address, Digest string }

// ledgerNode is what a node prints about itself.
type ledgerNode struct{ ID, GRPC, P2P string }

// buyer is a gateway with a key to it.
type buyer struct{ Gateway, Address, Key string }

// machines are three of them, on loopback: the first founds the ledger, the
// second has the model's file and sells, the third follows the ledger with a
// node of its own, buys, and later sells what it fetched from the second.
type machines struct {
	*bench
	first, second, third     string // homes
	founding, following      *role
	providerA, providerB     *role
	gateway                  *role
	ledger                   *client.Client
	node, follower           ledgerNode
	a, b                     seller
	buyer                    buyer
	ownerAddress, appAddress string
}

// Three machines' worth of processes do what the one process of koinon up does:
// the same models, the same text for the same seed, receipts that hold; weights
// go from peer to peer; and the money adds up.
func TestThreeMachinesBehaveAsOneProcess(t *testing.T) {
	one := askOneProcess(newBench(t))
	m := &machines{bench: newBench(t), first: t.TempDir(), second: t.TempDir(), third: t.TempDir()}
	m.startLedger()
	m.startSelling()
	m.startBuying()

	here := ask(m.bench, m.buyer, m.a.Digest)
	if here.behaviour != one.behaviour {
		t.Errorf("three machines: %+v\none process:    %+v", here.behaviour, one.behaviour)
	}
	spent := m.checkReceipts(here, m.a)

	lost := m.killBuying()
	again := ask(m.bench, m.buyer, m.a.Digest)
	if again.behaviour != one.behaviour {
		t.Errorf("after the gateway was killed: %+v\none process: %+v", again.behaviour, one.behaviour)
	}
	spent += m.checkReceipts(again, m.a)

	m.sellMore()
	m.stop(m.providerA)
	there := ask(m.bench, m.buyer, m.a.Digest)
	if there.behaviour != one.behaviour {
		t.Errorf("the second provider: %+v\none process:         %+v", there.behaviour, one.behaviour)
	}
	spent += m.checkReceipts(there, m.b)

	m.commandProvider()
	m.stop(m.gateway)
	m.checkMoney(spent, lost)
	m.stop(m.following, m.founding)
}

// askOneProcess asks a network in one process.
func askOneProcess(b *bench) answers {
	var info devnet.Info
	up := b.startUp(&info)
	got := ask(b, buyer{Gateway: info.Gateway, Key: info.APIKey}, info.Models[0].Digest)
	b.stop(up)
	return got
}

// startUp starts a whole network in one process.
func (b *bench) startUp(info *devnet.Info) *role {
	b.Helper()
	return b.start("koinon up", b.TempDir(), info, "up", "--providers", "1", "--block-time", "100ms",
		"--gateway-addr", anyPort, "--rpc-addr", anyPort, "--rest-addr", anyPort, "--grpc-addr", anyPort)
}

// startNode starts a node on a machine.
func (m *machines) startNode(name, home string, into *ledgerNode, args ...string) *role {
	return m.start(name, home, into, append([]string{"node", "--block-time", "250ms", "--rpc-addr", anyPort,
		"--rest-addr", anyPort, "--grpc-addr", anyPort, "--p2p-addr", anyPort}, args...)...)
}

// startLedger founds a ledger on the first machine, which the third follows.
func (m *machines) startLedger() {
	var made struct{ Genesis string }
	if err := json.Unmarshal([]byte(m.run(m.first, "node", "init", "--chain-id", "koinon-test-1", "--json")), &made); err != nil {
		m.Fatal(err)
	}
	m.founding = m.startNode("the first machine's node", m.first, &m.node)
	m.following = m.startNode("the third machine's node", m.third, &m.follower, "--genesis", made.Genesis, "--peers", m.node.P2P)
	var err error
	if m.ledger, err = client.Dial(m.ctx, m.node.GRPC, ""); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { m.ledger.Close() })
}

// startSelling starts the provider that has the model's file.
func (m *machines) startSelling() {
	owner, err := client.NewKey("owner")
	if err != nil {
		m.Fatal(err)
	}
	m.ownerAddress = owner.Address()
	file, err := trivium.Install(m.second)
	if err != nil {
		m.Fatal(err)
	}
	m.providerA = m.start("provider A", m.second, &m.a, "provide", file, "--ledger", m.node.GRPC, "--threads", "1",
		"--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--owner", m.ownerAddress+"=1200", "--input-price", "0.50", "--output-price", "2")
	m.send(m.a.Address, 200_000_000, "ukoin")
	m.awaitOffer(m.a)
}

// startBuying starts the gateway, funds it and makes a key to it.
func (m *machines) startBuying() {
	app, err := client.NewKey("app")
	if err != nil {
		m.Fatal(err)
	}
	m.appAddress = app.Address()
	m.startGateway()
	m.send(m.buyer.Address, funds, credit.Denom)
	m.buyer.Key = strings.TrimSpace(m.run(m.third, "keys", "create", "--gateway-home", filepath.Join(m.third, ".koinon", "gateway")))
	m.poll("the gateway to pay", func() error {
		e, err := m.ledger.Escrow(m.ctx, m.buyer.Address)
		return atLeast(e.Available, 1, err)
	})
	m.awaitProviders(1)
}

func (m *machines) startGateway() {
	m.gateway = m.start("the gateway", m.third, &m.buyer, "gateway", "--ledger", m.follower.GRPC, "--listen", anyPort, "--app", m.appAddress)
}

// killBuying kills the gateway in the middle of an answer and starts it again, with
// the keys, grants and receipts that it had. It returns the price of the whole answer,
// more than which it cannot have paid for what nobody got.
func (m *machines) killBuying() (price uint64) {
	m.Helper()
	const tokens = 400
	c := openai.NewClient(option.WithBaseURL(m.buyer.Gateway), option.WithAPIKey(m.buyer.Key), option.WithMaxRetries(0))
	s := c.Chat.Completions.NewStreaming(m.ctx, openai.ChatCompletionNewParams{
		Model: trivium.Name, MaxTokens: openai.Int(tokens), Temperature: openai.Float(0.7), Seed: openai.Int(1616),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("KING HENRY:\nOnce more")},
	})
	defer s.Close()
	if !s.Next() {
		m.Fatalf("an answer did not begin: %v", s.Err())
	}
	m.kill(m.gateway)
	for s.Next() {
		// what was on its way
	}
	if s.Err() == nil {
		m.Error("the answer of a gateway that was killed ended as if it were whole")
	}
	m.startGateway()
	m.awaitProviders(1)
	price, err := receipt.Price{Input: 500_000, Output: 2_000_000}.Cost(100, 0, tokens) // of a prompt that is shorter
	if err != nil {
		m.Fatal(err)
	}
	return price
}

// sellMore starts the provider that has only the model's name, and which finds
// its price in the market: the first one's.
func (m *machines) sellMore() {
	m.providerB = m.start("provider B", m.third, &m.b, "provide", "--model", m.a.Digest, "--ledger", m.follower.GRPC, "--threads", "2",
		"--listen", "/ip4/127.0.0.1/tcp/0")
	if m.b.Digest != m.a.Digest || m.b.Address == m.a.Address {
		m.Fatalf("provider B is %+v, A %+v", m.b, m.a)
	}
	m.send(m.b.Address, 200_000_000, "ukoin")
	m.awaitOffer(m.b)
	m.awaitProviders(2)
}

// commandProvider looks at the second provider, pauses and resumes it, and has it
// drain, which ends it.
func (m *machines) commandProvider() {
	m.Helper()
	var s process.Status
	read := func(command string) {
		m.Helper()
		if err := json.Unmarshal([]byte(m.run(m.third, "provide", command, "--json")), &s); err != nil {
			m.Fatal(err)
		}
	}
	if read("status"); s.State != provider.Serving || s.Requests != 2 || s.CompletionTokens == 0 || s.Pending == 0 || s.Earnings == nil {
		m.Errorf("the second provider is %+v", s)
	}
	onLedger := func(want providerv1.Status) {
		m.Helper()
		m.poll("the ledger to have the provider "+want.String(), func() error {
			p, err := m.ledger.Provider(m.ctx, m.b.Address)
			if err == nil && p.Status != want {
				err = fmt.Errorf("it is %s", p.Status)
			}
			return err
		})
	}
	if read("pause"); s.State != provider.Paused {
		m.Errorf("paused, it is %s", s.State)
	}
	onLedger(providerv1.Status_STATUS_DRAINING)
	if read("resume"); s.State != provider.Serving {
		m.Errorf("resumed, it is %s", s.State)
	}
	onLedger(providerv1.Status_STATUS_ACTIVE)
	m.forget(m.providerB)
	if read("drain"); s.State != "stopped" {
		m.Errorf("drained, it is %s", s.State)
	}
	<-m.providerB.done
	if code := m.providerB.command.ProcessState.ExitCode(); code != 0 {
		m.Errorf("drained, it ended with %v", m.providerB.command.ProcessState)
	}
	onLedger(providerv1.Status_STATUS_DRAINING)
}

// send has the founder send money, and waits for it.
func (m *machines) send(to string, amount uint64, denom string) {
	m.Helper()
	m.run(m.first, "tx", "bank", "send", founder, to, strconv.FormatUint(amount, 10)+denom, "--home", filepath.Join(m.first, ".koinon", "node"), "-y")
	m.poll("money from the founder", func() error {
		got, err := m.ledger.Balance(m.ctx, to, denom)
		return atLeast(got, 1, err)
	})
}

func (m *machines) awaitOffer(s seller) {
	m.Helper()
	m.poll("the offer of "+s.Address, func() error {
		offers, err := m.ledger.Offers(m.ctx, s.Digest, s.Address)
		return atLeast(uint64(len(offers)), 1, err)
	})
}

// awaitProviders waits until the gateway reaches that many.
func (m *machines) awaitProviders(count uint64) {
	m.Helper()
	c := connection{gateway: m.buyer.Gateway, apiKey: m.buyer.Key}
	m.poll("the gateway to reach its providers", func() error {
		var list struct {
			Data []struct{ Koinon struct{ Providers uint64 } }
		}
		err := c.get(m.ctx, "/models", &list)
		if err == nil && len(list.Data) == 0 {
			err = errors.New("no model yet")
		}
		if err != nil {
			return err
		}
		return atLeast(list.Data[0].Koinon.Providers, count, nil)
	})
}

// behaviour is what a user sees of a network, and which must not depend on how
// many processes it is.
type behaviour struct {
	models     string
	text       string
	finish     string
	prompt     int64
	completion int64
	cost       uint64
}

// answers is what two requests came to: one answered at once, one streamed.
type answers struct {
	behaviour
	paid [2]settlement
}

// ask lists the models and has one thing said twice, at once and as a stream.
func ask(b *bench, of buyer, digest string) answers {
	b.Helper()
	c := openai.NewClient(option.WithBaseURL(of.Gateway), option.WithAPIKey(of.Key), option.WithMaxRetries(0))
	page, err := c.Models.List(b.ctx)
	if err != nil || len(page.Data) != 1 {
		b.Fatalf("models %+v, %v", page, err)
	}
	if !strings.Contains(page.Data[0].RawJSON(), digest) {
		b.Fatalf("the list of models does not name %s: %s", digest, page.Data[0].RawJSON())
	}
	params := openai.ChatCompletionNewParams{
		Model: trivium.Name, MaxTokens: openai.Int(60), Temperature: openai.Float(0.7), Seed: openai.Int(1616),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("KING HENRY:\nOnce more")},
	}
	whole, err := c.Chat.Completions.New(b.ctx, params)
	if err != nil {
		b.Fatal(err)
	}
	var got answers
	got.paid[0].read(whole.RawJSON())
	got.behaviour = behaviour{
		page.Data[0].ID + " " + digest, whole.Choices[0].Message.Content, whole.Choices[0].FinishReason,
		whole.Usage.PromptTokens, whole.Usage.CompletionTokens, got.paid[0].Cost,
	}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	streamed := behaviour{models: got.models}
	got.paid[1] = stream(b, c, params, &streamed)
	if streamed != got.behaviour {
		b.Errorf("at once:  %+v\nstreamed: %+v", got.behaviour, streamed)
	}
	if got.text == "" || got.completion == 0 || got.cost == 0 {
		b.Errorf("an empty answer: %+v", got)
	}
	return got
}

// stream reads a streamed answer.
func stream(b *bench, c openai.Client, params openai.ChatCompletionNewParams, into *behaviour) (paid settlement) {
	b.Helper()
	s := c.Chat.Completions.NewStreaming(b.ctx, params)
	defer s.Close()
	var all openai.ChatCompletionAccumulator
	chunks := 0
	for s.Next() {
		all.AddChunk(s.Current())
		paid.read(s.Current().RawJSON())
		chunks++
	}
	if err := s.Err(); err != nil || len(all.Choices) != 1 || chunks < 5 {
		b.Fatalf("a stream of %d chunks: %v", chunks, err)
	}
	into.text, into.finish = all.Choices[0].Message.Content, all.Choices[0].FinishReason
	into.prompt, into.completion, into.cost = all.Usage.PromptTokens, all.Usage.CompletionTokens, paid.Cost
	return paid
}

// checkReceipts has koinon show and verify the receipts of answers, which a
// seller must have signed, and returns what they cost.
func (m *machines) checkReceipts(got answers, by seller) uint64 {
	m.Helper()
	var list []receipt.Receipt
	var spent uint64
	for _, paid := range got.paid {
		shown := m.run(m.third, "receipt", "show", "--json", paid.Receipt, "--gateway", m.buyer.Gateway, "--api-key", m.buyer.Key)
		var r receipt.Receipt
		if err := json.Unmarshal([]byte(shown), &r); err != nil {
			m.Fatal(err)
		}
		if paid.Provider != by.Address || r.Provider != by.Address || r.App != m.appAddress || r.Model.String() != by.Digest ||
			r.Cost != got.cost || r.PromptTokens != uint64(got.prompt) || r.CompletionTokens != uint64(got.completion) {
			m.Errorf("%+v came from %s, with the receipt %+v", got.behaviour, paid.Provider, r)
		}
		list = append(list, r)
		spent += r.Cost
	}
	data, err := json.Marshal(list)
	if err != nil {
		m.Fatal(err)
	}
	file := filepath.Join(m.third, "receipts.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		m.Fatal(err)
	}
	var verdict struct {
		Valid    bool
		Receipts int
	}
	if err := json.Unmarshal([]byte(m.run(m.third, "receipt", "verify", "--json", file)), &verdict); err != nil || !verdict.Valid || verdict.Receipts != 2 {
		m.Errorf("the receipts are found %+v, %v", verdict, err)
	}
	return spent
}

// checkMoney holds what the payer paid, for answers and for at most the price of one
// that was lost, against what everybody else has of it.
func (m *machines) checkMoney(spent, lost uint64) {
	m.Helper()
	height, err := m.ledger.Height(m.ctx)
	if err != nil {
		m.Fatal(err)
	}
	// All of one block.
	ctx := metadata.AppendToOutgoingContext(m.ctx, "x-cosmos-block-height", strconv.FormatInt(height, 10))
	books, err := m.ledger.Invariants(ctx)
	if err != nil || !books.Holds {
		m.Fatalf("the escrow's books %+v, %v", books, err)
	}
	escrow, err := m.ledger.Escrow(ctx, m.buyer.Address)
	if err != nil {
		m.Fatal(err)
	}
	treasury, err := m.ledger.Treasury(ctx, credit.Denom)
	if err != nil {
		m.Fatal(err)
	}
	audits, err := m.ledger.AuditInvariants(ctx)
	if err != nil || !audits.Holds {
		m.Fatalf("the court's books %+v, %v", audits, err)
	}
	paid := funds - m.has(ctx, m.buyer.Address) - escrow.Available - escrow.Locked
	a, b, owner, app := m.has(ctx, m.a.Address), m.has(ctx, m.b.Address), m.has(ctx, m.ownerAddress), m.has(ctx, m.appAddress)
	var curators uint64 // of the model, the providers and the app; without one, it falls to the treasury when it is due
	for _, listing := range []string{"model/" + m.a.Digest, "provider/" + m.a.Address, "provider/" + m.b.Address, "app/" + m.appAddress} {
		curators += m.due(ctx, listing)
	}
	sum := fmt.Sprintf("paid %d ucredit: provider A %d, B %d, owner %d, app %d, curators %d, auditors %d, treasury %d",
		paid, a, b, owner, app, curators, audits.Fund, treasury)
	m.Log(sum)
	if paid != a+b+owner+app+curators+audits.Fund+treasury {
		m.Errorf("the money does not add up: %s", sum)
	}
	if a == 0 || b == 0 || owner == 0 || app == 0 || audits.Fund == 0 || treasury == 0 {
		m.Errorf("the split did not reach everybody: %s", sum)
	}
	const ticket = 100 // of the gateway; each of the two grants may be overpaid by less
	if paid < spent || paid >= spent+lost+2*ticket {
		m.Errorf("paid %d ucredit for answers of %d, and one of %d that was lost", paid, spent, lost)
	}
}

// has is what an account holds and what is still to be paid out to it.
func (m *machines) has(ctx context.Context, address string) uint64 {
	m.Helper()
	sum, err := m.ledger.Balance(ctx, address, credit.Denom)
	if err != nil {
		m.Fatal(err)
	}
	return sum + m.due(ctx, address)
}

// due is what is still to be paid out to somebody.
func (m *machines) due(ctx context.Context, recipient string) (sum uint64) {
	m.Helper()
	payouts, err := m.ledger.Payouts(ctx, recipient)
	if err != nil {
		m.Fatal(err)
	}
	for _, p := range payouts {
		sum += p.Amount
	}
	return sum
}
