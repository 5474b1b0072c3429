package weights

import (
	"context"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/koinon/koinon/receipt"
)

// Bounds of a file's tree, whoever made it.
const (
	linksPerNode = 174 // as kubo's default
	maxNode      = 64 << 10
	maxDepth     = 5 // nodes above the leaves; 174⁴ MiB are 874 TiB
)

// leaf is one block of a file's bytes. Trees of large files have millions.
type leaf struct {
	sum    receipt.Digest // SHA-256, of which its CID consists
	offset int64
	size   int
}

func (l leaf) cid() cid.Cid { return rawCID(l.sum) }

// rawCID is the content address of bytes: a digest is all it takes.
func rawCID(d receipt.Digest) cid.Cid {
	hash, err := multihash.Encode(d[:], multihash.SHA2_256)
	if err != nil {
		panic(err) // it knows SHA-256
	}
	return cid.NewCidV1(cid.Raw, hash)
}

// sumOf is the digest in a content address that [checkCID] accepts.
func sumOf(c cid.Cid) receipt.Digest {
	hash := c.Hash()
	return receipt.Digest(hash[len(hash)-len(receipt.Digest{}):])
}

// walk lists a file's leaves in order. get returns a block whose hash has been
// checked; everything else about it is a stranger's. A file has at most as many
// leaves as [cutter] could make of its size, so a tree is never much larger than it
// was announced.
// Refusal: [ErrManifest], or get's.
func walk(ctx context.Context, b Blob, get func(context.Context, cid.Cid) (blocks.Block, error)) ([]leaf, error) {
	root, err := b.root()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrManifest, err)
	}
	w := walker{get: get, total: b.Size}
	if err := w.visit(ctx, root, b.Size, maxDepth); err != nil {
		return nil, err
	}
	return w.leaves, nil
}

type walker struct {
	get    func(context.Context, cid.Cid) (blocks.Block, error)
	total  uint64
	at     uint64
	leaves []leaf
}

func (w *walker) visit(ctx context.Context, c cid.Cid, size uint64, depth int) error {
	if err := checkCID(c); err != nil {
		return fmt.Errorf("%w: %v", ErrManifest, err)
	}
	if c.Type() == cid.Raw {
		if size > chunkSize {
			return fmt.Errorf("%w: block %s at byte %d has %d bytes, at most %d are allowed", ErrManifest, c, w.at, size, chunkSize)
		}
		if most := mostLeaves(w.total); uint64(len(w.leaves)) == most {
			return fmt.Errorf("%w: more than %d blocks for %d bytes", ErrManifest, most, w.total)
		}
		w.leaves = append(w.leaves, leaf{sumOf(c), int64(w.at), int(size)})
		w.at += size
		return nil
	}
	if depth == 0 {
		return fmt.Errorf("%w: the tree of blocks is deeper than %d", ErrManifest, maxDepth)
	}
	block, err := w.get(ctx, c)
	if err != nil {
		return err
	}
	children, sizes, err := readNode(block, size)
	if err != nil {
		return fmt.Errorf("%w: node %s: %v", ErrManifest, c, err)
	}
	for i, child := range children {
		if err := w.visit(ctx, child, sizes[i], depth-1); err != nil {
			return err
		}
	}
	return nil
}

// readNode returns a node's children and the bytes under each, which sum to size.
func readNode(block blocks.Block, size uint64) ([]cid.Cid, []uint64, error) {
	if n := len(block.RawData()); n > maxNode {
		return nil, nil, fmt.Errorf("%d bytes, at most %d are allowed", n, maxNode)
	}
	node, err := merkledag.DecodeProtobuf(block.RawData())
	if err != nil {
		return nil, nil, err
	}
	file, err := unixfs.FSNodeFromBytes(node.Data())
	if err != nil {
		return nil, nil, err
	}
	links, sizes := node.Links(), file.BlockSizes()
	switch {
	case file.Type() != unixfs.TFile || len(file.Data()) != 0:
		return nil, nil, fmt.Errorf("not an inner node of a file")
	case len(links) == 0 || len(links) > linksPerNode || len(links) != len(sizes):
		return nil, nil, fmt.Errorf("%d links and %d sizes", len(links), len(sizes))
	case file.FileSize() != size:
		return nil, nil, fmt.Errorf("holds %d bytes, not %d", file.FileSize(), size)
	}
	children, left := make([]cid.Cid, len(links)), size
	for i, l := range links {
		if sizes[i] == 0 || sizes[i] > left {
			return nil, nil, fmt.Errorf("its parts do not sum to %d bytes", size)
		}
		left -= sizes[i]
		children[i] = l.Cid
	}
	if left != 0 {
		return nil, nil, fmt.Errorf("its parts do not sum to %d bytes", size)
	}
	return children, sizes, nil
}
