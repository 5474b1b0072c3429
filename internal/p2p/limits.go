package p2p

import (
	"crypto/ed25519"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/multiformats/go-multiaddr"
)

// limits are hard: what goes beyond them is refused by the resource manager
// before any handler sees it. Whatever is not named has libp2p's defaults for a
// machine with MaxMemory.
func limits(c Config) rcmgr.ConcreteLimitConfig {
	connections := c.MaxConnections + c.MaxConnections/2
	total := rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(connections), ConnsInbound: rcmgr.LimitVal(connections), ConnsOutbound: rcmgr.LimitVal(connections),
		FD:      rcmgr.LimitVal(connections),
		Streams: rcmgr.LimitVal(connections * 16), StreamsInbound: rcmgr.LimitVal(connections * 16), StreamsOutbound: rcmgr.LimitVal(connections * 16),
		Memory: rcmgr.LimitVal64(c.MaxMemory),
	}
	each := rcmgr.ResourceLimits{
		Conns: 8, ConnsInbound: 8, ConnsOutbound: 8, FD: 8,
		Streams: rcmgr.LimitVal(c.MaxStreamsPerPeer * 2), StreamsInbound: rcmgr.LimitVal(c.MaxStreamsPerPeer), StreamsOutbound: rcmgr.LimitVal(c.MaxStreamsPerPeer),
		Memory: rcmgr.LimitVal64(max(c.MaxMemory/4, 16<<20)),
	}
	// Streams whose protocol is still being agreed on: one peer may open all that it
	// may have at once, as a gateway does when many clients come together.
	opening := rcmgr.ResourceLimits{
		Streams: rcmgr.LimitVal(c.MaxStreamsPerPeer * 2), StreamsInbound: rcmgr.LimitVal(c.MaxStreamsPerPeer), StreamsOutbound: rcmgr.LimitVal(c.MaxStreamsPerPeer),
	}
	// One protocol may use all that its host or its peer may.
	partial := rcmgr.PartialLimitConfig{
		System: total, Transient: opening, PeerDefault: each,
		ProtocolDefault: total, ProtocolPeerDefault: each, ServiceDefault: total, ServicePeerDefault: each,
	}
	scaling := rcmgr.DefaultLimits
	return partial.Build(scaling.Scale(c.MaxMemory, connections))
}

// gater refuses peers that are not admitted, as soon as their key is proved.
type gater struct {
	admit func(ed25519.PublicKey) bool // nil admits all
}

func (g gater) allows(id peer.ID) bool {
	key, err := KeyOf(id)
	return err == nil && (g.admit == nil || g.admit(key))
}

// InterceptPeerDial is asked before a peer is dialled.
func (g gater) InterceptPeerDial(id peer.ID) bool { return g.allows(id) }

// InterceptAddrDial is asked before an address is dialled.
func (gater) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept is asked before the handshake: nothing is known of the peer.
func (gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured is asked when the peer has proved its key.
func (g gater) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	return g.allows(id)
}

// InterceptUpgraded is asked last; everything is settled by then.
func (gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
