package weights

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// window is how many leaves are asked for at a time; they are held in memory.
const window = 32

// Progress is told the bytes that are here and checked, of a file's total.
type Progress func(done, total uint64)

// Weights returns the path of a version's weights, fetching from the given peers
// what is not here. A fetch that was broken off, even by a crash, goes on where
// it stopped. The path appears only when the whole file has its digest. progress
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
	turn := s.flights[b.SHA256]
	if turn == nil {
		turn = make(chan bool, 1)
		s.flights[b.SHA256] = turn
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
	return s.store.name(b.SHA256, ".gguf"), s.store.register(b)
}

// node finds an inner node here or at the peers.
func (r *request) node(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := r.swarm.store.Get(ctx, c)
	if err == nil || !ipld.IsNotFound(err) {
		return b, err
	}
	if b, err = r.one(ctx, c); err != nil {
		return nil, err
	}
	return b, r.swarm.store.Put(ctx, b)
}

// complete fills a partial file, checks the whole, and gives it its name.
func (s *Swarm) complete(ctx context.Context, r *request, b Blob, progress Progress) error {
	leaves, err := walk(ctx, b, r.node)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.store.name(b.SHA256, ".partial"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	good := false
	defer func() {
		if !good {
			_ = f.Close()
		}
	}()
	missing, done, err := survey(f, leaves)
	if err != nil {
		return err
	}
	progress(done, b.Size)
	for len(missing) > 0 {
		batch := missing[:min(window, len(missing))]
		missing = missing[len(batch):]
		n, err := r.fill(ctx, f, batch)
		if err != nil {
			return err
		}
		done += n
		progress(done, b.Size)
	}
	if err := checkWhole(f, b); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	good = true
	return finish(f, s.store.name(b.SHA256, ".gguf"))
}

// survey hashes what an earlier fetch left: only what has its digest counts, so
// no note of it is needed, and none can be wrong.
func survey(f *os.File, leaves []leaf) (missing []leaf, done uint64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data := make([]byte, chunkSize)
	for _, l := range leaves {
		if l.offset+int64(l.size) <= info.Size() {
			if _, err := f.ReadAt(data[:l.size], l.offset); err != nil {
				return nil, 0, err
			}
			if c, err := l.cid.Prefix().Sum(data[:l.size]); err == nil && c.Equals(l.cid) {
				done += uint64(l.size)
				continue
			}
		}
		missing = append(missing, l)
	}
	return missing, done, nil
}

// fill fetches some leaves and writes them where they belong, which may be in
// several places. It returns how many bytes were written.
func (r *request) fill(ctx context.Context, f *os.File, batch []leaf) (written uint64, err error) {
	at := map[cid.Cid][]leaf{}
	var list []cid.Cid
	for _, l := range batch {
		if at[l.cid] == nil {
			list = append(list, l.cid)
		}
		at[l.cid] = append(at[l.cid], l)
	}
	err = r.many(ctx, list, func(b blocks.Block) error {
		for _, l := range at[b.Cid()] {
			if len(b.RawData()) != l.size {
				return fmt.Errorf("%w: block %s has %d bytes, its tree says %d", ErrManifest, l.cid, len(b.RawData()), l.size)
			}
			if _, err := f.WriteAt(b.RawData(), l.offset); err != nil {
				return err
			}
			written += uint64(l.size)
		}
		return nil
	})
	return written, err
}

// checkWhole hashes a file from its start.
func checkWhole(f *os.File, b Blob) error {
	if err := f.Truncate(int64(b.Size)); err != nil { // an earlier file may have been longer
		return err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(f, 0, int64(b.Size))); err != nil {
		return err
	}
	if got := receipt.Digest(hash.Sum(nil)); got != b.SHA256 {
		return fmt.Errorf("%w: the blocks of %s make a file of digest %s; the manifest is false, and the file was removed", ErrMismatch, b.CID, got)
	}
	return nil
}
