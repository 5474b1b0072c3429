package weights

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"golang.org/x/time/rate"

	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// Progress is told the bytes that are here and checked, of a file's total.
type Progress func(done, total uint64)

// Weights returns the path of a version's weights, fetching from the given peers
// what is not here. A fetch that was broken off, even by a crash, goes on where
// it stopped. The path appears only when every block of the file has its hash. progress
// may be nil. Refusals: [ErrManifest], [ErrMismatch], [ErrUnavailable], [ErrTooLarge].
func (s *Swarm) Weights(ctx context.Context, version receipt.Digest, from []p2p.Peer, progress Progress) (string, error) {
	m, err := s.Manifest(ctx, version, from)
	if err != nil {
		return "", err
	}
	if m.Weights.Size > s.limits.MaxSize {
		return "", fmt.Errorf("%w: weights of %s have %d bytes, the limit is %d", ErrTooLarge, version, m.Weights.Size, s.limits.MaxSize)
	}
	return s.fetch(ctx, m.Weights, from, progress)
}

// Vocabulary returns the path of a version's vocabulary, a GGUF without tensors,
// as [Swarm.Weights] does for the whole.
func (s *Swarm) Vocabulary(ctx context.Context, version receipt.Digest, from []p2p.Peer) (string, error) {
	m, err := s.Manifest(ctx, version, from)
	if err != nil {
		return "", err
	}
	return s.fetch(ctx, m.Vocabulary, from, nil)
}

// fetch makes one file be here; only one fetch of a file runs at a time.
func (s *Swarm) fetch(ctx context.Context, b Blob, from []p2p.Peer, progress Progress) (string, error) {
	s.mu.Lock()
	turn := s.flights[b.CID]
	if turn == nil {
		turn = make(chan bool, 1)
		s.flights[b.CID] = turn
	}
	s.mu.Unlock()
	select {
	case turn <- true:
		defer func() { <-turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if path, ok := s.store.file(b); ok {
		return path, nil
	}
	r, err := s.ask(ctx, from)
	if err != nil {
		return "", fmt.Errorf("file %s: %w", b.SHA256, err)
	}
	defer r.close()
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	if err := s.complete(ctx, r, b, progress); err != nil {
		return "", fmt.Errorf("file %s: %w", b.SHA256, err)
	}
	path := s.store.name(b.CID, ".gguf")
	return path, s.store.register(b, changed(path))
}

// nodes finds inner nodes here or at the peers.
func (r *request) nodes(ctx context.Context, list []cid.Cid) (map[cid.Cid]blocks.Block, error) {
	found := map[cid.Cid]blocks.Block{}
	var missing []cid.Cid
	for _, c := range list {
		b, err := r.swarm.store.Get(ctx, c)
		switch {
		case err == nil:
			found[c] = b
		case ipld.IsNotFound(err):
			missing = append(missing, c)
		default:
			return nil, err
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	return found, r.many(ctx, missing, func(b blocks.Block) error {
		if n := len(b.RawData()); n > maxNode {
			return fmt.Errorf("%w: node %s has %d bytes, at most %d are allowed", ErrManifest, b.Cid(), n, maxNode)
		}
		found[b.Cid()] = b
		return r.swarm.store.Put(ctx, b)
	})
}

// complete fills a partial file and gives it its name.
func (s *Swarm) complete(ctx context.Context, r *request, b Blob, progress Progress) error {
	leaves, err := walk(ctx, b, r.nodes)
	if err != nil {
		return err
	}
	f, err := s.store.onItsWay(b, ".partial")
	if err != nil {
		return err
	}
	g := newGathering(f, b, leaves, progress)
	err = g.run(ctx, s.store, func(ctx context.Context, missing []int) error {
		missing, err := r.plain(ctx, g, missing)
		if err != nil {
			return err
		}
		return r.fill(ctx, g, missing)
	})
	if err != nil {
		_ = f.Close() // the first error says more
		return err
	}
	return finish(f, s.store.name(b.CID, ".gguf"))
}

// plain fills what it can from peers that serve whole files in plain HTTP, and
// returns what is still missing: all of it, if there are none. What was wrong with
// them is not told, as blocks can still come by libp2p, where it would be told again.
func (r *request) plain(ctx context.Context, g *gathering, missing []int) ([]int, error) {
	if g.blob.Size < plainFrom {
		return missing, nil
	}
	var sources []*plain
	for _, id := range slices.Sorted(maps.Keys(r.lies)) {
		if p, err := r.swarm.plainOf(ctx, id); err == nil {
			defer p.close()
			sources = append(sources, p)
		}
	}
	if len(sources) == 0 {
		return missing, ctx.Err()
	}
	way := &ranges{
		name: g.blob.CID, limit: r.swarm.receive, stall: r.swarm.limits.Stall, lanes: plainLanes,
		got: func(n int) { r.swarm.plainly.Add(uint64(n)) },
	}
	left, _ := way.run(ctx, g, missing, sources)
	return left, ctx.Err()
}

// plainFrom is how many bytes a file has at least that is worth another connection.
const plainFrom = 4 << 20

// plainLanes is how many ranges are read at once; each holds a leaf in memory.
const plainLanes = 8

// How many leaves are asked for at a time: lanes × batch of them are held in memory.
const (
	lanes = 6
	batch = 8
)

// fill fetches the leaves of some numbers.
func (r *request) fill(ctx context.Context, g *gathering, missing []int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	size := batch
	if r.swarm.receive != nil {
		size = 1 // asks for no more at once than the limit lets through
	}
	work := make(chan []int)
	var wait sync.WaitGroup
	for range lanes {
		wait.Go(func() {
			for list := range work {
				if err := r.some(ctx, g, list); err != nil {
					cancel(err)
				}
			}
		})
	}
	for list := range slices.Chunk(missing, size) {
		select {
		case work <- list:
		case <-ctx.Done():
		}
	}
	close(work)
	wait.Wait()
	return context.Cause(ctx)
}

// some fetches a few leaves and writes them where they belong, which may be in
// several places.
func (r *request) some(ctx context.Context, g *gathering, list []int) error {
	at := map[receipt.Digest][]int{}
	var names []cid.Cid
	var bytes int
	for _, i := range list {
		l := g.leaves[i]
		if at[l.sum] == nil {
			names = append(names, l.cid())
			bytes += l.size
		}
		at[l.sum] = append(at[l.sum], i)
	}
	if err := wait(ctx, r.swarm.receive, bytes); err != nil {
		return err
	}
	return r.many(ctx, names, func(b blocks.Block) error {
		for _, i := range at[sumOf(b.Cid())] {
			if err := g.put(i, b.RawData()); err != nil {
				return err
			}
		}
		return nil
	})
}

// wait for a limit to let some bytes through; no limit lets all.
func wait(ctx context.Context, limit *rate.Limiter, bytes int) error {
	if limit == nil {
		return nil
	}
	return limit.WaitN(ctx, bytes)
}
