package p2p

import (
	"context"
	"errors"
	"fmt"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
	routedhost "github.com/libp2p/go-libp2p/p2p/host/routed"
)

// dhtPrefix keeps the table apart from that of other networks.
const dhtPrefix = "/koinon"

// discover makes the host one of those that keep, together, the table of who
// is where (Kademlia). It begins with the bootstrap addresses, and with whoever
// else it is connected to. From then on peers are found whose addresses are out
// of date, and topics find those who take part.
func (h *Host) discover(ctx context.Context, c Config) error {
	if len(c.Bootstrap) == 0 && !c.ServeRelay {
		return nil
	}
	infos, err := parseInfos("bootstrap", c.Bootstrap)
	if err != nil {
		return err
	}
	mode := dht.ModeAuto // serves once others have reached it
	switch {
	case len(c.Listen) == 0:
		mode = dht.ModeClient
	case !c.Traverse || c.ServeRelay:
		mode = dht.ModeServer
	}
	h.table, err = dht.New(ctx, h.inner, dht.ProtocolPrefix(dhtPrefix), dht.Mode(mode), dht.DisableValues(), dht.BootstrapPeers(infos...))
	if err != nil {
		return fmt.Errorf("p2p: discovery: %w", err)
	}
	h.discovery = routing.NewRoutingDiscovery(h.table)
	h.inner = routedhost.Wrap(h.inner, h.table)
	for _, info := range infos {
		go func() {
			if err := h.inner.Connect(ctx, info); err != nil && !errors.Is(err, context.Canceled) {
				h.log.Warn("a bootstrap peer cannot be reached", "peer", info.ID, "error", err)
			}
		}()
	}
	return h.table.Bootstrap(ctx)
}

// parseInfos reads multiaddrs that end in /p2p/ID.
func parseInfos(field string, addrs []string) ([]peer.AddrInfo, error) {
	var infos []peer.AddrInfo
	for _, s := range addrs {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return nil, fmt.Errorf("p2p: %s %q: %w; give a multiaddr that ends in /p2p/ID", field, s, err)
		}
		infos = append(infos, *info)
	}
	return infos, nil
}
