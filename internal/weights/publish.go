package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"

	"github.com/koinon/koinon/internal/engine/conduct"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/receipt"
)

// Card is what a file does not say about itself.
type Card struct {
	Name    string // empty takes the file's general.name
	Version string
	License string // SPDX identifier; empty takes the file's general.license
	Class   string // [receipt.Exact] or [receipt.Statistical]
}

// Publish makes a GGUF file a model version: its manifest goes into the store,
// its blocks can be fetched, and the version's name is returned. The file is not
// copied but linked, and must not be changed afterwards; a change would be
// noticed, and its blocks no longer given out.
func (s *Store) Publish(ctx context.Context, path string, card Card) (Manifest, receipt.Digest, error) {
	fail := func(err error) (Manifest, receipt.Digest, error) {
		return Manifest{}, receipt.Digest{}, fmt.Errorf("publish %s: %w", path, err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	m, err := describe(f, card)
	if err != nil {
		return fail(err)
	}
	asHashed := changed(path)
	if m.Weights, err = s.add(path, f.Borders()); err != nil {
		return fail(err)
	}
	if m.Vocabulary, err = s.addVocabulary(f); err != nil {
		return fail(err)
	}
	if err := m.Validate(); err != nil {
		return fail(err)
	}
	if err := errors.Join(s.register(m.Weights, asHashed), s.register(m.Vocabulary, 0)); err != nil {
		return fail(err)
	}
	digest := m.Digest()
	if err := s.putManifest(ctx, m); err != nil {
		return fail(err)
	}
	return m, digest, nil
}

// putManifest keeps a manifest, so that its version is found.
func (s *Store) putManifest(ctx context.Context, m Manifest) error {
	block, err := blocks.NewBlockWithCid(m.Bytes(), rawCID(m.Digest()))
	if err != nil {
		return err
	}
	return s.Put(ctx, block)
}

// Describe is the manifest that Publish would make of a GGUF file, without a store.
func Describe(path string, card Card) (Manifest, error) {
	return describeFile(path, card, blockstore.NewBlockstore(datastore.NewNullDatastore()))
}

// describeFile makes a manifest; the inner nodes of the weights' tree go to nodes.
func describeFile(path string, card Card, nodes blockstore.Blockstore) (Manifest, error) {
	fail := func(err error) (Manifest, error) { return Manifest{}, fmt.Errorf("describe %s: %w", path, err) }
	f, err := gguf.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	m, err := describe(f, card)
	if err != nil {
		return fail(err)
	}
	file, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer file.Close()
	if m.Weights, err = blobOf(file, f.Borders(), nodes); err != nil {
		return fail(err)
	}
	var vocabulary bytes.Buffer
	if err := gguf.VocabularyOnly(&vocabulary, f); err != nil {
		return fail(err)
	}
	if m.Vocabulary, err = blobOf(&vocabulary, nil, newCollector()); err != nil {
		return fail(err)
	}
	if err := m.Validate(); err != nil {
		return fail(err)
	}
	return m, nil
}

// describe fills in what the file's metadata and tensors say.
func describe(f *gguf.File, card Card) (Manifest, error) {
	m := Manifest{Format: Format, Name: card.Name, Version: card.Version, Class: card.Class, License: card.License}
	if n := f.Shards(); n > 1 {
		return m, fmt.Errorf("%w: the model is in %d files, a version is one; make it one with: koinon model quantize IN.gguf OUT.gguf --type copy", ErrManifest, n)
	}
	var err error
	if m.Name == "" {
		if m.Name, err = f.Text("general.name"); err != nil {
			return m, fmt.Errorf("%w; name the model", err)
		}
	}
	if m.Architecture, err = f.Text("general.architecture"); err != nil {
		return m, err
	}
	length, err := f.Uint(m.Architecture + ".context_length")
	if err != nil {
		return m, err
	}
	if length > 1<<31 {
		return m, fmt.Errorf("%w: context length %d", ErrManifest, length)
	}
	m.ContextLength = uint32(length)
	if m.License == "" {
		if m.License, err = f.Text("general.license"); err != nil {
			return m, fmt.Errorf("%w; name the licence", err)
		}
	}
	if f.Has("tokenizer.chat_template") {
		template, err := f.Text("tokenizer.chat_template")
		if err != nil {
			return m, err
		}
		m.Template = receipt.Sum([]byte(template))
	}
	behaves, err := conduct.Read(f)
	if err != nil {
		return m, err
	}
	m.Conduct = behaves.Digest()
	var most uint64
	elements := map[gguf.Type]uint64{}
	for _, t := range f.Tensors() {
		n := t.Elements()
		m.Parameters += n
		elements[t.Type] += n
		if elements[t.Type] > most {
			most, m.Quantization = elements[t.Type], t.Type.String()
		}
	}
	if m.Class == receipt.Exact {
		r, err := rows.New(f)
		if err != nil {
			return m, fmt.Errorf("an exact version is one that the engine runs: %w", err)
		}
		m.Root = r.Root()
	}
	return m, nil
}

// add hashes and splits a file, and links it into the store.
func (s *Store) add(path string, borders []uint64) (Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return Blob{}, err
	}
	defer f.Close()
	b, err := blobOf(f, borders, nodesOnly{s})
	if err != nil {
		return b, err
	}
	return b, s.link(path, b)
}

// blobOf names a file by its content; the inner nodes of its tree go to nodes.
func blobOf(r io.Reader, borders []uint64, nodes blockstore.Blockstore) (Blob, error) {
	hash := sha256.New()
	count := &counter{r: io.TeeReader(r, hash)}
	root, err := split(count, borders, nodes)
	if err != nil {
		return Blob{}, err
	}
	return Blob{SHA256: receipt.Digest(hash.Sum(nil)), Size: count.n, CID: root.String()}, nil
}

// link gives a file its name in the store.
func (s *Store) link(path string, b Blob) error {
	if _, ok := s.file(b); ok {
		return nil // here already, under the name of its content
	}
	name := s.name(b.CID, ".gguf")
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return Link(path, name)
}

// Link gives a file another name: a hard link where the file system allows, else a
// symbolic one.
func Link(path, name string) error {
	whole, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if whole, err = filepath.EvalSymlinks(whole); err != nil {
		return err
	}
	if os.Link(whole, name) == nil {
		return nil
	}
	return os.Symlink(whole, name)
}

// addVocabulary adds a file without its tensors.
func (s *Store) addVocabulary(f *gguf.File) (Blob, error) {
	out, err := os.CreateTemp(s.files(), ".new-*")
	if err != nil {
		return Blob{}, err
	}
	defer os.Remove(out.Name()) // its link remains
	err = gguf.VocabularyOnly(out, f)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return Blob{}, err
	}
	return s.add(out.Name(), nil)
}

// nodesOnly keeps inner nodes and lets leaves pass: they stay in their file.
type nodesOnly struct{ *Store }

func (n nodesOnly) Put(ctx context.Context, b blocks.Block) error {
	if b.Cid().Type() == cid.Raw {
		return nil
	}
	return n.Store.Put(ctx, b)
}

func (n nodesOnly) PutMany(ctx context.Context, list []blocks.Block) error {
	for _, b := range list {
		if err := n.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n uint64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += uint64(n)
	return n, err
}
