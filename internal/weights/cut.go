package weights

import (
	"errors"
	"io"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	"github.com/ipfs/go-cid"
)

// How a file becomes leaves. These are part of a version's name: another choice
// gives another CID.
const (
	chunkSize = 1 << 20   // bytes of a leaf, at most
	leastCut  = 256 << 10 // bytes between two borders that are cut at, at least
)

// mostLeaves is how many leaves a file of a size may have: none is less than
// leastCut on average, but those before the first cut and at the end.
func mostLeaves(size uint64) uint64 { return size/leastCut + 2 }

// cuts are the borders, ascending, at which a file is cut: the first, where the
// header ends, and each that leaves leastCut between two.
func cuts(borders []uint64) []uint64 {
	var list []uint64
	for _, b := range borders {
		if len(list) == 0 || b-list[len(list)-1] >= leastCut {
			list = append(list, b)
		}
	}
	return list
}

// cutter splits a file at its cuts, and each run between two into leaves of
// chunkSize: what a fine-tune leaves alone keeps its leaves, even behind a header
// that grew. It is a chunk.Splitter of boxo.
type cutter struct {
	r    io.Reader
	cuts []uint64 // those to come, ascending; none for a file of unknown borders
	at   uint64   // bytes read
}

// Reader is the file. Called by boxo.
func (c *cutter) Reader() io.Reader { return c.r }

// NextBytes reads the next leaf. Called by boxo.
func (c *cutter) NextBytes() ([]byte, error) {
	for len(c.cuts) > 0 && c.cuts[0] <= c.at {
		c.cuts = c.cuts[1:]
	}
	size := uint64(chunkSize)
	if len(c.cuts) > 0 {
		size = min(size, c.cuts[0]-c.at)
	}
	data := make([]byte, size)
	n, err := io.ReadFull(c.r, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	c.at += uint64(n)
	return data[:n], nil
}

// split writes the inner nodes of a file's tree to nodes and returns its root.
func split(r io.Reader, borders []uint64, nodes blockstore.Blockstore) (cid.Cid, error) {
	service := blockservice.New(nodes, offline.Exchange(nodes), blockservice.WriteThrough(true))
	params := helpers.DagBuilderParams{
		Maxlinks: linksPerNode, RawLeaves: true, CidBuilder: merkledag.V1CidPrefix(),
		Dagserv: merkledag.NewDAGService(service),
	}
	builder, err := params.New(&cutter{r: r, cuts: cuts(borders)})
	if err != nil {
		return cid.Undef, err
	}
	root, err := balanced.Layout(builder)
	if err != nil {
		return cid.Undef, err
	}
	return root.Cid(), nil
}
