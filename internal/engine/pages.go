package engine

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"

	"github.com/koinon/koinon/internal/tensor"
)

// pageTokens is how many positions a page holds: a panel's width, as keys lie
// in panels whose outputs are positions.
const pageTokens = tensor.PanelWidth

// page holds the keys and values of pageTokens consecutive tokens, in every
// layer and head: first the keys, [head elements][positions], then the values,
// [head elements/32][positions][32] (Kwon et al., "PagedAttention", 2023, for
// the idea of pages that sequences share).
type page struct {
	data []float32
	refs int
	key  pageKey       // of what it holds, once it is full and indexed
	idle *list.Element // its place among the pages that nobody uses
}

// pageKey names a full page by its scope and all tokens up to its end. The same
// tokens give the same bits, so whoever computed them first has computed them
// for all of the scope; others must not learn from it what was asked.
type pageKey [sha256.Size]byte

// after is the key of the page that holds tokens, after the one of this key.
func (k pageKey) after(tokens []int32) pageKey {
	data := make([]byte, 0, len(k)+4*len(tokens))
	data = append(data, k[:]...)
	for _, id := range tokens {
		data = binary.LittleEndian.AppendUint32(data, uint32(id))
	}
	return sha256.Sum256(data)
}

// pages is a store of pages, bounded in number. It is not safe for concurrent use.
type pages struct {
	model *Model
	limit int
	count int // allocated
	free  []*page
	index map[pageKey]*page
	idle  *list.List // indexed pages that nobody uses, the longest unused first
}

func newPages(m *Model, limit int) *pages {
	return &pages{model: m, limit: limit, index: map[pageKey]*page{}, idle: list.New()}
}

// headFloats is the room of one head's keys and values in a page.
func (m *Model) headFloats() int {
	return (m.headDim + (m.headDim+tensor.PanelWidth-1)/tensor.PanelWidth*tensor.PanelWidth) * pageTokens
}

// head gives the keys and values of one head in one layer.
func (p *page) head(m *Model, layer, head int) (keys, values []float32) {
	size := m.headFloats()
	both := p.data[(layer*m.kvHeads+head)*size:][:size]
	return both[:m.headDim*pageTokens], both[m.headDim*pageTokens:]
}

// pageFloats is the room of a page.
func (c *pages) pageFloats() int { return len(c.model.layers) * c.model.kvHeads * c.model.headFloats() }

// take gives an empty page to one user; nil if all are in use.
func (c *pages) take() *page {
	if n := len(c.free); n > 0 {
		p := c.free[n-1]
		c.free = c.free[:n-1]
		p.refs = 1
		return p
	}
	if c.count < c.limit {
		c.count++
		return &page{data: make([]float32, c.pageFloats()), refs: 1}
	}
	oldest := c.idle.Front()
	if oldest == nil {
		return nil
	}
	p := c.idle.Remove(oldest).(*page)
	delete(c.index, p.key)
	p.idle, p.refs = nil, 1
	return p
}

// find gives the page of a key to one more user, if there is one.
func (c *pages) find(key pageKey) *page {
	p := c.index[key]
	if p == nil {
		return nil
	}
	if p.idle != nil {
		c.idle.Remove(p.idle)
		p.idle = nil
	}
	p.refs++
	return p
}

// keep makes a full page findable.
func (c *pages) keep(p *page, key pageKey) {
	if c.index[key] == nil {
		p.key, c.index[key] = key, p
	}
}

// release ends one use. What is findable stays so until its room is needed.
func (c *pages) release(p *page) {
	if p.refs--; p.refs > 0 {
		return
	}
	if c.index[p.key] == p {
		p.idle = c.idle.PushBack(p)
		return
	}
	c.free = append(c.free, p)
}

// history is one text's tokens so far and the pages that hold their keys and values.
type history struct {
	store  *pages
	root   pageKey // of nothing, before the first page
	tokens []int32
	pages  []*page
	keys   []pageKey // of the full pages
}

// adopt takes over what the store has of a prompt, but for its last token, whose
// logits are wanted; it returns what is left to compute.
func (c *history) adopt(prompt []int32) (rest []int32) {
	for len(prompt) > pageTokens {
		key := c.lastKey().after(prompt[:pageTokens])
		p := c.store.find(key)
		if p == nil {
			break
		}
		c.pages, c.keys = append(c.pages, p), append(c.keys, key)
		c.tokens = append(c.tokens, prompt[:pageTokens]...)
		prompt = prompt[pageTokens:]
	}
	return prompt
}

func (c *history) lastKey() pageKey {
	if len(c.keys) == 0 {
		return c.root
	}
	return c.keys[len(c.keys)-1]
}

// grow makes room for n tokens more; false if the store has none.
func (c *history) grow(n int) bool {
	for len(c.pages)*pageTokens < len(c.tokens)+n {
		p := c.store.take()
		if p == nil {
			return false
		}
		c.pages = append(c.pages, p)
	}
	return true
}

// append records tokens whose keys and values are now in the pages.
func (c *history) append(tokens []int32) {
	c.tokens = append(c.tokens, tokens...)
	for full := len(c.keys); full < len(c.tokens)/pageTokens; full++ {
		key := c.lastKey().after(c.tokens[full*pageTokens:][:pageTokens])
		c.keys = append(c.keys, key)
		c.store.keep(c.pages[full], key)
	}
}

// release gives the pages back.
func (c *history) release() {
	for _, p := range c.pages {
		c.store.release(p)
	}
	*c = history{store: c.store}
}
