package weights

import (
	"context"
	"fmt"
	"io"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// How a file becomes blocks. These are part of a version's name: another choice
// gives another CID.
const (
	chunkSize    = 1 << 20 // bytes of every leaf but the last
	linksPerNode = 174     // as kubo's default
	maxNode      = 64 << 10
	maxDepth     = 5 // nodes above the leaves; 174⁴ MiB are 874 TiB
)

// leaf is one block of a file's bytes.
type leaf struct {
	cid    cid.Cid
	offset int64
	size   int
}

// split writes the inner nodes of a file's tree to nodes and returns its root.
func split(r io.Reader, nodes blockstore.Blockstore) (cid.Cid, error) {
	service := blockservice.New(nodes, offline.Exchange(nodes), blockservice.WriteThrough(true))
	params := helpers.DagBuilderParams{
		Maxlinks: linksPerNode, RawLeaves: true, CidBuilder: merkledag.V1CidPrefix(),
		Dagserv: merkledag.NewDAGService(service),
	}
	builder, err := params.New(chunk.NewSizeSplitter(r, chunkSize))
	if err != nil {
		return cid.Undef, err
	}
	root, err := balanced.Layout(builder)
	if err != nil {
		return cid.Undef, err
	}
	return root.Cid(), nil
}

// walk lists a file's leaves in order. get returns a block whose hash has been
// checked; everything else about it is a stranger's. Each leaf but the last must
// be full, so a tree is never larger than the size it was announced with.
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
		if want := min(chunkSize, w.total-w.at); size != want {
			return fmt.Errorf("%w: block %s at byte %d has %d bytes, not %d", ErrManifest, c, w.at, size, want)
		}
		w.leaves = append(w.leaves, leaf{c, int64(w.at), int(size)})
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
