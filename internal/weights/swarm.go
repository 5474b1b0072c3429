package weights

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/message"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/exchange"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// maxPast is how many blocks that were asked for are remembered, twice: one that
// was given up may arrive late, and is no lie.
const maxPast = 4096

// outstanding is how many bytes are read ahead for one peer: bitswap's own 1 MiB
// is one leaf, which would leave the line empty between two.
const outstanding = 16 << 20

// defaultStall is how long to wait for one more block.
const defaultStall = 30 * time.Second

// Limits bound what a swarm fetches.
type Limits struct {
	// MaxSize is the largest weights file accepted, in bytes. 0 means 1 TiB.
	MaxSize uint64
	// Stall is how long to wait for one more block. 0 means 30 s.
	Stall time.Duration
	// Receive and Send bound what weights take of the line, in bytes per second.
	// 0 is no bound.
	Receive, Send uint64
}

// Swarm exchanges blocks with other nodes: it serves what its store has, and
// fetches what others have. It is safe for concurrent use.
type Swarm struct {
	host     *p2p.Host
	store    *Store
	limits   Limits
	receive  *rate.Limiter // nil: no limit
	send     *rate.Limiter // the same
	exchange *bitswap.Bitswap
	server   *plainServer  // nil: none
	plainly  atomic.Uint64 // bytes that came in plain HTTP

	mu      sync.Mutex
	wanted  map[cid.Cid]int           // by how many requests
	past    [2]map[cid.Cid]bool       // asked for lately and done with; the older half is dropped when the newer is full
	flights map[string]chan bool      // files being fetched, by CID; each holds one token
	liars   map[peer.ID]chan struct{} // peers of a request; closed on a false block
}

// Join serves a store's blocks to a host's peers until Close.
func Join(host *p2p.Host, store *Store, limits Limits) *Swarm {
	if limits.MaxSize == 0 {
		limits.MaxSize = 1 << 40
	}
	if limits.Stall == 0 {
		limits.Stall = defaultStall
	}
	s := &Swarm{
		host: host, store: store, limits: limits, receive: limiter(limits.Receive), send: limiter(limits.Send),
		wanted: map[cid.Cid]int{}, flights: map[string]chan bool{}, liars: map[peer.ID]chan struct{}{},
	}
	s.exchange = bitswap.New(context.Background(), bsnet.NewFromIpfsHost(host.Libp2p()), nil, slowed{store, s.send}, bitswap.WithTracer(s),
		bitswap.MaxOutstandingBytesPerPeer(outstanding), bitswap.WithoutDuplicatedBlockStats())
	return s
}

// limiter lets bytes through, a leaf at a time; nil lets all.
func limiter(perSecond uint64) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), chunkSize)
}

// slowed gives out leaves no faster than a limit.
type slowed struct {
	*Store
	send *rate.Limiter
}

func (s slowed) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := s.Store.Get(ctx, c)
	if err != nil || c.Type() != cid.Raw {
		return b, err
	}
	return b, wait(ctx, s.send, len(b.RawData()))
}

// Close stops serving and fetching.
func (s *Swarm) Close() error {
	var err error
	if s.server != nil {
		s.host.Libp2p().RemoveStreamHandler(plainProtocol)
		err = s.server.server.Close()
	}
	return errors.Join(err, s.exchange.Close())
}

// Received is how many bytes of blocks have come from peers.
func (s *Swarm) Received() (uint64, error) {
	stat, err := s.exchange.Stat()
	if err != nil {
		return 0, err
	}
	return stat.DataReceived + s.plainly.Load(), nil
}

// MessageReceived notices peers that send what nobody asked for. Bitswap names
// each block by the hash of its bytes, so false bytes arrive as another block;
// it would drop them in silence. Called by bitswap.
func (s *Swarm) MessageReceived(from peer.ID, m message.BitSwapMessage) {
	for _, b := range m.Blocks() {
		s.mu.Lock()
		asked := s.wanted[b.Cid()] > 0 || s.past[0][b.Cid()] || s.past[1][b.Cid()]
		lie := s.liars[from]
		s.mu.Unlock()
		if asked || lie == nil {
			continue
		}
		if has, err := s.store.Has(context.Background(), b.Cid()); has || err != nil {
			continue // a second copy, later than another peer's
		}
		s.mu.Lock()
		if s.liars[from] == lie {
			close(lie)
			delete(s.liars, from)
		}
		s.mu.Unlock()
	}
}

