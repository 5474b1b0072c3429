package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"crypto/ed25519"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	"github.com/prometheus/client_golang/prometheus"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/defend"
	"github.com/koinon/koinon/internal/provider/onledger"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// What a provider does that cheats.
const (
	quantiser = "quantiser" // serves a quantised twin of what it sells
	truncator = "truncator" // does not read all of a prompt
	copier    = "copier"    // copies answers to challenges
	silent    = "silent"    // does not answer challenges
)

// cheat is a provider's process that cheats: `cheat WHAT LEDGER MODEL TWIN HOME`.
func cheat() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a := os.Args[1:]
	c := crook{what: a[0], ledger: a[1], model: a[2], twin: a[3], home: a[4]}
	if err := c.run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// crook puts a provider together as package process does, but for one thing.
type crook struct{ what, ledger, model, twin, home string }

func (c crook) run(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ledger, err := client.Dial(ctx, c.ledger, "")
	if err != nil {
		return err
	}
	key, err := client.LoadKey(filepath.Join(c.home, "account.json"), c.what)
	if err != nil {
		return err
	}
	identity, err := process.Identity(filepath.Join(c.home, "identity.pem"))
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: identity, Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"}, Logger: log})
	if err != nil {
		return err
	}
	topic, err := host.Gossip(heartbeat.Topic(ledger.ChainID()), func([]byte) p2p.Verdict { return p2p.PassOn })
	if err != nil {
		return err
	}
	store, err := weights.Open(filepath.Join(c.home, "weights"))
	if err != nil {
		return err
	}
	weights.Join(host, store, weights.Limits{})
	m, digest, err := store.Publish(ctx, c.model, weights.Card{Version: "1", Class: receipt.Exact})
	if err != nil {
		return err
	}
	loaded, served, err := c.serves()
	if err != nil {
		return err
	}
	account := tampered{Account: onledger.New(ledger, key), what: c.what}
	p, err := provider.New(provider.Config{
		Home: c.home, Bond: 100_000_000, Price: receipt.Price{Input: 500_000, CachedInput: 500_000, Output: 2_000_000},
		RedeemEvery: 5 * time.Second, ChallengeEvery: 200 * time.Millisecond,
	}, provider.Outside{
		Ledger: account, Key: identity, Addrs: host.Addrs, Log: log, Metrics: prometheus.NewRegistry(),
		Engine: served, Gossip: topic.Publish, Version: "test",
		Model: provider.Model{
			Digest: digest, Name: m.Name, Version: m.Version, Class: m.Class, License: m.License, Architecture: m.Architecture,
			Parameters: m.Parameters, SizeBytes: m.Weights.Size, ContextLength: m.ContextLength, Quantization: m.Quantization, Root: m.Root,
		},
	})
	if err != nil {
		return err
	}
	host.Handle(inference.Protocol, func(s p2p.Stream, _ ed25519.PublicKey) { p.Handle(s) })
	// It defends itself with what it serves, and with rows that the ledger takes.
	defence := defend.New(account.Account, p.Evidence, func(context.Context) (party.Weights, error) {
		r, err := rows.Open(c.model)
		return party.Weights{Model: loaded, Rows: r}, err
	}, 1, log)
	go defence.Run(ctx, 200*time.Millisecond)
	if c.what == copier {
		go copyOthers(ctx, ledger, account.Account, identity, digest, log)
	}
	if err := json.NewEncoder(os.Stdout).Encode(seller{Address: key.Address(), Digest: digest.String()}); err != nil {
		return err
	}
	if err := awaitKoin(ctx, ledger, key.Address()); err != nil {
		return err
	}
	return p.Run(ctx)
}

// serves is the engine that it answers with.
func (c crook) serves() (*engine.Model, provider.Engine, error) {
	file := c.model
	if c.what == quantiser {
		file = c.twin
	}
	m, err := engine.Load(file)
	if err != nil {
		return nil, nil, err
	}
	e := provider.Reference(engine.New(m, engine.Options{Slots: 2, Queue: 8, Threads: 1}))
	if c.what == truncator {
		e = truncated{e}
	}
	return m, e, nil
}

func awaitKoin(ctx context.Context, ledger *client.Client, address string) error {
	for {
		if has, err := ledger.Balance(ctx, address, "ukoin"); err == nil && has > 100_000_000 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// truncated reads the last tokens of a prompt alone: it saves what the others cost.
// It knows challenges by their tokens, which are bytes, and reads those whole.
type truncated struct{ provider.Engine }

func (t truncated) Generate(ctx context.Context, job provider.Job, emit func(provider.Token) error) (string, error) {
	if slices.Max(job.Prompt) > 255 {
		job.Prompt = job.Prompt[max(0, len(job.Prompt)-4):]
	}
	return t.Engine.Generate(ctx, job, emit)
}

// tampered is the ledger of a provider that does not answer challenges itself.
type tampered struct {
	*onledger.Account
	what string
}

func (t tampered) Duties(ctx context.Context) ([]challengev1.Duty, error) {
	if t.what == copier || t.what == silent {
		return nil, nil
	}
	return t.Account.Duties(ctx)
}

// copyOthers sends in its own name what another has sent of a challenge, read from
// the blocks: the commitment, then answer, salt and tokens, signed by itself as the
// ledger wants them.
func copyOthers(ctx context.Context, ledger *client.Client, account *onledger.Account, key ed25519.PrivateKey, model receipt.Digest, log *slog.Logger) {
	committed, revealed := map[int64]bool{}, map[int64]bool{}
	copied := func(m proto.Message) sdk.Msg {
		switch m := m.(type) {
		case *challengev1.MsgCommit:
			if c := m.Commitments[0]; !committed[c.Epoch] {
				committed[c.Epoch] = true
				return &challengev1.MsgCommit{Provider: account.Address(), Commitments: m.Commitments}
			}
		case *challengev1.MsgReveal:
			a := m.Answers[0]
			duties, _ := account.Duties(ctx)
			at := slices.IndexFunc(duties, func(d challengev1.Duty) bool {
				return d.Challenge.Epoch == a.Epoch && d.Challenge.ModelDigest == a.ModelDigest
			})
			if at < 0 || revealed[a.Epoch] {
				return nil
			}
			revealed[a.Epoch] = true
			c := duties[at].Challenge
			a.Signature = challenge.Statement{
				Chain: account.ChainID(), Class: receipt.Exact, Payer: c.Payer, Provider: account.Address(), Model: model, Seed: receipt.Digest(c.Seed),
				Tokens: c.Tokens, Steps: c.Steps, Attempt: int(a.Attempt), Output: a.Tokens, Root: receipt.Digest(a.Digest),
			}.Receipt().Sign(key).Signature
			return &challengev1.MsgReveal{Provider: account.Address(), Answers: []challengev1.Answer{a}}
		}
		return nil
	}
	for height := int64(1); ctx.Err() == nil; {
		block, err := ledger.Block(ctx, height)
		if err != nil { // it is not there yet
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			continue
		}
		height++
		for _, tx := range block.Txs {
			if tx.Refusal != "" || tx.Signer == account.Address() {
				continue
			}
			for _, m := range tx.Msgs {
				if mine := copied(m); mine != nil {
					log.Info("copying an answer", "message", sdk.MsgTypeURL(mine), "error", account.Send(ctx, mine))
				}
			}
		}
	}
}
