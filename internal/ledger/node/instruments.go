package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/instrument"
)

// instruments serves the node's metrics until what it returns is called.
func (n *Node) instruments(c Config, log *slog.Logger) (func() error, error) {
	registry := instrument.Registry(c.Version)
	registry.MustRegister(figures(n))
	role := instrument.Role{Name: "node", Home: c.Home, Version: c.Version, Ready: n.ready}
	return instrument.Serve(cmp.Or(c.MetricsAddr, instrument.DefaultListen), role, registry, log)
}

// figures are how a node is doing, as metrics.
func figures(n *Node) prometheus.Collector {
	return instrument.Snapshot("node", func(ctx context.Context) ([]float64, error) {
		syncing := 0.0
		if n.comet.ConsensusReactor().WaitSync() {
			syncing = 1
		}
		at := n.comet.BlockStore().LoadBlockMeta(n.comet.BlockStore().Height())
		if at == nil {
			return nil, errors.New("there is no block yet")
		}
		validators, err := n.local.Validators(ctx, nil, nil, nil)
		if err != nil {
			return nil, err
		}
		return []float64{
			float64(n.Height()), float64(at.Header.Time.UnixMilli()) / 1e3, float64(n.comet.Switch().Peers().Size()), syncing,
			float64(validators.Total), float64(n.comet.Mempool().Size()),
		}, nil
	},
		instrument.Metric{Name: "height", Help: "Height of the last block."},
		instrument.Metric{Name: "block_timestamp_seconds", Help: "Time of the last block."},
		instrument.Metric{Name: "peers", Help: "Other nodes that it is connected to."},
		instrument.Metric{Name: "syncing", Help: "1 while it catches up with the others."},
		instrument.Metric{Name: "validators", Help: "Validators of the block at hand."},
		instrument.Metric{Name: "waiting_transactions", Help: "Transactions that no block has yet."},
	)
}

// Metrics registers a node's metrics without a node, for lists of them.
func Metrics(in *prometheus.Registry) { in.MustRegister(figures(nil)) }

// standstill is how old the last block may be before a node is thought to stand still.
const standstill = 2 * time.Minute

// ready says what is missing before the ledger answers; nil if nothing is.
func (n *Node) ready(context.Context) error {
	if n.Height() <= n.began {
		return errors.New("no block since it started")
	}
	if n.comet.ConsensusReactor().WaitSync() {
		return fmt.Errorf("it catches up with other nodes, and is at block %d", n.Height())
	}
	at := n.comet.BlockStore().LoadBlockMeta(n.comet.BlockStore().Height())
	if at != nil && time.Since(at.Header.Time) > standstill {
		return fmt.Errorf("the last block is %s old: are enough validators running?", time.Since(at.Header.Time).Round(time.Second))
	}
	return nil
}
