package weights

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/message"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// modelFile writes a GGUF of 9 MiB of distinct weights and a little vocabulary.
func modelFile(t testing.TB) string {
	t.Helper()
	var w gguf.Writer
	w.Text("general.architecture", "llama")
	w.Text("general.license", "Apache-2.0")
	w.Uint32("llama.context_length", 512)
	w.Text("tokenizer.chat_template", "{{ messages }}")
	w.Texts("tokenizer.ggml.tokens", []string{"a", "b", "ab"})
	values := make([]float32, 9<<18)
	for i := range values {
		values[i] = float32(i)
	}
	w.Tensor("token_embd.weight", gguf.F32, values, 1024, uint64(len(values)/1024))
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// card is of the statistical class: the engine cannot read modelFile, as the exact
// one requires.
var card = Card{Name: "test", Version: "1", Class: receipt.Statistical}

// node is a store and its swarm on a host of its own.
type node struct {
	host  *p2p.Host
	store *Store
	*Swarm
}

func newHost(t testing.TB) *p2p.Host {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, err := p2p.New(p2p.Config{Key: key, Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func newNode(t testing.TB, limits Limits) node {
	t.Helper()
	store, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n := node{host: newHost(t), store: store}
	n.Swarm = Join(n.host, store, limits)
	t.Cleanup(func() { _ = n.Swarm.Close() })
	return n
}

func publish(t testing.TB, n node, path string) (Manifest, receipt.Digest) {
	t.Helper()
	m, digest, err := n.store.Publish(t.Context(), path, card)
	if err != nil {
		t.Fatal(err)
	}
	return m, digest
}

func sameFile(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Fatalf("%s and %s differ", a, b)
	}
}

// leftovers are files of a store that are not whole.
func leftovers(t *testing.T, s *Store, want int) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(s.files(), "*.partial"))
	if err != nil || len(list) != want {
		t.Errorf("%d partial files, want %d: %v %v", len(list), want, list, err)
	}
}

func TestAFileTravelsFromNodeToNode(t *testing.T) {
	path := modelFile(t)
	first, second, third := newNode(t, Limits{}), newNode(t, Limits{}), newNode(t, Limits{})
	m, digest := publish(t, first, path)
	if m.Parameters != 9<<18 || m.Quantization != "F32" || m.ContextLength != 512 || m.License != "Apache-2.0" {
		t.Errorf("manifest does not describe the file: %+v", m)
	}
	var done, total uint64
	got, err := second.Weights(t.Context(), digest, []p2p.Peer{first.host.Peer()}, func(d, n uint64) {
		if d < done || d > n {
			t.Errorf("progress goes from %d to %d of %d", done, d, n)
		}
		done, total = d, n
	})
	if err != nil {
		t.Fatal(err)
	}
	if done != m.Weights.Size || total != m.Weights.Size {
		t.Errorf("progress ends at %d of %d, not %d", done, total, m.Weights.Size)
	}
	sameFile(t, path, got)
	leftovers(t, second.store, 0)

	// The third has only the second to ask, and finds a dead peer in the list.
	_ = first.host.Close()
	got, err = third.Weights(t.Context(), digest, []p2p.Peer{first.host.Peer(), second.host.Peer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
}

func TestOnlyTheVocabularyIsFetched(t *testing.T) {
	provider, gateway := newNode(t, Limits{}), newNode(t, Limits{})
	m, digest := publish(t, provider, modelFile(t))
	path, err := gateway.Vocabulary(t.Context(), digest, []p2p.Peer{provider.host.Peer()})
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if template, err := f.Text("tokenizer.chat_template"); err != nil || receipt.Sum([]byte(template)) != m.Template {
		t.Errorf("template %q, %v", template, err)
	}
	if len(f.Tensors()) != 0 {
		t.Error("the vocabulary has tensors")
	}
	stat, err := gateway.exchange.Stat()
	if err != nil || stat.DataReceived > 64<<10 {
		t.Errorf("%d bytes came for a vocabulary of %d, error %v", stat.DataReceived, m.Vocabulary.Size, err)
	}
}

// A description names a file as publishing it does; a split one has no name.
func TestDescriptionsAreWhatIsPublished(t *testing.T) {
	path := modelFile(t)
	published, _ := publish(t, newNode(t, Limits{}), path)
	described, err := Describe(path, card)
	if err != nil || described != published {
		t.Errorf("described as %+v, %v; published as %+v", described, err, published)
	}
	dir := t.TempDir()
	for i := range 2 {
		var w gguf.Writer
		w.Text("general.architecture", "llama")
		w.Uint32("split.no", uint32(i))
		w.Uint32("split.count", 2)
		w.Uint32("split.tensors.count", 2)
		w.Tensor(fmt.Sprint("tensor", i), gguf.F32, []float32{1}, 1)
		var data bytes.Buffer
		if _, err := w.WriteTo(&data); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("m-%05d-of-00002.gguf", i+1)), data.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Describe(filepath.Join(dir, "m-00001-of-00002.gguf"), card)
	if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "koinon model quantize") {
		t.Errorf("a split file: %v", err)
	}
}

func TestABrokenFetchGoesOn(t *testing.T) {
	path := modelFile(t)
	provider, taker := newNode(t, Limits{}), newNode(t, Limits{})
	m, digest := publish(t, provider, path)
	// As kill -9 leaves it: five leaves whole, the sixth torn, one byte flipped.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	partial := bytes.Clone(data[:5*chunkSize+chunkSize/2])
	partial[2*chunkSize+7] ^= 1
	if err := os.WriteFile(taker.store.name(m.Weights.CID, ".partial"), partial, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := taker.Weights(t.Context(), digest, []p2p.Peer{provider.host.Peer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
	if stat, _ := taker.exchange.Stat(); stat.DataReceived > m.Weights.Size-3*chunkSize {
		t.Errorf("%d bytes came, though four leaves of %d were there", stat.DataReceived, m.Weights.Size)
	}
}

func TestCancelThenResume(t *testing.T) {
	path := modelFile(t)
	provider, taker := newNode(t, Limits{}), newNode(t, Limits{})
	m, digest := publish(t, provider, path)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := taker.Weights(ctx, digest, []p2p.Peer{provider.host.Peer()}, func(uint64, uint64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled fetch returns %v", err)
	}
	leftovers(t, taker.store, 1)
	if _, ok := taker.store.file(m.Weights); ok {
		t.Fatal("a file that is not whole has its name")
	}
	got, err := taker.Weights(t.Context(), digest, []p2p.Peer{provider.host.Peer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
}

// liar serves a store with one bit of every leaf flipped.
type liar struct{ *Store }

func (l liar) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := l.Store.Get(ctx, c)
	if err != nil || b.Cid().Type() != cid.Raw || len(b.RawData()) < chunkSize {
		return b, err
	}
	data := bytes.Clone(b.RawData())
	data[len(data)/2] ^= 1
	return blocks.NewBlockWithCid(data, c)
}

// newLiar has what a node has, and sends other bytes.
func newLiar(t *testing.T, s *Store) *p2p.Host {
	h := newHost(t)
	b := bitswap.New(context.Background(), bsnet.NewFromIpfsHost(h.Libp2p()), nil, liar{s})
	t.Cleanup(func() { _ = b.Close() })
	return h
}

func TestFalseBytesAreRefused(t *testing.T) {
	path := modelFile(t)
	honest := newNode(t, Limits{})
	m, digest := publish(t, honest, path)
	false1 := newLiar(t, honest.store)

	taker := newNode(t, Limits{})
	_, err := taker.Weights(t.Context(), digest, []p2p.Peer{false1.Peer()}, nil)
	if !errors.Is(err, ErrMismatch) {
		t.Fatalf("a liar alone: %v", err)
	}
	if _, ok := taker.store.file(m.Weights); ok {
		t.Fatal("a false file has its name")
	}
	// With an honest peer beside it the file arrives, and is the right one.
	got, err := taker.Weights(t.Context(), digest, []p2p.Peer{false1.Peer(), honest.host.Peer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
}

// A manifest may be well formed and still false; one that claims another file's
// SHA-256 has the file of its blocks, and not the other's name.
func TestAFalseManifestIsRefused(t *testing.T) {
	provider := newNode(t, Limits{})
	m, _ := publish(t, provider, modelFile(t))
	put := func(m Manifest) receipt.Digest {
		c := rawCID(m.Digest())
		b, _ := blocks.NewBlockWithCid(m.Bytes(), c)
		if err := provider.store.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return m.Digest()
	}
	sum, size, big := m, m, m
	sum.Weights.SHA256 = m.Vocabulary.SHA256
	size.Weights.Size--
	big.Weights.Size = 1 << 50
	liar := newNode(t, Limits{})
	if _, err := liar.Weights(t.Context(), put(sum), []p2p.Peer{provider.host.Peer()}, nil); err != nil {
		t.Error(err)
	}
	if _, ok := liar.store.file(sum.Weights); !ok {
		t.Error("the blocks are not under their own name")
	}
	if _, ok := liar.store.file(m.Vocabulary); ok {
		t.Error("a false manifest gives a file another's name")
	}
	for _, c := range []struct {
		name string
		m    Manifest
		want error
	}{{"size", size, ErrManifest}, {"huge", big, ErrTooLarge}} {
		t.Run(c.name, func(t *testing.T) {
			taker := newNode(t, Limits{})
			_, err := taker.Weights(t.Context(), put(c.m), []p2p.Peer{provider.host.Peer()}, nil)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, ok := taker.store.file(c.m.Weights); ok {
				t.Error("a false file has its name")
			}
			leftovers(t, taker.store, 0)
		})
	}
}

// A block that was asked for and given up may still arrive. It is no lie, and
// bytes that nobody ever asked for are one.
func TestALateBlockIsNoLie(t *testing.T) {
	n := newNode(t, Limits{})
	late, foreign := blocks.NewBlock([]byte("late")), blocks.NewBlock([]byte("foreign"))
	from, err := p2p.PeerID(newHost(t).Key())
	if err != nil {
		t.Fatal(err)
	}
	lie := make(chan struct{})
	n.liars[from] = lie
	n.want([]cid.Cid{late.Cid()}, 1)
	n.want([]cid.Cid{late.Cid()}, -1) // given up
	receive := func(b blocks.Block) (accused bool) {
		m := message.New(false)
		m.AddBlock(b)
		n.MessageReceived(from, m)
		select {
		case <-lie:
			return true
		default:
			return false
		}
	}
	if receive(late) {
		t.Error("an honest peer is accused of a block that came late")
	}
	if !receive(foreign) {
		t.Error("a false block goes unnoticed")
	}
}

func TestNobodyHasIt(t *testing.T) {
	other, taker := newNode(t, Limits{}), newNode(t, Limits{Stall: 50 * time.Millisecond})
	unknown := receipt.Sum([]byte("unknown"))
	for name, from := range map[string][]p2p.Peer{"no peer": nil, "another's": {other.host.Peer()}} {
		if _, err := taker.Weights(t.Context(), unknown, from, nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStoreOpensAgain(t *testing.T) {
	path := modelFile(t)
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, digest, err := s.Publish(t.Context(), path, card)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.Manifest(digest); !ok || err != nil || got != m {
		t.Fatalf("manifest after opening again: %v, %v", ok, err)
	}
	leaves, err := walk(t.Context(), m.Weights, s.nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		if _, err := s.Get(t.Context(), l.cid()); err != nil {
			t.Fatal(err)
		}
	}
	// A byte that changes on disk is noticed.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff, 0xfe}, leaves[3].offset+9); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), leaves[3].cid()); !errors.Is(err, ErrMismatch) {
		t.Errorf("a changed block: %v", err)
	}
	if _, again, err := s.Publish(t.Context(), path, card); err != nil || again == digest {
		t.Errorf("another file has the same name: %v", err)
	}
}

func TestAFileNamesItself(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	unnamed := card
	unnamed.Name = ""
	path, err := trivium.Install(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if m, _, err := s.Publish(t.Context(), path, unnamed); err != nil || m.Name != trivium.Name {
		t.Errorf("published as %q, %v", m.Name, err)
	}
	if _, _, err := s.Publish(t.Context(), modelFile(t), unnamed); err == nil || !strings.Contains(err.Error(), "name the model") {
		t.Errorf("a file without a name: %v", err)
	}
}
