package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/koinon/koinon/receipt"
)

// TreeEnding is that of the file that lists a model file's blocks, beside it: with
// it, a web server's copy is fetched in ranges, and each block is checked as it comes.
const TreeEnding = ".blocks"

// collector keeps the inner nodes of a tree as they are made, each behind its length,
// and no leaves.
type collector struct {
	blockstore.Blockstore
	tree []byte
}

func newCollector() *collector {
	return &collector{Blockstore: blockstore.NewBlockstore(datastore.NewNullDatastore())}
}

// Put keeps a node. Called by boxo.
func (c *collector) Put(_ context.Context, b blocks.Block) error {
	if b.Cid().Type() != cid.Raw {
		c.tree = append(binary.AppendUvarint(c.tree, uint64(len(b.RawData()))), b.RawData()...)
	}
	return nil
}

// PutMany keeps nodes. Called by boxo.
func (c *collector) PutMany(ctx context.Context, list []blocks.Block) error {
	for _, b := range list {
		_ = c.Put(ctx, b) // cannot fail
	}
	return nil
}

// DescribeTree is what [Describe] returns, and the list of the weights' blocks, to be
// kept beside the file with [TreeEnding].
func DescribeTree(path string, card Card) (Manifest, []byte, error) {
	c := newCollector()
	m, err := describeFile(path, card, c)
	return m, c.tree, err
}

// mostTree bounds a list of the blocks of so many bytes.
func mostTree(size uint64) uint64 { return 80*mostLeaves(size) + maxNode }

// readTree finds a file's leaves in a list of its inner nodes, from anybody, in any
// order, and returns the nodes. Refusal: [ErrManifest].
func readTree(ctx context.Context, b Blob, data []byte) ([]leaf, []blocks.Block, error) {
	nodes := map[cid.Cid]blocks.Block{}
	var list []blocks.Block
	for r := bytes.NewReader(data); r.Len() > 0; {
		n, err := binary.ReadUvarint(r)
		if err != nil || n > maxNode || n > uint64(r.Len()) {
			return nil, nil, fmt.Errorf("%w: the list of blocks is damaged, %d bytes before its end", ErrManifest, r.Len())
		}
		node := make([]byte, n)
		_, _ = r.Read(node) // so many are left
		block, err := blocks.NewBlockWithCid(node, nodeCID(node))
		if err != nil {
			return nil, nil, err
		}
		nodes[block.Cid()] = block
		list = append(list, block)
	}
	leaves, err := walk(ctx, b, func(_ context.Context, wanted []cid.Cid) (map[cid.Cid]blocks.Block, error) {
		for _, c := range wanted {
			if nodes[c] == nil {
				return nil, fmt.Errorf("%w: the list of blocks lacks %s", ErrManifest, c)
			}
		}
		return nodes, nil
	})
	return leaves, list, err
}

// nodeCID is the content address of an inner node.
func nodeCID(node []byte) cid.Cid {
	return cid.NewCidV1(cid.DagProtobuf, rawCID(receipt.Sum(node)).Hash())
}

// leavesOf finds a source's leaves by the list beside its file; a tree that is here
// already needs none. The nodes are kept. Refusals: [ErrUnavailable], [ErrManifest].
func (s *Store) leavesOf(ctx context.Context, b Blob, src Source) ([]leaf, error) {
	leaves, err := walk(ctx, b, s.nodes)
	if err == nil || !ipld.IsNotFound(err) {
		return leaves, err
	}
	r, err := src.Beside(TreeEnding).From(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(mostTree(b.Size))+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if uint64(len(data)) > mostTree(b.Size) {
		return nil, fmt.Errorf("%w: the list of blocks has more than %d bytes", ErrManifest, mostTree(b.Size))
	}
	leaves, nodes, err := readTree(ctx, b, data)
	if err != nil {
		return nil, err
	}
	return leaves, s.PutMany(ctx, nodes)
}

// takeRanges makes a file be here from a web server's copy, in ranges, of which each
// block is checked; blocks that other files here have are not fetched. Refusals:
// errNoRanges, [ErrUnavailable], [ErrMismatch].
func (s *Store) takeRanges(ctx context.Context, b Blob, src web, perSecond uint64, progress Progress) error {
	leaves, err := s.leavesOf(ctx, b, src)
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", errNoRanges, err)
	}
	if err != nil {
		return err
	}
	f, err := s.onItsWay(b, ".partial")
	if err != nil {
		return err
	}
	g := newGathering(f, b, leaves, progress)
	err = g.run(ctx, s, func(ctx context.Context, missing []int) error {
		source := newPlain(string(src))
		source.client.CheckRedirect = nil // servers of models send on to others
		defer source.close()
		way := &ranges{limit: limiter(perSecond), stall: defaultStall, lanes: 4, got: func(int) {}}
		left, err := way.run(ctx, g, missing, []*plain{source})
		if err == nil && len(left) > 0 {
			err = errors.Join(ctx.Err(), fmt.Errorf("%w: %d blocks are missing", ErrUnavailable, len(left)))
		}
		return err
	})
	if err != nil {
		_ = f.Close() // the first error says more
		return err
	}
	return finish(f, s.name(b.CID, ".gguf"))
}
