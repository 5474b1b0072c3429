// Command benchweights measures how fast weights move between processes of one
// machine: from 1, 4 and 8 peers at once, beside curl over plain HTTP and cp, all of
// the same file, in turns, so that ratios are of one run.
//
//	go run ./cmd/benchweights                # 1 GiB
//	go run ./cmd/benchweights --size 256 --sources 1 --rounds 3
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
	"github.com/koinon/koinon/internal/weights"
)

// options are the bench's flags.
type options struct {
	mebibytes        int
	sources          []int
	rounds           int
	dir              string
	transport, plain string
}

// measured is one way of moving the file, the round in the middle by time.
type measured struct {
	Way     string  `json:"way"`
	Seconds float64 `json:"seconds"` // from the start of the receiving process to its end
	Ratio   float64 `json:"speed_of_curl"`
	CPU     float64 `json:"receiver_cpu_seconds"`
	Served  float64 `json:"senders_cpu_seconds,omitempty"`
	Memory  uint64  `json:"receiver_peak_bytes"`
	Serving uint64  `json:"largest_sender_peak_bytes,omitempty"`
}

func main() {
	o := options{}
	root := &cobra.Command{
		Use: "benchweights", Short: "Moves a file between peers, by curl, and by cp", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	root.Flags().IntVar(&o.mebibytes, "size", 1024, "MiB of weights")
	root.Flags().IntSliceVar(&o.sources, "sources", []int{1, 4, 8}, "how many peers serve")
	root.Flags().IntVar(&o.rounds, "rounds", 3, "times that each way is measured")
	root.Flags().StringVar(&o.dir, "dir", "", "folder for files (default the system's for temporary ones; in memory, such as /dev/shm, no disk is measured)")
	root.Flags().StringVar(&o.transport, "transport", "/ip4/127.0.0.1/tcp/0", "multiaddr that peers listen at")
	root.Flags().StringVar(&o.plain, "plain", "127.0.0.1:0", "address that peers serve plain HTTP at; '' measures libp2p alone")
	root.AddCommand(newServeCommand(), newPullCommand(), newWebCommand())
	measure.Run(root)
}

func (o options) run(ctx context.Context) error {
	dir, err := os.MkdirTemp(o.dir, "benchweights-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.gguf")
	if err := makeModel(path, o.mebibytes); err != nil {
		return err
	}
	manifest, err := weights.Describe(path, card)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx) // ends the processes that serve
	defer stop()
	w := &world{ctx: ctx, self: self, dir: dir, path: path, version: manifest.Digest(), transport: o.transport, plain: o.plain}
	if err := w.open(slices.Max(o.sources)); err != nil {
		return err
	}
	ways := []string{wayCopy, wayCurl}
	for _, n := range o.sources {
		ways = append(ways, fmt.Sprintf("%d peers", n))
	}
	rounds := map[string][]measured{}
	for range o.rounds {
		for i, way := range ways {
			sources := 0
			if i >= 2 {
				sources = o.sources[i-2]
			}
			m, err := w.measure(way, sources)
			if err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			rounds[way] = append(rounds[way], m)
			fmt.Fprintf(os.Stderr, "%s: %.2f s\n", way, m.Seconds)
		}
	}
	report := struct {
		Machine machine.Machine `json:"machine"`
		Bytes   uint64          `json:"bytes"`
		Ways    []measured      `json:"ways"`
	}{machine.This(), manifest.Weights.Size, middle(ways, rounds)}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// middle takes each way's median round, beside curl's.
func middle(ways []string, rounds map[string][]measured) []measured {
	var list []measured
	for _, way := range ways {
		r := rounds[way]
		slices.SortFunc(r, func(a, b measured) int { return int(1e9 * (a.Seconds - b.Seconds)) })
		list = append(list, r[len(r)/2])
	}
	curl := list[slices.Index(ways, wayCurl)].Seconds
	for i := range list {
		list[i].Ratio = curl / list[i].Seconds
	}
	return list
}
