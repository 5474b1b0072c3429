package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// ollamaServer is a real Ollama on a port and in a folder of its own.
type ollamaServer struct {
	*bench
	binary, home, address string
	process               *exec.Cmd
	log                   transcript
}

// newOllama starts the Ollama that make e2e has built, with the model that
// ships.
func newOllama(b *bench) *ollamaServer {
	binary := os.Getenv("KOINON_E2E_OLLAMA")
	if binary == "" {
		b.Skip("make e2e runs this, with the Ollama that it builds")
	}
	free, err := net.Listen("tcp", anyPort)
	if err != nil {
		b.Fatal(err)
	}
	o := &ollamaServer{bench: b, binary: binary, home: b.TempDir(), address: free.Addr().String()}
	free.Close()
	b.Cleanup(o.kill)
	o.serve()
	file, err := trivium.Install(o.home)
	if err != nil {
		b.Fatal(err)
	}
	modelfile := filepath.Join(o.home, "Modelfile")
	if err := os.WriteFile(modelfile, []byte("FROM "+file+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := o.command("create", "bard", "-f", modelfile).CombinedOutput(); err != nil {
		b.Fatalf("ollama create: %v\n%s", err, out)
	}
	return o
}

func (o *ollamaServer) command(args ...string) *exec.Cmd {
	c := exec.Command(o.binary, args...)
	c.Env = append(os.Environ(), "HOME="+o.home, "OLLAMA_MODELS="+filepath.Join(o.home, "models"), "OLLAMA_HOST="+o.address)
	return c
}

// serve starts the server, in a process group of its own with what it starts.
func (o *ollamaServer) serve() {
	o.Helper()
	o.process = o.command("serve")
	o.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	o.process.Stdout, o.process.Stderr = &o.log, &o.log
	if err := o.process.Start(); err != nil {
		o.Fatal(err)
	}
	o.poll("Ollama to serve", func() error {
		response, err := http.Get("http://" + o.address + "/api/version")
		if err == nil {
			response.Body.Close()
		}
		return err
	})
}

// kill ends it without a word, as a crash does.
func (o *ollamaServer) kill() {
	if o.process == nil {
		return
	}
	syscall.Kill(-o.process.Process.Pid, syscall.SIGKILL)
	o.process.Wait()
	o.process = nil
	if o.Failed() {
		o.Logf("Ollama wrote:\n%s", tail(o.log.String()))
	}
}

// A real Ollama sells what it serves: answers are paid, receipts hold, its crash
// is an error and no wrong receipt, and when it is back it sells on.
func TestOllamaSells(t *testing.T) {
	m := &machines{bench: newBench(t), first: t.TempDir(), second: t.TempDir(), third: t.TempDir()}
	engine := newOllama(m.bench)
	m.startLedger()
	m.providerA = m.start("the provider", m.second, &m.a, "provide", "--upstream", "http://"+engine.address+"/v1", "--model", "bard",
		"--ledger", m.node.GRPC, "--traverse=false", "--input-price", "0.50", "--output-price", "2")
	m.send(m.a.Address, 200_000_000, "ukoin")
	m.awaitOffer(m.a)
	m.startBuying()

	c := openai.NewClient(option.WithBaseURL(m.buyer.Gateway), option.WithAPIKey(m.buyer.Key), option.WithMaxRetries(0))
	m.buyFromOllama(c)
	m.crash(c, engine)
	engine.serve()
	m.poll("Ollama to sell again", func() error {
		_, err := c.Completions.New(m.ctx, openai.CompletionNewParams{Model: trivium.Name, MaxTokens: openai.Int(4),
			Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("KING HENRY:")}})
		return err
	})
	m.useOwn(c, engine)
	m.stop(m.gateway, m.providerA)
	books, err := m.ledger.Invariants(m.ctx)
	if earned := m.has(m.ctx, m.a.Address); err != nil || !books.Holds || earned == 0 {
		t.Errorf("the escrow's books %+v, the provider has %d ucredit, %v", books, earned, err)
	}
	m.stop(m.following, m.founding)
}

// useOwn starts the provider again, free for the gateway's payer.
func (m *machines) useOwn(c openai.Client, engine *ollamaServer) {
	m.Helper()
	m.stop(m.providerA)
	m.providerA = m.start("the provider again", m.second, &m.a, "provide", "--upstream", "http://"+engine.address+"/v1", "--model", "bard",
		"--ledger", m.node.GRPC, "--traverse=false", "--input-price", "0.50", "--output-price", "2", "--own", m.buyer.Address)
	var paid settlement
	m.poll("an answer for nothing", func() error {
		answer, err := c.Completions.New(m.ctx, openai.CompletionNewParams{Model: trivium.Name, MaxTokens: openai.Int(20),
			Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("KING HENRY:")}})
		if err == nil {
			paid = settlement{}
			paid.read(answer.RawJSON())
		}
		return err
	})
	if paid.Receipt == "" || paid.Cost != 0 {
		m.Errorf("the owner's own use cost %+v", paid)
	}
}

