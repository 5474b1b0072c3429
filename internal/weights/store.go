package weights

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/koinon/koinon/receipt"
)

// Store keeps manifests, the inner nodes of trees, and files on disk:
//
//	blocks/CID            a manifest (raw) or an inner node (dag-pb)
//	files/CID.gguf        a whole file that has been checked, or a link to it
//	files/CID.partial     a file on its way; what is in it is checked on resuming
//	files/CID.download    the same, from a source that sends it from its start
//
// A file's CID is that of the root of its blocks: whoever made a manifest, what has
// the name has those blocks.
//
// A block is hashed when it is read, again whenever its file has changed since: a
// file that changed on disk is noticed and never given out. It is safe for
// concurrent use. Processes may share a folder: each finds what was there when it
// opened it, and one file is fetched by one of them.
type Store struct {
	dir    string
	mu     sync.RWMutex
	places map[receipt.Digest]place // of leaves that are on disk
}

// place is where a leaf lies.
type place struct {
	file   *string // path of the whole file
	offset int64
	size   int32
	sound  int64 // time of the file's last change when the leaf had its hash, in ns; 0: not hashed yet
}

var _ blockstore.Blockstore = (*Store)(nil)

// Open opens or creates a store.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, places: map[receipt.Digest]place{}}
	for _, d := range []string{s.blocks(), s.files()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("weights: %w", err)
		}
	}
	entries, err := os.ReadDir(s.blocks())
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	for _, e := range entries {
		c, err := cid.Decode(e.Name())
		if err != nil || c.Type() != cid.Raw {
			continue // an inner node, or the leftover of a crash
		}
		block, err := s.Get(context.Background(), c)
		if err != nil {
			return nil, fmt.Errorf("weights: %s: %w; remove it to fetch it again", e.Name(), err)
		}
		m, err := Decode(block.RawData())
		if err != nil {
			return nil, fmt.Errorf("weights: %s: %w; remove it", e.Name(), err)
		}
		for _, b := range []Blob{m.Weights, m.Vocabulary} {
			if _, ok := s.file(b); ok {
				if err := s.register(b, 0); err != nil {
					return nil, err
				}
			}
		}
	}
	return s, nil
}

func (s *Store) blocks() string { return filepath.Join(s.dir, "blocks") }
func (s *Store) files() string  { return filepath.Join(s.dir, "files") }

func (s *Store) name(cid, suffix string) string { return filepath.Join(s.files(), cid+suffix) }

// file says where a whole file is, if it is here.
func (s *Store) file(b Blob) (path string, ok bool) {
	path = s.name(b.CID, ".gguf")
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && uint64(info.Size()) == b.Size
}

// register lists a whole file's leaves, which had their hashes when the file last
// changed at sound, in ns; 0 if they are to be hashed yet. Its inner nodes are in
// the store.
func (s *Store) register(b Blob, sound int64) error {
	leaves, err := walk(context.Background(), b, s.nodes)
	if err != nil {
		return fmt.Errorf("weights: blocks of %s: %w", b.SHA256, err)
	}
	path := s.name(b.CID, ".gguf")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leaves {
		s.places[l.sum] = place{&path, l.offset, int32(l.size), sound}
	}
	return nil
}

// Manifest reads a manifest that is here; false if it is not.
func (s *Store) Manifest(d receipt.Digest) (Manifest, bool, error) {
	block, err := s.Get(context.Background(), rawCID(d))
	if ipld.IsNotFound(err) {
		return Manifest{}, false, nil
	}
	if err != nil {
		return Manifest{}, false, err
	}
	m, err := Decode(block.RawData())
	return m, err == nil, err
}

// Weights is where a version's weights are, if they are here whole.
func (s *Store) Weights(d receipt.Digest) (path string, ok bool, err error) {
	m, ok, err := s.Manifest(d)
	if err != nil || !ok {
		return "", false, err
	}
	path, ok = s.file(m.Weights)
	return path, ok, nil
}

