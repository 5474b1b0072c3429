package weights

import (
	"context"
	"fmt"
	"slices"

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

// nodesOf returns inner nodes, whose hashes have been checked.
type nodesOf func(context.Context, []cid.Cid) (map[cid.Cid]blocks.Block, error)

// part is a node of a file's tree, or a leaf, and the bytes under it.
type part struct {
	cid  cid.Cid
	size uint64
}

// walk lists a file's leaves in order. Everything about the nodes but their hashes is
// a stranger's. Nodes of a level are asked for together, as each answer takes a while.
// A file has at most as many leaves as [cutter] could make of its size, so a tree is
// never much larger than it was announced.
// Refusal: [ErrManifest], or get's.
func walk(ctx context.Context, b Blob, get nodesOf) ([]leaf, error) {
	root, err := b.root()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrManifest, err)
	}
	level := []part{{root, b.Size}}
	for range maxDepth + 1 {
		leaves, err := leavesIn(level)
		if leaves != nil || err != nil {
			return leaves, err
		}
		if level, err = under(ctx, level, mostLeaves(b.Size), get); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the tree of blocks is deeper than %d", ErrManifest, maxDepth)
}

// leavesIn are the leaves of a level; nil if it has nodes, too.
func leavesIn(level []part) ([]leaf, error) {
	leaves := make([]leaf, 0, len(level))
	var at uint64
	for _, p := range level {
		switch {
		case p.cid.Type() != cid.Raw:
			return nil, nil
		case p.size > chunkSize:
			return nil, fmt.Errorf("%w: block %s at byte %d has %d bytes, at most %d are allowed", ErrManifest, p.cid, at, p.size, chunkSize)
		}
		leaves = append(leaves, leaf{sumOf(p.cid), int64(at), int(p.size)})
		at += p.size
	}
	return leaves, nil
}

// under is the level below: what is under each node, in its place.
func under(ctx context.Context, level []part, most uint64, get nodesOf) ([]part, error) {
	var below []part
	for some := range slices.Chunk(level, linksPerNode) { // so many nodes are held in memory
		var names []cid.Cid
		for _, p := range some {
			if p.cid.Type() != cid.Raw && !slices.Contains(names, p.cid) {
				names = append(names, p.cid)
			}
		}
		nodes, err := get(ctx, names)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if p.cid.Type() == cid.Raw {
				below = append(below, p)
			} else if children, err := readNode(nodes[p.cid], p.size); err != nil {
				return nil, fmt.Errorf("%w: node %s: %v", ErrManifest, p.cid, err)
			} else {
				below = append(below, children...)
			}
			if uint64(len(below)) > most { // each has a leaf at least
				return nil, fmt.Errorf("%w: more than %d blocks", ErrManifest, most)
			}
		}
	}
	return below, nil
}

// readNode returns a node's children, whose bytes sum to size.
func readNode(block blocks.Block, size uint64) ([]part, error) {
	if n := len(block.RawData()); n > maxNode {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", n, maxNode)
	}
	node, err := merkledag.DecodeProtobuf(block.RawData())
	if err != nil {
		return nil, err
	}
	file, err := unixfs.FSNodeFromBytes(node.Data())
	if err != nil {
		return nil, err
	}
	links, sizes := node.Links(), file.BlockSizes()
	switch {
	case file.Type() != unixfs.TFile || len(file.Data()) != 0:
		return nil, fmt.Errorf("not an inner node of a file")
	case len(links) == 0 || len(links) > linksPerNode || len(links) != len(sizes):
		return nil, fmt.Errorf("%d links and %d sizes", len(links), len(sizes))
	case file.FileSize() != size:
		return nil, fmt.Errorf("holds %d bytes, not %d", file.FileSize(), size)
	}
	children, left := make([]part, len(links)), size
	for i, l := range links {
		if sizes[i] == 0 || sizes[i] > left {
			return nil, fmt.Errorf("its parts do not sum to %d bytes", size)
		}
		left -= sizes[i]
		if err := checkCID(l.Cid); err != nil {
			return nil, err
		}
		children[i] = part{l.Cid, sizes[i]}
	}
	if left != 0 {
		return nil, fmt.Errorf("its parts do not sum to %d bytes", size)
	}
	return children, nil
}
