package gguf

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/engine/mapping"
)

// Metadata of a file that is one of several, named as llama.cpp's gguf-split
// writes them. The first of them has the model's own metadata.
const (
	keySplitNumber  = "split.no"            // of this file, the first is 0
	keySplitCount   = "split.count"         // of files
	keySplitTensors = "split.tensors.count" // of all files
)

// maxShards is the most that the format's 16-bit number and five digits name.
const maxShards = 1<<16 - 1

// splitKeys are the metadata that say how a file is split; a copy that is whole
// has none of them.
var splitKeys = []string{keySplitNumber, keySplitCount, keySplitTensors}

// Shards is how many files the model is in.
func (f *File) Shards() int { return max(1, len(f.maps)) }

// Size is the bytes of all files; 0 if it was read from memory.
func (f *File) Size() uint64 {
	var n uint64
	for _, m := range f.maps {
		n += uint64(len(m.Data))
	}
	return n
}

// Digest is the SHA-256 of all files' bytes, one after the other. What was read
// is given back to the system, so that this takes no memory to speak of.
func (f *File) Digest() [sha256.Size]byte {
	const atOnce = 8 << 20
	h := sha256.New()
	for _, m := range f.maps {
		for part := range slices.Chunk(m.Data, atOnce) {
			h.Write(part)
			mapping.Forget(part)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// openShards opens the other files of a set whose first is f, at path.
func (f *File) openShards(path string) error {
	count, err := f.shardNumber(path, 0, 0)
	if err != nil || count == 1 {
		return err
	}
	suffix := fmt.Sprintf("-%05d-of-%05d.gguf", 1, count)
	prefix, named := strings.CutSuffix(path, suffix)
	if !named {
		return fmt.Errorf("%w: %s: %s is %d, so its name must end in %s for the other files to be found; rename it", ErrFormat, path, keySplitCount, count, suffix)
	}
	for i := uint64(1); i < count; i++ {
		name := fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i+1, count)
		shard, err := openOne(name)
		if err != nil {
			return fmt.Errorf("%s: %s is %d, and file %d of them cannot be opened: %w", filepath.Base(path), keySplitCount, count, i+1, err)
		}
		f.maps = append(f.maps, shard.maps...) // closed with f, whatever follows
		if _, err := shard.shardNumber(name, i, count); err != nil {
			return err
		}
		for _, t := range shard.Tensors() {
			if f.HasTensor(t.Name) {
				return fmt.Errorf("%w: %s: tensor %s is also in a file before it", ErrFormat, name, t.Name)
			}
			f.tensors[t.Name], f.names = t, append(f.names, t.Name)
		}
	}
	total, err := f.Uint(keySplitTensors)
	if err == nil && total != uint64(len(f.names)) {
		err = fmt.Errorf("%w: %s is %d, the %d files have %d tensors", ErrFormat, keySplitTensors, total, count, len(f.names))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// shardNumber checks that a file is the one of the given number, of count files
// in all; 0 takes any count, and returns it.
func (f *File) shardNumber(path string, number, count uint64) (uint64, error) {
	no, failed := f.Uint(keySplitNumber)
	n, err := f.Uint(keySplitCount)
	switch err = errors.Join(failed, err); {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", path, err)
	case n == 0 || n > maxShards || count > 0 && n != count:
		return 0, fmt.Errorf("%w: %s: %s is %d, not %s", ErrFormat, path, keySplitCount, n, expected(count))
	case no != number && number == 0:
		return 0, fmt.Errorf("%w: %s: %s is %d: this is not the first file of the set; open that", ErrFormat, path, keySplitNumber, no)
	case no != number:
		return 0, fmt.Errorf("%w: %s: %s is %d, not %d: it is another part than its name says", ErrFormat, path, keySplitNumber, no, number)
	}
	return n, nil
}

func expected(count uint64) string {
	if count == 0 {
		return fmt.Sprintf("from 1 to %d", maxShards)
	}
	return fmt.Sprintf("%d as in the first file", count)
}
