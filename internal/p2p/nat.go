package p2p

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
)

// Reachability is what a host takes for granted about how others reach it.
type Reachability string

// The values of [Reachability]. By default a host that may traverse NATs asks
// others how they see it.
const (
	Asked   Reachability = ""
	Public  Reachability = "public"
	Private Reachability = "private"
)

// traversal are the options by which a host behind NAT is reached: it asks peers
// whether they reach it (AutoNAT), asks its router for a port, else keeps a place
// at a relay, and from there punches a hole for a direct connection.
func traversal(c Config) []libp2p.Option {
	if !c.Traverse && !c.ServeRelay && len(c.Relays) == 0 {
		// Relayed peers are dialled all the same.
		return []libp2p.Option{libp2p.EnableRelay(), libp2p.DisableIdentifyAddressDiscovery()}
	}
	options := []libp2p.Option{libp2p.EnableRelay(), libp2p.EnableHolePunching(), libp2p.EnableAutoNATv2()}
	if c.Traverse && c.Reachability == Asked {
		options = append(options, libp2p.NATPortMap())
	}
	switch c.Reachability {
	case Public:
		options = append(options, libp2p.ForceReachabilityPublic())
	case Private:
		options = append(options, libp2p.ForceReachabilityPrivate())
	}
	if c.ServeRelay {
		options = append(options, libp2p.EnableRelayService(relay.WithResources(relayed())), libp2p.EnableNATService())
	}
	return options
}

// relayed is what a relay does for others: enough for long answers, which are
// small, and not for weights.
func relayed() relay.Resources {
	r := relay.DefaultResources()
	r.Limit = &relay.RelayLimit{Duration: time.Hour, Data: 64 << 20}
	r.MaxReservations = 1024
	r.MaxCircuits = 256
	r.MaxReservationsPerIP = 64
	return r
}

// traverse keeps a place at each relay as long as the host cannot be reached
// otherwise. (libp2p's own autorelay leaves out relays at private addresses, such
// as a consortium's.)
func (h *Host) traverse(ctx context.Context, c Config) error {
	relays := c.Relays
	if len(relays) == 0 && c.Traverse && !c.ServeRelay {
		relays = c.Bootstrap
	}
	infos, err := parseInfos("relay", relays)
	if err != nil || len(infos) == 0 {
		return err
	}
	changes, err := h.inner.EventBus().Subscribe(new(event.EvtLocalReachabilityChanged))
	if err != nil {
		return err
	}
	go func() {
		defer changes.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-changes.Out():
				if e, ok := e.(event.EvtLocalReachabilityChanged); ok {
					h.reachable.Store(e.Reachability == network.ReachabilityPublic)
				}
			}
		}
	}()
	for _, info := range infos {
		go h.keepPlace(ctx, info)
	}
	return nil
}

// keepPlace reserves a place at a relay, and again before it lapses.
func (h *Host) keepPlace(ctx context.Context, info peer.AddrInfo) {
	const failed, most = 5 * time.Second, 10 * time.Minute
	for {
		wait := failed
		if h.reachable.Load() {
			h.setPlace(info, false)
		} else if lasts, err := h.reserve(ctx, info); err != nil {
			h.setPlace(info, false)
			h.log.Debug("no place at a relay", "relay", info.ID, "error", err)
		} else {
			h.setPlace(info, true)
			wait = max(failed, min(lasts/2, most))
		}
		if !h.hold(ctx, info.ID, wait) {
			return
		}
	}
}

// hold waits, but no longer than the connection to a relay lasts: with it the
// place is gone. It says whether to go on.
func (h *Host) hold(ctx context.Context, id peer.ID, wait time.Duration) bool {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	connected := func() bool { return h.inner.Network().Connectedness(id) == network.Connected }
	held := connected()
	for until := time.Now().Add(wait); time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if held && !connected() {
			return true
		}
	}
	return true
}

// reserve asks a relay for a place, and says for how long it is kept.
func (h *Host) reserve(ctx context.Context, info peer.AddrInfo) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, h.dial)
	defer cancel()
	if err := h.inner.Connect(ctx, info); err != nil {
		return 0, err
	}
	r, err := circuit.Reserve(ctx, h.inner, info)
	if err != nil {
		return 0, err
	}
	h.inner.ConnManager().Protect(info.ID, "relay")
	return time.Until(r.Expiration), nil
}

// setPlace notes whether the host can be reached through a relay.
func (h *Host) setPlace(info peer.AddrInfo, kept bool) {
	h.placing.Lock()
	defer h.placing.Unlock()
	if kept {
		h.places[info.ID] = info
	} else {
		delete(h.places, info.ID)
	}
}

// relayAddrs are the host's addresses at relays.
func (h *Host) relayAddrs() []string {
	h.placing.Lock()
	defer h.placing.Unlock()
	var addrs []string
	for id, info := range h.places {
		for _, a := range info.Addrs {
			addrs = append(addrs, a.String()+"/p2p/"+id.String()+"/p2p-circuit")
		}
	}
	return addrs
}