// buyFromOllama asks in every way, and checks what was paid for.
func (m *machines) buyFromOllama(c openai.Client) {
	m.Helper()
	params := openai.ChatCompletionNewParams{
		Model: trivium.Name, MaxTokens: openai.Int(40), Temperature: openai.Float(0.7), Seed: openai.Int(1616),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("KING HENRY:\nOnce more")},
	}
	whole, err := c.Chat.Completions.New(m.ctx, params)
	if err != nil {
		m.Fatal(err)
	}
	m.checkSold("chat", whole.RawJSON(), whole.Choices[0].Message.Content, whole.Usage.CompletionTokens)

	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	var streamed behaviour
	paid := stream(m.bench, c, params, &streamed)
	m.checkSold("stream", fmt.Sprintf(`{"koinon":{"receipt":%q}}`, paid.Receipt), streamed.text, streamed.completion)

	text, err := c.Completions.New(m.ctx, openai.CompletionNewParams{
		Model: trivium.Name + "@1-statistical", MaxTokens: openai.Int(60), Temperature: openai.Float(0),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("KING HENRY:")},
		Stop:   openai.CompletionNewParamsStopUnion{OfString: openai.String("e")},
	})
	if err != nil {
		m.Fatal(err)
	}
	if got := text.Choices[0]; strings.Contains(got.Text, "e") || got.FinishReason != "stop" {
		m.Errorf("with a stop string: %q, %s", got.Text, got.FinishReason)
	}
	m.checkSold("completion", text.RawJSON(), text.Choices[0].Text, text.Usage.CompletionTokens)
}

// checkSold checks the receipt of an answer.
func (m *machines) checkSold(what, raw, text string, tokens int64) {
	m.Helper()
	var paid settlement
	paid.read(raw)
	var r receipt.Receipt
	shown := m.run(m.third, "receipt", "show", "--json", paid.Receipt, "--gateway", m.buyer.Gateway, "--api-key", m.buyer.Key)
	if err := json.Unmarshal([]byte(shown), &r); err != nil {
		m.Fatal(err)
	}
	if r.Class != receipt.Statistical || r.Provider != m.a.Address || r.Model.String() != m.a.Digest ||
		r.CompletionTokens != uint64(tokens) || tokens == 0 || text == "" && what != "completion" {
		m.Errorf("%s: %q of %d tokens came with the receipt %+v", what, text, tokens, r)
	}
	m.Logf("%s: %d tokens for %d ucredit: %q", what, tokens, r.Cost, text)
}

// crash kills the engine within an answer: the client hears of it, and is billed
// for no more than it got.
func (m *machines) crash(c openai.Client, engine *ollamaServer) {
	m.Helper()
	s := c.Chat.Completions.NewStreaming(m.ctx, openai.ChatCompletionNewParams{
		Model: trivium.Name, MaxTokens: openai.Int(450), Temperature: openai.Float(1),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("KING HENRY:\nOnce more")},
	})
	defer s.Close()
	var got bytes.Buffer
	for chunks := 0; s.Next(); chunks++ {
		if chunks == 3 {
			engine.kill()
		}
		for _, choice := range s.Current().Choices {
			got.WriteString(choice.Delta.Content)
		}
	}
	if s.Err() == nil {
		m.Errorf("the engine was killed, and the answer ended as if nothing had happened: %q", got.String())
	}
	m.Logf("killed after %d bytes: %v", got.Len(), s.Err())
	_, err := c.Chat.Completions.New(m.ctx, openai.ChatCompletionNewParams{
		Model: trivium.Name, MaxTokens: openai.Int(4), Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Once more")},
	})
	refusal := new(openai.Error)
	if !errors.As(err, &refusal) || refusal.StatusCode < 500 {
		m.Errorf("without its engine the provider answers %v", err)
	}
	m.Logf("without an engine: %v", err)
}
