package weights

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/koinon/koinon/receipt"
)

// gathering is a file whose leaves come together, from what an earlier attempt
// left, from other files of the store and from elsewhere, in any order. Each has its
// hash, and together they are the file that their root names, so that the whole is not
// hashed once more.
type gathering struct {
	file     *os.File
	blob     Blob
	leaves   []leaf
	progress Progress

	writing sync.Mutex // a kernel lets one write to a file at a time; who waits in it burns a core, who waits here does not

	mu   sync.Mutex
	here []bool // by leaf
	done uint64 // bytes
}

func newGathering(f *os.File, b Blob, leaves []leaf, progress Progress) *gathering {
	return &gathering{file: f, blob: b, leaves: leaves, progress: progress, here: make([]bool, len(leaves))}
}

// run fills the file, with what fetch brings by [gathering.put].
func (g *gathering) run(ctx context.Context, s *Store, fetch func(context.Context, []int) error) error {
	if info, err := g.file.Stat(); err != nil || info.Size() > int64(g.blob.Size) {
		if err = errors.Join(err, g.file.Truncate(0)); err != nil { // no attempt at this file left that
			return err
		}
	}
	missing, err := g.survey(ctx, s)
	if err != nil || len(missing) == 0 {
		return err
	}
	return fetch(ctx, missing)
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
	g.writing.Lock()
	_, err := g.file.WriteAt(data, l.offset)
	g.writing.Unlock()
	if err != nil {
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
}

// got says whether a leaf is here.
func (g *gathering) got(i int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.here[i]
}
