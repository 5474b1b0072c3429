package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// pulled is what `koinon model pull` did.
type pulled struct {
	Version  string  `json:"version"`
	Name     string  `json:"name"`
	File     string  `json:"file"`
	Bytes    uint64  `json:"bytes"`
	Received uint64  `json:"bytes_received"` // over libp2p, protocol and all
	Seconds  float64 `json:"seconds"`
}

type pullOptions struct {
	connection
	store, limit, out string
	from              []string
	asJSON            bool
}

func newModelPullCommand() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull MODEL",
		Short: "Fetch a version's weights from many peers at once, checking every block",
		Long: `Fetches the weights that a version's digest names, or a name on the ledger. Sources are peers (multiaddrs
that end in /p2p/ID), or one copy of the file (a URL or a path, its manifest beside
it as NAME.manifest.json); without --from, the providers that offer the version
on the ledger. No source is trusted: every block, and the whole file, must have the
digest that the version promises. Blocks that another version here has already are
not fetched. Broken off, even by kill -9, it goes on where it stopped.

It prints the file's path, in the store or at --out.`,
		Example: `  koinon model pull sha256:… --from /ip4/10.0.0.1/tcp/4001/p2p/12D3Koo… --from /ip4/10.0.0.2/tcp/4001/p2p/12D3Koo…
  koinon model pull @ada/bard --out model.gguf --limit 10MB/s
  koinon model pull sha256:… --from https://example.org/model.gguf`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := o.version(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			done, err := o.run(cmd.Context(), cmd.ErrOrStderr(), version)
			switch {
			case errors.Is(err, weights.ErrUnavailable):
				return &exitError{exitNotFound, err}
			case errors.Is(err, weights.ErrMismatch), errors.Is(err, weights.ErrManifest):
				return &exitError{exitInvalid, err}
			case err != nil:
				return err
			}
			if o.asJSON {
				return printJSON(cmd.OutOrStdout(), done)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s, %s; %s came over the network in %.1f s\n", done.Name, megabytes(done.Bytes), megabytes(done.Received), done.Seconds)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), done.File)
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.from, "from", nil, "a peer's multiaddr (repeat for more), or one URL or path of the file")
	f.StringVar(&o.out, "out", "", "also link the file here")
	f.StringVar(&o.store, "store", defaultStore(), "folder of the blocks")
	f.StringVar(&o.limit, "limit", "", "most to receive, such as 10MB/s (default no limit)")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.StringVar(&o.home, "home", defaultHome(), "home of the network that koinon up runs")
	f.StringVar(&o.ledger, "ledger", "", "ledger's gRPC address (default that of koinon up)")
	return cmd
}

func (o *pullOptions) run(ctx context.Context, talk io.Writer, version receipt.Digest) (pulled, error) {
	fail := func(err error) (pulled, error) { return pulled{}, err }
	limit, err := parseSpeed(o.limit)
	if err != nil {
		return fail(usageError("--limit: %w", err))
	}
	if _, err := os.Lstat(o.out); o.out != "" && err == nil {
		return fail(usageError("--out: %s is there already: move it away, or choose another name", o.out))
	}
	store, err := weights.Open(o.store)
	if err != nil {
		return fail(err)
	}
	began, bar := time.Now(), newBar(talk, 0)
	done := pulled{Version: version.String()}
	if len(o.from) == 1 && !strings.HasPrefix(o.from[0], "/ip") && !strings.HasPrefix(o.from[0], "/dns") {
		err = done.take(ctx, store, version, weights.SourceAt(o.from[0]), limit, bar)
	} else {
		err = o.fetch(ctx, store, version, limit, bar, &done)
	}
	bar.end()
	if err != nil {
		return fail(err)
	}
	done.Seconds = time.Since(began).Seconds()
	if o.out != "" {
		if err := weights.Link(done.File, o.out); err != nil {
			return fail(err)
		}
		done.File = o.out
	}
	return done, nil
}

// take copies from one source.
func (d *pulled) take(ctx context.Context, store *weights.Store, version receipt.Digest, src weights.Source, limit uint64, bar *bar) error {
	m, ok, err := store.Manifest(version)
	if err == nil && !ok {
		m, err = weights.ManifestBeside(ctx, src, version)
	}
	if err != nil {
		return err
	}
	d.Name, d.Bytes = m.Name, m.Weights.Size
	d.File, err = store.Take(ctx, m, src, limit, bar.at)
	return err
}

// fetch gets blocks from peers.
func (o *pullOptions) fetch(ctx context.Context, store *weights.Store, version receipt.Digest, limit uint64, bar *bar, d *pulled) error {
	peers, err := o.peers(ctx, version)
	if err != nil {
		return err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader) // a push from the same folder has its own
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: key, Listen: []string{p2p.Nowhere}})
	if err != nil {
		return err
	}
	defer host.Close()
	swarm := weights.Join(host, store, weights.Limits{Receive: limit})
	defer swarm.Close()
	m, err := swarm.Manifest(ctx, version, peers)
	if err != nil {
		return err
	}
	d.Name, d.Bytes = m.Name, m.Weights.Size
	if d.File, err = swarm.Weights(ctx, version, peers, bar.at); err != nil {
		return err
	}
	if _, err = swarm.Vocabulary(ctx, version, peers); err != nil {
		return err
	}
	d.Received, err = swarm.Received()
	return err
}

// peers are those that were named, or that offer the version on the ledger.
func (o *pullOptions) peers(ctx context.Context, version receipt.Digest) ([]p2p.Peer, error) {
	var list []p2p.Peer
	for _, text := range o.from {
		p, err := p2p.ParsePeer(text)
		if err != nil {
			return nil, usageError("--from: %w", err)
		}
		list = append(list, p)
	}
	if len(list) > 0 {
		return list, nil
	}
	ledger, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer ledger.Close()
	offers, err := ledger.Offers(ctx, version.String(), "")
	if err != nil {
		return nil, err
	}
	for _, offer := range offers {
		p, err := ledger.Provider(ctx, offer.Provider)
		if err != nil {
			return nil, err
		}
		list = append(list, p2p.Peer{Key: p.PublicKey, Addrs: p.Addrs})
	}
	if len(list) == 0 {
		return nil, &exitError{exitNotFound, fmt.Errorf("no provider offers %s: give --from, where somebody has it", version)}
	}
	return list, nil
}

// version is the one that a digest, or a name on the ledger, stands for.
func (o *pullOptions) version(ctx context.Context, model string) (receipt.Digest, error) {
	if !strings.HasPrefix(model, "@") {
		d, err := receipt.ParseDigest(model)
		if err != nil {
			return d, usageError("MODEL: %w, and no name such as @ada/bard", err)
		}
		return d, nil
	}
	ledger, err := o.dial(ctx)
	if err != nil {
		return receipt.Digest{}, err
	}
	defer ledger.Close()
	v, err := resolved(ctx, ledger, model)
	if err != nil {
		return receipt.Digest{}, err
	}
	return receipt.ParseDigest(v.Digest)
}

// dial connects to the ledger.
func (o *pullOptions) dial(ctx context.Context) (*client.Client, error) {
	if err := o.resolve(); err != nil {
		return nil, err
	}
	if o.ledger == "" {
		return nil, usageError("no ledger is known to ask who offers the version: give --from, or --ledger")
	}
	return client.Dial(ctx, o.ledger, "")
}
