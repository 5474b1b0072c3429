package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// ErrUnreachable: a peer does not answer at any of its addresses.
var ErrUnreachable = errors.New("peer cannot be reached")

// Nowhere, in place of an address to listen at, makes a host that only dials: it
// is reached through relays, or not at all.
const Nowhere = "none"

// Config says how a host listens and whom it talks to. Only Key is required.
type Config struct {
	// Key is the host's identity; its public half names the host.
	Key ed25519.PrivateKey
	// Listen are multiaddrs, such as /ip4/0.0.0.0/udp/4001/quic-v1 and
	// /ip4/0.0.0.0/tcp/4001; port 0 takes a free one. None: the host only dials.
	Listen []string
	// MaxConnections is when the least useful connections are closed; half as
	// many again is the hard limit. 0 means 256.
	MaxConnections int
	// MaxStreamsPerPeer bounds the streams that one peer has open here at once: a
	// gateway is one peer with many clients. 0 means 1024.
	MaxStreamsPerPeer int
	// MaxMemory bounds the buffers of all connections, in bytes. 0 means 256 MiB.
	MaxMemory int64
	// Admit, if set, decides which peers may connect or be connected to: a
	// consortium lists its members. Their keys are proved.
	Admit func(ed25519.PublicKey) bool
	// DialTimeout bounds one attempt to connect. 0 means 5 s.
	DialTimeout time.Duration
	// Bootstrap are peers to begin with in finding others, as multiaddrs that end
	// in /p2p/ID. None: only peers whose addresses are known are reached.
	Bootstrap []string
	// Traverse makes the host reachable behind NAT: by a port of its router, by a
	// relay, by a hole that is punched.
	Traverse bool
	// Relays are where a host that cannot be reached keeps a place, as multiaddrs
	// that end in /p2p/ID; by default the bootstrap peers.
	Relays []string
	// ServeRelay keeps places for others; the host must be reachable itself.
	ServeRelay bool
	// Reachability, if known, is not asked for.
	Reachability Reachability
	// Logger gets what goes wrong with single peers; nil means slog's default.
	Logger *slog.Logger
}

// withDefaults fills in what the zero value stands for.
func (c Config) withDefaults() Config {
	if c.MaxConnections == 0 {
		c.MaxConnections = 256
	}
	if c.MaxStreamsPerPeer == 0 {
		c.MaxStreamsPerPeer = 1024
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = 256 << 20
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Stream is one protocol's conversation with a peer. Deadlines are the user's
// to set; CloseWrite says that nothing more will be written.
type Stream = network.Stream

// Host is a node's presence on the network. It is safe for concurrent use.
type Host struct {
	inner host.Host
	key   ed25519.PublicKey
	dial  time.Duration
	log   *slog.Logger

	life context.Context // ends with Close
	end  context.CancelFunc

	table     *dht.IpfsDHT        // nil without bootstrap peers
	discovery discovery.Discovery // likewise
	gossiping sync.Once
	gossip    *pubsub.PubSub // see pubsub
	gossipErr error

	reachable atomic.Bool // others say so
	placing   sync.Mutex
	places    map[peer.ID]peer.AddrInfo // relays where it can be reached
}

// New starts a host. Close it after use.
func New(c Config) (*Host, error) {
	c = c.withDefaults()
	if len(c.Key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("p2p: the identity is a key of %d bytes, not %d: generate an Ed25519 key", len(c.Key), ed25519.PrivateKeySize)
	}
	identity, err := crypto.UnmarshalEd25519PrivateKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("p2p: identity: %w", err)
	}
	connections, err := connmgr.NewConnManager(c.MaxConnections*3/4, c.MaxConnections)
	if err != nil {
		return nil, fmt.Errorf("p2p: MaxConnections %d: %w", c.MaxConnections, err)
	}
	resources, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits(c)), rcmgr.WithMetricsDisabled())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: limits: %w", err), connections.Close())
	}
	inner, err := libp2p.New(append([]libp2p.Option{
		libp2p.Identity(identity), libp2p.NoListenAddrs, // see listen
		// Two processes that share a port would each get half of the peers. QUIC dials
		// from the port that it listens on without that, as punching holes needs.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.ConnectionManager(connections), libp2p.ResourceManager(resources),
		libp2p.ConnectionGater(gater{admit: c.Admit}),
		libp2p.WithDialTimeout(c.DialTimeout), libp2p.UserAgent("koinon"),
		libp2p.DisableMetrics(),
	}, traversal(c)...)...)
	if err != nil {
		return nil, fmt.Errorf("p2p: %w", err)
	}
	if err := listen(inner, c.Listen); err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	h := &Host{
		inner: inner, key: c.Key.Public().(ed25519.PublicKey), dial: c.DialTimeout, log: c.Logger,
		places: map[peer.ID]peer.AddrInfo{},
	}
	h.life, h.end = context.WithCancel(context.Background())
	if err := errors.Join(h.discover(h.life, c), h.traverse(h.life, c)); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// listen takes one address after the other: given all at once, libp2p would be
