package weights

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"
	"sync"

	"github.com/koinon/koinon/receipt"
)

// gathering is a file whose leaves come together, from what an earlier attempt
// left, from other files of the store and from elsewhere, in any order. Behind
// them, as far as the file is without a gap, the whole is hashed.
type gathering struct {
	file     *os.File
	blob     Blob
	leaves   []leaf
	progress Progress

	more chan struct{} // holds one token when leaves came

	mu   sync.Mutex
	here []bool // by leaf
	done uint64 // bytes
}

func newGathering(f *os.File, b Blob, leaves []leaf, progress Progress) *gathering {
	return &gathering{file: f, blob: b, leaves: leaves, progress: progress, here: make([]bool, len(leaves)), more: make(chan struct{}, 1)}
}

// run fills the file, with what fetch brings by [gathering.put], and checks it.
func (g *gathering) run(ctx context.Context, s *Store, fetch func(context.Context, []int) error) error {
	if info, err := g.file.Stat(); err != nil || info.Size() > int64(g.blob.Size) {
		if err = errors.Join(err, g.file.Truncate(0)); err != nil { // no attempt at this file left that
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sum := make(chan error, 1)
	go func() { sum <- g.check(ctx) }()
	missing, err := g.survey(ctx, s)
	if err == nil && len(missing) > 0 {
		err = fetch(ctx, missing)
	}
	if err != nil {
		cancel(err)
		<-sum
		return err
	}
	return <-sum
}

// survey finds what is here: in the file itself, as an earlier attempt left it,
// and in other files, above all those of versions that share tensors with this
// one. Only what has its digest counts, so no note of it is needed, and none can
// be wrong.
func (g *gathering) survey(ctx context.Context, s *Store) (missing []int, err error) {
	info, err := g.file.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, chunkSize)
	for i, l := range g.leaves {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if l.offset+int64(l.size) <= info.Size() {
			if _, err := g.file.ReadAt(data[:l.size], l.offset); err != nil {
				return nil, err
			}
			if receipt.Sum(data[:l.size]) == l.sum {
				g.mark(i)
				continue
			}
		}
		if b, err := s.Get(ctx, l.cid()); err == nil { // else it is fetched
			if err := g.put(i, b.RawData()); err != nil {
				return nil, err
			}
			continue
		}
		missing = append(missing, i)
	}
	return missing, nil
}

// put writes a leaf, whose hash has been checked. Refusal: [ErrManifest].
func (g *gathering) put(i int, data []byte) error {
	l := g.leaves[i]
	if len(data) != l.size {
		return fmt.Errorf("%w: block %s has %d bytes, its tree says %d", ErrManifest, l.cid(), len(data), l.size)
	}
	if _, err := g.file.WriteAt(data, l.offset); err != nil {
		return err
	}
	g.mark(i)
	return nil
}

func (g *gathering) mark(i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.here[i] {
		return
	}
	g.here[i] = true
	g.done += uint64(g.leaves[i].size)
	g.progress(g.done, g.blob.Size)
	select {
	case g.more <- struct{}{}:
	default:
	}
}

// whole says whether every leaf is here.
func (g *gathering) whole() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.done == g.blob.Size
}

// has waits for a leaf.
func (g *gathering) has(ctx context.Context, i int) error {
	for {
		g.mu.Lock()
		here := g.here[i]
		g.mu.Unlock()
		if here {
			return nil
		}
		select {
		case <-g.more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// check hashes the file from its start, as its leaves come. Refusal: [ErrMismatch].
func (g *gathering) check(ctx context.Context) error {
	sum, data := sha256.New(), make([]byte, chunkSize)
	for i, l := range g.leaves {
		if err := g.has(ctx, i); err != nil {
			return err
		}
		if _, err := g.file.ReadAt(data[:l.size], l.offset); err != nil {
			return err
		}
		sum.Write(data[:l.size])
	}
	return checkDigest(g.blob, sum)
}

func checkDigest(b Blob, sum hash.Hash) error {
	if got := receipt.Digest(sum.Sum(nil)); got != b.SHA256 {
		return fmt.Errorf("%w: the blocks of %s make a file of digest %s; the manifest is false, and the file was removed", ErrMismatch, b.CID, got)
	}
	return nil
}