// MessageSent is of no interest. Called by bitswap.
func (s *Swarm) MessageSent(peer.ID, message.BitSwapMessage) {}

// Manifest finds a version's manifest here or at the given peers, and checks it.
// Refusals: [ErrManifest], [ErrMismatch], [ErrUnavailable].
func (s *Swarm) Manifest(ctx context.Context, version receipt.Digest, from []p2p.Peer) (Manifest, error) {
	if m, ok, err := s.store.Manifest(version); ok || err != nil {
		return m, err
	}
	r, err := s.ask(ctx, from)
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest %s: %w", version, err)
	}
	defer r.close()
	block, err := r.one(ctx, rawCID(version))
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest %s: %w", version, err)
	}
	m, err := Decode(block.RawData())
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest %s: %w", version, err)
	}
	return m, s.store.Put(ctx, block)
}

// request is one conversation with some peers.
type request struct {
	swarm   *Swarm
	session exchange.Fetcher
	cancel  context.CancelFunc
	lies    map[peer.ID]chan struct{}
}

// ask connects to peers, of which one must answer.
func (s *Swarm) ask(ctx context.Context, from []p2p.Peer) (*request, error) {
	r := &request{swarm: s, lies: map[peer.ID]chan struct{}{}}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var last error
	for _, p := range from {
		wait.Go(func() {
			err := s.host.Connect(ctx, p)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				last = err
				return
			}
			id, _ := p2p.PeerID(p.Key) // Connect has made it already
			s.mu.Lock()
			if s.liars[id] == nil {
				s.liars[id] = make(chan struct{})
			}
			r.lies[id] = s.liars[id]
			s.mu.Unlock()
		})
	}
	wait.Wait()
	if len(r.lies) == 0 {
		return nil, fmt.Errorf("%w: %d peers were tried: %v", ErrUnavailable, len(from), last)
	}
	life, cancel := context.WithCancel(ctx)
	r.session, r.cancel = s.exchange.NewSession(life), cancel
	return r, nil
}

func (r *request) close() { r.cancel() }

// one fetches one block.
func (r *request) one(ctx context.Context, c cid.Cid) (block blocks.Block, err error) {
	err = r.many(ctx, []cid.Cid{c}, func(b blocks.Block) error { block = b; return nil })
	return block, err
}

// many fetches blocks, whose hashes have been checked, in any order.
func (r *request) many(ctx context.Context, list []cid.Cid, each func(blocks.Block) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.swarm.want(list, 1)
	defer r.swarm.want(list, -1)
	in, err := r.session.GetBlocks(ctx, list)
	if err != nil {
		return err
	}
	lied := make(chan struct{})
	go r.watch(ctx, lied)
	stall := time.NewTimer(r.swarm.limits.Stall)
	defer stall.Stop()
	missing := make(map[cid.Cid]bool, len(list))
	for _, c := range list {
		missing[c] = true
	}
	for len(missing) > 0 {
		select {
		case b, ok := <-in:
			if !ok {
				return fmt.Errorf("%w: %d blocks are missing: %w", ErrUnavailable, len(missing), context.Cause(ctx))
			}
			if err := each(b); err != nil {
				return err
			}
			delete(missing, b.Cid())
			stall.Reset(r.swarm.limits.Stall)
		case <-lied:
			return fmt.Errorf("%w: every peer that was asked sent other bytes; nothing of them was kept", ErrMismatch)
		case <-stall.C:
			return fmt.Errorf("%w: no block arrived for %v, %d are missing", ErrUnavailable, r.swarm.limits.Stall, len(missing))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// watch breaks off with each peer that lies, and closes lied when all have.
func (r *request) watch(ctx context.Context, lied chan<- struct{}) {
	var honest sync.WaitGroup
	for id, lie := range r.lies {
		honest.Go(func() {
			select {
			case <-lie:
				_ = r.swarm.host.Libp2p().Network().ClosePeer(id)
			case <-ctx.Done():
			}
		})
	}
	honest.Wait()
	if ctx.Err() == nil {
		close(lied)
	}
}

func (s *Swarm) want(list []cid.Cid, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		if s.wanted[c] += n; s.wanted[c] > 0 {
			continue
		}
		delete(s.wanted, c)
		if len(s.past[0]) == maxPast {
			s.past[0], s.past[1] = nil, s.past[0]
		}
		if s.past[0] == nil {
			s.past[0] = map[cid.Cid]bool{}
		}
		s.past[0][c] = true
	}
}