// Get returns a block whose hash has been checked. Errors: ipld.ErrNotFound,
// [ErrMismatch].
func (s *Store) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	if err := checkCID(c); err != nil {
		return nil, ipld.ErrNotFound{Cid: c} // none that this store would name
	}
	if c.Type() == cid.Raw {
		s.mu.RLock()
		p, ok := s.places[sumOf(c)]
		s.mu.RUnlock()
		if ok {
			return s.leaf(c, p)
		}
	}
	data, err := os.ReadFile(filepath.Join(s.blocks(), c.String()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	if err != nil {
		return nil, err
	}
	if err := checkSum(c, data); err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(data, c)
}

// nodes returns inner nodes that are all here. Errors: those of [Store.Get].
func (s *Store) nodes(ctx context.Context, list []cid.Cid) (map[cid.Cid]blocks.Block, error) {
	found := make(map[cid.Cid]blocks.Block, len(list))
	for _, c := range list {
		b, err := s.Get(ctx, c)
		if err != nil {
			return nil, err
		}
		found[c] = b
	}
	return found, nil
}

// leaf reads a leaf out of its file.
func (s *Store) leaf(c cid.Cid, p place) (blocks.Block, error) {
	f, err := os.Open(*p.file)
	if err != nil {
		return nil, ipld.ErrNotFound{Cid: c} // removed behind our back
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, p.size)
	if _, err := f.ReadAt(data, p.offset); err != nil {
		return nil, fmt.Errorf("%w: block %s: %v", ErrMismatch, c, err)
	}
	if changed := info.ModTime().UnixNano(); p.sound != changed {
		if err := checkSum(c, data); err != nil {
			return nil, err
		}
		p.sound = changed
		s.mu.Lock()
		s.places[sumOf(c)] = p
		s.mu.Unlock()
	}
	return blocks.NewBlockWithCid(data, c)
}

func checkSum(c cid.Cid, data []byte) error {
	if receipt.Sum(data) != sumOf(c) {
		return fmt.Errorf("%w: block %s changed on disk", ErrMismatch, c)
	}
	return nil
}

// Has says whether a block is here.
func (s *Store) Has(ctx context.Context, c cid.Cid) (bool, error) {
	_, err := s.GetSize(ctx, c)
	if ipld.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// GetSize is a block's size in bytes. Error: ipld.ErrNotFound.
func (s *Store) GetSize(_ context.Context, c cid.Cid) (int, error) {
	if err := checkCID(c); err != nil {
		return 0, ipld.ErrNotFound{Cid: c}
	}
	if c.Type() == cid.Raw {
		s.mu.RLock()
		p, ok := s.places[sumOf(c)]
		s.mu.RUnlock()
		if ok {
			return int(p.size), nil
		}
	}
	info, err := os.Stat(filepath.Join(s.blocks(), c.String()))
	if errors.Is(err, os.ErrNotExist) {
		return 0, ipld.ErrNotFound{Cid: c}
	}
	if err != nil {
		return 0, err
	}
	return int(info.Size()), nil
}

// Put keeps a manifest or an inner node. Leaves are not put: they are parts of
// files.
func (s *Store) Put(_ context.Context, b blocks.Block) error {
	return renameio.WriteFile(filepath.Join(s.blocks(), b.Cid().String()), b.RawData(), 0o600)
}

// PutMany puts each.
func (s *Store) PutMany(ctx context.Context, list []blocks.Block) error {
	for _, b := range list {
		if err := s.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// DeleteBlock removes a manifest or an inner node.
func (s *Store) DeleteBlock(_ context.Context, c cid.Cid) error {
	return os.Remove(filepath.Join(s.blocks(), c.String()))
}

// AllKeysChan lists all blocks.
func (s *Store) AllKeysChan(ctx context.Context) (<-chan cid.Cid, error) {
	entries, err := os.ReadDir(s.blocks())
	if err != nil {
		return nil, err
	}
	var list []cid.Cid
	for _, e := range entries {
		if c, err := cid.Decode(e.Name()); err == nil {
			list = append(list, c)
		}
	}
	s.mu.RLock()
	for sum := range s.places {
		list = append(list, rawCID(sum))
	}
	s.mu.RUnlock()
	out := make(chan cid.Cid)
	go func() {
		defer close(out)
		for _, c := range list {
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// onItsWay opens a file that is not whole yet; no other process then writes it.
func (s *Store) onItsWay(b Blob, ending string) (*os.File, error) {
	f, err := os.OpenFile(s.name(b.CID, ending), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: another process fetches it: %w; wait for it", f.Name(), err), f.Close())
	}
	return f, nil
}

// changed is when a file last changed, in ns; 0 if that cannot be known.
func changed(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// finish closes a file and gives it its name durably.
func finish(f *os.File, path string) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