// content with any of them.
func listen(h host.Host, addrs []string) error {
	for _, s := range addrs {
		if s == Nowhere {
			continue
		}
		addr, err := multiaddr.NewMultiaddr(s)
		if err == nil {
			err = h.Network().Listen(addr)
		}
		if err != nil {
			return fmt.Errorf("p2p: cannot listen on %s: %w; free its port or choose another address", s, err)
		}
	}
	return nil
}

// Close ends all connections.
func (h *Host) Close() error {
	h.end()
	var err error
	if h.table != nil {
		err = h.table.Close()
	}
	return errors.Join(err, h.inner.Close())
}

// Key is the host's public key.
func (h *Host) Key() ed25519.PublicKey { return h.key }

// Libp2p is the host underneath, for protocols that come with libp2p, such as
// bitswap.
func (h *Host) Libp2p() host.Host { return h.inner }

// Addrs are where the host listens, as multiaddrs without the /p2p part.
// Unspecified addresses are resolved to those of the machine's interfaces. Those
// at relays come last.
func (h *Host) Addrs() []string {
	var list []string
	for _, a := range h.inner.Addrs() {
		if text := a.String(); text != "/p2p-circuit" {
			list = append(list, text)
		}
	}
	relayed := h.relayAddrs()
	slices.Sort(relayed)
	return append(list, relayed...)
}

// AwaitAddr waits until the host has an address, which takes a moment where it
// is only reached through a relay. It says whether it has one.
func (h *Host) AwaitAddr(ctx context.Context, most time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(h.Addrs()) == 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// Peer is how others reach this host.
func (h *Host) Peer() Peer { return Peer{Key: h.key, Addrs: h.Addrs()} }

// Connect makes sure that there is a connection to a peer, whose key has been
// proved. Refusals: [ErrPeer], [ErrUnreachable].
func (h *Host) Connect(ctx context.Context, p Peer) error {
	_, err := h.connect(ctx, p)
	return err
}

func (h *Host) connect(ctx context.Context, p Peer) (peer.ID, error) {
	id, err := PeerID(p.Key)
	if err != nil {
		return "", err
	}
	if h.inner.Network().Connectedness(id) == network.Connected {
		return id, nil // its addresses need not be read
	}
	info, err := p.info()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, h.dial)
	defer cancel()
	// A relayed connection will do: a direct one takes its place when it can.
	if err := h.inner.Connect(network.WithAllowLimitedConn(ctx, "koinon"), info); err != nil {
		return "", fmt.Errorf("%w: %s at %v: %v", ErrUnreachable, info.ID, p.Addrs, err)
	}
	return info.ID, nil
}

// Open opens a stream of a protocol to a peer, connecting if need be. The
// context bounds the opening alone. Refusals: [ErrPeer], [ErrUnreachable].
func (h *Host) Open(ctx context.Context, p Peer, name string) (Stream, error) {
	id, err := h.connect(ctx, p)
	if err != nil {
		return nil, err
	}
	s, err := h.inner.NewStream(network.WithAllowLimitedConn(ctx, "koinon"), id, protocol.ID(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %s opens no stream of %s: %v", ErrUnreachable, id, name, err)
	}
	return s, nil
}

// Handle serves a protocol: f runs once for each stream that a peer opens, in a
// goroutine of its own, and is given the peer's proved key. f closes or resets
// the stream.
func (h *Host) Handle(name string, f func(Stream, ed25519.PublicKey)) {
	h.inner.SetStreamHandler(protocol.ID(name), func(s network.Stream) {
		key, err := KeyOf(s.Conn().RemotePeer())
		if err != nil { // the gater admits Ed25519 keys only
			h.log.Debug("stream refused", "protocol", name, "err", err)
			_ = s.Reset()
			return
		}
		f(s, key)
	})
}

// Unhandle stops serving a protocol; streams that are open stay open.
func (h *Host) Unhandle(name string) { h.inner.RemoveStreamHandler(protocol.ID(name)) }

// Ping connects if need be and measures one round trip. It tries at once, however
// often the peer was not there: callers ask at a pace of their own, and libp2p's
// growing pauses would hide for long a peer that is back. Refusals: [ErrPeer],
// [ErrUnreachable].
func (h *Host) Ping(ctx context.Context, p Peer) (time.Duration, error) {
	if s, ok := h.inner.Network().(*swarm.Swarm); ok {
		if info, err := p.info(); err == nil {
			s.Backoff().Clear(info.ID)
		}
	}
	id, err := h.connect(ctx, p)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the stream of pings after the first
	defer cancel()
	select {
	case r := <-ping.Ping(ctx, h.inner, id):
		if r.Error != nil {
			return 0, fmt.Errorf("%w: %s does not answer a ping: %v", ErrUnreachable, id, r.Error)
		}
		return r.RTT, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %s does not answer a ping: %v", ErrUnreachable, id, ctx.Err())
	}
}

// Protect keeps a peer's connection when others are closed for being too many.
func (h *Host) Protect(key ed25519.PublicKey, why string) error {
	id, err := PeerID(key)
	if err == nil {
		h.inner.ConnManager().Protect(id, why)
	}
	return err
}
