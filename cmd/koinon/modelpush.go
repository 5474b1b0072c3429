package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// servingFile, in a store, says what a running push serves and where.
const servingFile = "serving.json"

// plainUsage says what --plain is.
const plainUsage = "address to serve whole files at in plain HTTP too, which is faster; '' serves by libp2p alone"

// pushed is what `koinon model push` serves.
type pushed struct {
	Version string   `json:"version,omitempty"` // digest of the manifest; none without a file
	Name    string   `json:"name,omitempty"`
	Bytes   uint64   `json:"bytes,omitempty"`
	Peers   []string `json:"peers"` // addresses, each ending in /p2p/ID
}

type pushOptions struct {
	store, limit string
	listen       []string
	plain        string
	card         weights.Card
	asJSON       bool
}

func newModelPushCommand() *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push [MODEL.gguf]",
		Short: "Serve a model's weights to whoever pulls them",
		Long: `Hashes a GGUF file, cuts it into blocks along its tensors' borders, and serves
them over libp2p until it is stopped. The file is linked into the store, not copied;
do not change it. What is printed is all that others need: the version's digest
and this machine's addresses. Without a file it serves what the store has, so
that a folder that pulled can help the next.`,
		Example: `  koinon model push model.gguf --license Apache-2.0
  koinon model push model.gguf --class statistical --listen /ip4/0.0.0.0/tcp/4001 --limit 20MB/s
  koinon model push                # all that was pulled`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.store, "store", defaultStore(), "folder of the blocks")
	f.StringArrayVar(&o.listen, "listen", []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"}, "multiaddr to listen at")
	f.StringVar(&o.plain, "plain", ":0", plainUsage)
	f.StringVar(&o.limit, "limit", "", "most to send, such as 10MB/s (default no limit)")
	f.StringVar(&o.card.Name, "name", "", "model's name (default the file's)")
	f.StringVar(&o.card.Version, "version", "1", "version, as its author calls it")
	f.StringVar(&o.card.License, "license", "", "SPDX identifier (default the file's)")
	f.StringVar(&o.card.Class, "class", receipt.Exact, "verification class: exact or statistical")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

func (o *pushOptions) run(cmd *cobra.Command, args []string) (err error) {
	limit, err := parseSpeed(o.limit)
	if err != nil {
		return usageError("--limit: %w", err)
	}
	store, err := weights.Open(o.store)
	if err != nil {
		return err
	}
	var p pushed
	if len(args) == 1 {
		fmt.Fprintf(cmd.ErrOrStderr(), "hashing %s\n", args[0])
		m, digest, err := store.Publish(cmd.Context(), args[0], o.card)
		if err != nil {
			return err
		}
		p = pushed{Version: digest.String(), Name: m.Name, Bytes: m.Weights.Size}
	}
	key, err := process.Identity(filepath.Join(o.store, "identity.pem")) // so that addresses last
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: key, Listen: o.listen})
	if err != nil {
		return err
	}
	defer host.Close()
	swarm := weights.Join(host, store, weights.Limits{Send: limit})
	defer swarm.Close()
	if o.plain != "" {
		if err := swarm.ServePlain(o.plain); err != nil {
			return fmt.Errorf("--plain: %w", err)
		}
	}
	if p.Peers, err = host.Peer().Multiaddrs(); err != nil {
		return err
	}
	return o.serve(cmd.Context(), cmd.OutOrStdout(), p)
}

// serve says what is served, on the screen and in the store, and waits for the end.
func (o *pushOptions) serve(ctx context.Context, out io.Writer, p pushed) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(o.store, servingFile)
	if err := renameio.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("cannot say in the store what is served: %w", err)
	}
	defer os.Remove(file)
	if o.asJSON {
		_, err = fmt.Fprintf(out, "%s\n", data)
	} else {
		err = p.print(out)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (p pushed) print(out io.Writer) error {
	if p.Version != "" {
		fmt.Fprintf(out, "%s, %s\n%s\n", p.Name, megabytes(p.Bytes), p.Version)
	}
	version := p.Version
	if version == "" {
		version = "VERSION"
	}
	for _, a := range p.Peers {
		if _, err := fmt.Fprintf(out, "koinon model pull %s --from %s\n", version, a); err != nil {
			return err
		}
	}
	return nil
}

// defaultStore is ~/.koinon/weights.
func defaultStore() string { return filepath.Join(filepath.Dir(defaultHome()), "weights") }

// parseSpeed reads bytes per second, such as 10MB/s or 512KiB/s; 0 for an empty text.
func parseSpeed(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit := strings.TrimSuffix(text, "/s"), uint64(1)
	for _, u := range []struct {
		name  string
		bytes uint64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if rate := n * float64(unit); err == nil && rate >= 1 && rate < math.MaxInt64 {
		return uint64(rate), nil
	}
	return 0, fmt.Errorf("%q is no speed: write 10MB/s, 512KiB/s or 1.5GB/s", text)
}
