package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/upstream"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// describe makes a file a model version.
type describe func(path string, card weights.Card) (weights.Manifest, receipt.Digest, error)

// goods are what a provider sells with.
type goods struct {
	model  provider.Model
	engine provider.Engine
	// loaded and path are the reference engine's model and its file, by which
	// answers are defended; nil and empty for another engine.
	loaded *engine.Model
	path   string
	close  func() // waits until the engine computes nothing
}

// weights are the model with its rows, whose digests take time and memory: they
// are made when the first accusation needs them.
func (g goods) weights() func(context.Context) (party.Weights, error) {
	var once sync.Once
	var w party.Weights
	var err error
	return func(context.Context) (party.Weights, error) {
		once.Do(func() {
			if w.Model = g.loaded; g.loaded != nil {
				w.Rows, err = rows.Open(g.path)
			}
		})
		return w, err
	}
}

// obtain makes the weights be here, and an engine that serves them.
func obtain(ctx context.Context, c Config, ledger *client.Client, store *weights.Store, swarm *weights.Swarm, log *slog.Logger) (goods, error) {
	publish := func(path string, card weights.Card) (weights.Manifest, receipt.Digest, error) {
		return store.Publish(ctx, path, card)
	}
	switch {
	case c.Upstream != "":
		return external(ctx, c, publish, log)
	case c.Weights != "":
		return own(c, publish)
	}
	path, model, err := fetched(ctx, c, ledger, swarm, log)
	if err != nil {
		return goods{}, err
	}
	return loaded(c, model, path)
}

// own serves a file with the reference engine.
func own(c Config, version describe) (goods, error) {
	m, digest, err := version(c.Weights, weights.Card{Name: c.Name, Version: c.Version, License: c.License, Class: receipt.Exact})
	if err != nil {
		return goods{}, err
	}
	return loaded(c, modelOf(m, digest), c.Weights)
}

// loaded is the reference engine with a file.
func loaded(c Config, model provider.Model, path string) (goods, error) {
	m, err := engine.Load(path)
	if err != nil {
		return goods{}, fmt.Errorf("cannot load the weights: %w", err)
	}
	e := engine.New(m, engine.Options{Slots: c.Slots, Queue: c.Queue, Threads: c.Threads})
	return goods{model: model, engine: provider.Reference(e), loaded: m, path: path, close: e.Close}, nil
}

// external finds an engine that runs already, the file that it serves, and
// whether the two belong together.
func external(ctx context.Context, c Config, version describe, log *slog.Logger) (goods, error) {
	fail := func(err error) (goods, error) { return goods{}, err }
	e, err := upstream.Dial(ctx, upstream.Config{
		URL: c.Upstream, Model: c.Model, APIKey: c.UpstreamKey, Context: c.Context, Slots: c.Slots, Queue: c.Queue, Stall: c.UpstreamStall, SeedSynchronised: c.UpstreamSeeded,
	})
	if err != nil {
		return fail(err)
	}
	path := c.Weights
	if path == "" {
		path = e.Weights()
	}
	if path == "" {
		return fail(fmt.Errorf("%w: the engine does not say which file it serves: give weights, the GGUF file", provider.ErrConfig))
	}
	m, digest, err := version(path, weights.Card{Name: c.Name, Version: c.Version, License: c.License, Class: receipt.Statistical})
	if err != nil {
		return fail(err)
	}
	vocabulary, err := engine.OpenVocabulary(path)
	if err != nil {
		return fail(fmt.Errorf("cannot read the weights' vocabulary: %w", err))
	}
	length := int(m.ContextLength)
	if has := e.ContextLength(); has > 0 {
		length = min(length, has)
	}
	pieces, trial := upstream.NewPieces(vocabulary), vocabulary.Prompt("One, two, three, four.")
	if err := e.Probe(ctx, pieces, trial); err != nil {
		return fail(err)
	}
	embeds, err := e.Embeds(ctx, pieces, trial)
	if err != nil {
		return fail(fmt.Errorf("trying the engine's embeddings: %w", err))
	}
	log.Info("found an engine", "kind", e.Kind(), "model", c.Model, "weights", path, "context", length, "embeddings", embeds)
	return goods{model: modelOf(m, digest), engine: provider.Upstream(e, vocabulary, length, embeds)}, nil
}

// fetched makes a registered version's weights be here.
func fetched(ctx context.Context, c Config, ledger *client.Client, swarm *weights.Swarm, log *slog.Logger) (string, provider.Model, error) {
	digest, err := receipt.ParseDigest(c.Model)
	if err != nil {
		return "", provider.Model{}, fmt.Errorf("%w: give weights, a GGUF file, or model, a version's digest: %w", provider.ErrConfig, err)
	}
	// Whoever has the weights may be starting, too, and the ledger may not know
	// yet where they are now.
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		path, m, err := fetch(ctx, c, ledger, swarm, digest, log)
		if !errors.Is(err, weights.ErrUnavailable) {
			return path, m, err
		}
		log.Warn("the weights cannot be fetched yet; trying again", "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return "", provider.Model{}, errors.Join(ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

func fetch(ctx context.Context, c Config, ledger *client.Client, swarm *weights.Swarm, digest receipt.Digest, log *slog.Logger) (string, provider.Model, error) {
	peers, err := offering(ctx, ledger, c.Model)
	if err != nil {
		return "", provider.Model{}, err
	}
	log.Info("fetching weights", "model", c.Model, "peers", len(peers))
	path, err := swarm.Weights(ctx, digest, peers, nil)
	if err != nil {
		return "", provider.Model{}, err
	}
	m, err := swarm.Manifest(ctx, digest, peers)
	return path, modelOf(m, digest), err
}

// offering lists where a version's providers can be reached.
func offering(ctx context.Context, ledger *client.Client, digest string) ([]p2p.Peer, error) {
	offers, err := ledger.Offers(ctx, digest, "")
	if err != nil {
		return nil, err
	}
	var peers []p2p.Peer
	for _, o := range offers {
		p, err := ledger.Provider(ctx, o.Provider)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p2p.Peer{Key: p.PublicKey, Addrs: p.Addrs})
	}
	return peers, nil
}

func modelOf(m weights.Manifest, digest receipt.Digest) provider.Model {
	return provider.Model{
		Digest: digest, Name: m.Name, Version: m.Version, Class: m.Class, License: m.License, Architecture: m.Architecture,
		Parameters: m.Parameters, SizeBytes: m.Weights.Size, ContextLength: m.ContextLength, Quantization: m.Quantization, Root: m.Root,
		Conduct: m.Conduct,
	}
}
