// Package process joins a gateway's parts, ledger, network and vocabularies,
// into what `koinon gateway` runs.
package process

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// Config is a gateway on its own.
type Config struct {
	gateway.Config `yaml:",inline"`
	// Ledger is the gRPC address of a node of the ledger.
	Ledger string `yaml:"ledger"`
	// KeyFile holds the account that pays. Default account.json in home; made if
	// it is not there, and then it must be given credit before anything is served.
	KeyFile string `yaml:"key_file"`
	// Version is the program's.
	Version string `yaml:"-"`
}

// Run serves until the context ends. Ready, if not nil, is called with the
// address once requests are taken.
func Run(ctx context.Context, c Config, log *slog.Logger, ready func(net.Addr)) (err error) {
	if c.Home == "" {
		return fmt.Errorf("%w: home must be a directory", gateway.ErrConfig)
	}
	file := c.KeyFile
	if file == "" {
		file = filepath.Join(c.Home, "account.json")
	}
	key, err := client.LoadKey(file, "gateway")
	if err != nil {
		return err
	}
	ledger, err := client.Dial(ctx, c.Ledger, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	c.ChainID = ledger.ChainID()

	// A gateway only dials, so that its identity need not outlive it.
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: identity, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	store, err := weights.Open(filepath.Join(c.Home, "weights"))
	if err != nil {
		return err
	}
	swarm := weights.Join(host, store, weights.Limits{})
	defer func() { err = errors.Join(err, swarm.Close()) }()
	return gateway.Run(ctx, c.Config, gateway.Surroundings{
		Ledger: gateway.OnLedger(ledger, key), Network: network{host}, Vocabularies: vocabularies{swarm}, Log: log, Version: c.Version,
	}, ready)
}

// network opens streams over libp2p.
type network struct{ host *p2p.Host }

func (n network) Open(ctx context.Context, p gateway.Peer) (gateway.Stream, error) {
	return n.host.Open(ctx, p2p.Peer(p), inference.Protocol)
}

func (n network) Probe(ctx context.Context, p gateway.Peer) (time.Duration, error) {
	return n.host.Ping(ctx, p2p.Peer(p))
}

// vocabularies fetches them by content address.
type vocabularies struct{ swarm *weights.Swarm }

func (v vocabularies) Vocabulary(ctx context.Context, model receipt.Digest, from []gateway.Peer) (gateway.Vocabulary, error) {
	peers := make([]p2p.Peer, len(from))
	for i, p := range from {
		peers[i] = p2p.Peer(p)
	}
	path, err := v.swarm.Vocabulary(ctx, model, peers)
	if err != nil {
		return nil, err
	}
	opened, err := engine.OpenVocabulary(path)
	if err != nil {
		return nil, err
	}
	return vocabulary{opened}, nil
}

// vocabulary is the reference engine's, so that a recount is the provider's count.
type vocabulary struct{ *engine.Vocabulary }

func (v vocabulary) Chat(messages []inference.Message) ([]int32, error) {
	list := make([]engine.Message, len(messages))
	for i, m := range messages {
		list[i] = engine.Message{Role: m.Role, Content: m.Content}
	}
	return v.Vocabulary.Chat(list)
}

func (v vocabulary) Text(s string) ([]int32, error) { return v.Prompt(s), nil }

func (v vocabulary) Piece(id int32) ([]byte, bool) {
	if id < 0 || int(id) >= v.Size() {
		return nil, false
	}
	return v.Vocabulary.Piece(id), true
}
