package weights

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// fineTune writes a version of a model of twenty tensors of half a MiB, each before
// a norm of 4 KiB, of which one differs between tunes; what its author notes makes
// the header longer.
func fineTune(t testing.TB, tune int, note string) string {
	t.Helper()
	var w gguf.Writer
	w.Text("general.architecture", "llama")
	w.Text("general.license", "MIT")
	w.Text("general.description", note)
	w.Uint32("llama.context_length", 512)
	w.Texts("tokenizer.ggml.tokens", []string{"a"})
	for n := range 20 {
		values := make([]float32, 1<<17)
		for i := range values {
			values[i] = float32(n<<17 + i)
		}
		if n == 7 {
			values[2000] = float32(-tune)
		}
		w.Tensor(fmt.Sprintf("blk.%d.ffn_up.weight", n), gguf.F32, values, 1024, 128)
		w.Tensor(fmt.Sprintf("blk.%d.ffn_norm.weight", n), gguf.F32, values[:1024], 1024)
	}
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

// Of twenty tensors one changed: its blocks move, whatever the header's length.
func TestAFineTuneMovesWhatItChanged(t *testing.T) {
	author, taker := newNode(t, Limits{}), newNode(t, Limits{})
	from := []p2p.Peer{author.host.Peer()}
	_, base := publish(t, author, fineTune(t, 1, ""))
	if _, err := taker.Weights(t.Context(), base, from, nil); err != nil {
		t.Fatal(err)
	}
	before, _ := taker.Received()
	path := fineTune(t, 2, strings.Repeat("tuned on sonnets ", 30))
	m, tuned := publish(t, author, path)
	got, err := taker.Weights(t.Context(), tuned, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
	after, _ := taker.Received()
	if moved := after - before; moved > m.Weights.Size*8/100 {
		t.Errorf("%d of %d bytes moved for a twentieth of the tensors", moved, m.Weights.Size)
	}
}

// pullVariable makes this test's program a taker, to be killed: STORE VERSION PEER.
const pullVariable = "KOINON_TEST_PULL"

// TestPuller is no test: it is the process that TestKilledWhileFetching kills.
func TestPuller(t *testing.T) {
	args := strings.Fields(os.Getenv(pullVariable))
	if len(args) != 3 {
		t.Skip("runs only as a process of TestKilledWhileFetching")
	}
	store, err := Open(args[0])
	if err != nil {
		t.Fatal(err)
	}
	version, err := receipt.ParseDigest(args[1])
	if err != nil {
		t.Fatal(err)
	}
	peer, err := p2p.ParsePeer(args[2])
	if err != nil {
		t.Fatal(err)
	}
	swarm := Join(newHost(t), store, Limits{Receive: 2 << 20})
	_, err = swarm.Weights(t.Context(), version, []p2p.Peer{peer}, func(done, _ uint64) { fmt.Println("has", done) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestKilledWhileFetching(t *testing.T) {
	author := newNode(t, Limits{})
	path := modelFile(t)
	m, version := publish(t, author, path)
	addrs, err := author.host.Peer().Multiaddrs()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	taker := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestPuller$", "-test.v")
	taker.Env = append(os.Environ(), pullVariable+"="+dir+" "+version.String()+" "+addrs[0])
	out, err := taker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := taker.Start(); err != nil {
		t.Fatal(err)
	}
	var had uint64
	for lines := bufio.NewScanner(out); had < m.Weights.Size/2 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "has %d", &had) // other lines are the test's
	}
	_ = taker.Process.Kill()
	_ = taker.Wait() // it was killed
	if had < m.Weights.Size/2 || had == m.Weights.Size {
		t.Fatalf("killed when it had %d of %d bytes", had, m.Weights.Size)
	}

	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	swarm := Join(newHost(t), store, Limits{})
	defer swarm.Close()
	got, err := swarm.Weights(t.Context(), version, []p2p.Peer{author.host.Peer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
	const tree = 64 << 10
	if moved, _ := swarm.Received(); moved > m.Weights.Size-had+tree {
		t.Errorf("%d bytes moved again, though only %d were missing", moved, m.Weights.Size-had)
	}
}

// What a web server sends is believed only as far as its digests go.
func TestSourcesAreNotTrusted(t *testing.T) {
	path := fineTune(t, 1, "")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Describe(path, card)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	var sent int // of the endless one
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for n := 0; n < 100<<20; sent = n {
			k, err := w.Write(flipped)
			if n += k; err != nil {
				return
			}
		}
	}
	serve := func(data []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	}
	manifest := serve(m.Bytes())
	for _, c := range []struct {
		name  string
		file  http.HandlerFunc
		want  error
		keeps bool // what came, for the next attempt
	}{
		{"honest", serve(data), nil, false},
		{"another's bytes", serve(flipped), ErrMismatch, false},
		{"cut short", serve(data[:len(data)/3]), ErrUnavailable, true},
		{"endless", endless, ErrMismatch, false},
		{"absent", http.NotFound, ErrUnavailable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/model.gguf", c.file)
			mux.Handle("/model.manifest.json", manifest)
			server := httptest.NewServer(mux)
			defer server.Close()
			store, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			src := SourceAt(server.URL + "/model.gguf")
			if got, err := ManifestBeside(t.Context(), src, m.Digest()); err != nil || got != m {
				t.Fatalf("manifest beside the file: %+v, %v", got, err)
			}
			got, err := store.Take(t.Context(), m, src, 0, nil)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil {
				sameFile(t, path, got)
				return
			}
			if left, _ := filepath.Glob(filepath.Join(store.files(), "*.download")); (len(left) == 1) != c.keeps {
				t.Errorf("left behind: %v", left)
			}
			if sent > 4*len(data) {
				t.Errorf("%d bytes were read of an endless file, the manifest says %d", sent, len(data))
			}
			// What was kept, or not, does no harm: the next source completes it.
			if got, err = store.Take(t.Context(), m, SourceAt(path), 0, nil); err != nil {
				t.Fatal(err)
			}
			sameFile(t, path, got)
		})
	}
}

// A file that came from a source can be given on: its blocks, and its vocabulary.
func TestASourcesFileIsServed(t *testing.T) {
	path := fineTune(t, 1, "")
	m, err := Describe(path, card)
	if err != nil {
		t.Fatal(err)
	}
	middle, last := newNode(t, Limits{}), newNode(t, Limits{})
	if _, err := middle.store.Take(t.Context(), m, SourceAt(path), 0, nil); err != nil {
		t.Fatal(err)
	}
	from := []p2p.Peer{middle.host.Peer()}
	got, err := last.Weights(t.Context(), m.Digest(), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
	if _, err := last.Vocabulary(t.Context(), m.Digest(), from); err != nil {
		t.Fatal(err)
	}
}

// A false source is told by its manifest, too.
func TestTheManifestBesideIsChecked(t *testing.T) {
	path := fineTune(t, 1, "")
	beside := strings.TrimSuffix(path, ".gguf") + manifestEnding
	if err := os.WriteFile(beside, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ManifestBeside(t.Context(), SourceAt(path), receipt.Sum([]byte("other"))); !errors.Is(err, ErrMismatch) {
		t.Errorf("a false manifest: %v", err)
	}
	if _, err := ManifestBeside(t.Context(), SourceAt(path+".gguf"), receipt.Digest{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no manifest: %v", err)
	}
}

// The first border is cut at, others where enough lies between, and every byte is
// in one leaf.
func TestCuts(t *testing.T) {
	borders := []uint64{100, 200, 100 + leastCut, 100 + leastCut + 1, 100 + 6*leastCut}
	c := cutter{r: bytes.NewReader(make([]byte, 100+6*leastCut+7)), cuts: cuts(borders)}
	var sizes []int
	for {
		data, err := c.NextBytes()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(data))
	}
	if want := fmt.Sprint([]int{100, leastCut, chunkSize, leastCut, 7}); fmt.Sprint(sizes) != want {
		t.Errorf("leaves of %v bytes, want %s", sizes, want)
	}
	if most := mostLeaves(100 + 6*leastCut + 7); uint64(len(sizes)) > most {
		t.Errorf("%d leaves, though %d are the most", len(sizes), most)
	}
}

// A web server's copy with the list of its blocks beside it comes in ranges: what is
// here is not fetched again, false bytes are not kept and harm nothing, and a list
// that is not the manifest's is refused.
func TestAWebCopyComesInRanges(t *testing.T) {
	path := fineTune(t, 1, "")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, tree, err := DescribeTree(path, card)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	file, list := data, tree
	mux := http.NewServeMux()
	mux.HandleFunc("/model.gguf", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			t.Error("it asks for the whole")
		}
		http.ServeContent(counting{w, &sent}, r, "", time.Time{}, bytes.NewReader(file))
	})
	mux.HandleFunc("/model.blocks", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(list) })
	server := httptest.NewServer(mux)
	defer server.Close()
	store, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	take := func() (string, error) {
		return store.Take(t.Context(), m, SourceAt(server.URL+"/model.gguf"), 0, nil)
	}
	list = append(bytes.Clone(tree[:len(tree)-1]), tree[len(tree)-1]^1)
	if _, err := take(); !errors.Is(err, ErrManifest) {
		t.Errorf("a false list: %v", err)
	}
	list = tree
	file = bytes.Clone(data)
	file[len(data)*3/4] ^= 1
	if _, err := take(); !errors.Is(err, ErrMismatch) {
		t.Errorf("false bytes: %v", err)
	}
	first := sent.Swap(0)
	file = data
	got, err := take()
	if err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, got)
	if again := sent.Load(); first == 0 || again > int64(len(data))-int64(len(data))/4 {
		t.Errorf("%d of %d bytes came after %d had", again, len(data), first)
	}
}

// counting counts what is written.
type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counting) Write(data []byte) (int, error) {
	c.n.Add(int64(len(data)))
	return c.ResponseWriter.Write(data)
}

// Peers that serve plain HTTP are read from there; one that lies there is left, and
// bitswap brings the rest.
func TestPlainPeers(t *testing.T) {
	for _, lies := range []bool{false, true} {
		provider, taker := newNode(t, Limits{}), newNode(t, Limits{})
		path := modelFile(t)
		m, version := publish(t, provider, path)
		if err := provider.ServePlain("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if lies { // after its blocks were hashed: what it sends by bitswap is right, and noticed to have changed here
			served := provider.store.name(m.Weights.CID, ".gguf")
			false1 := bytes.Repeat([]byte{7}, int(m.Weights.Size))
			honest, err := os.ReadFile(served)
			if err != nil {
				t.Fatal(err)
			}
			other := newNode(t, Limits{})
			publish(t, other, path)
			if err := errors.Join(os.Remove(served), os.WriteFile(served, false1, 0o644)); err != nil {
				t.Fatal(err)
			}
			got, err := taker.Weights(t.Context(), version, []p2p.Peer{provider.host.Peer(), other.host.Peer()}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(got); err != nil || !bytes.Equal(data, honest) {
				t.Errorf("false bytes were kept: %v", err)
			}
			continue
		}
		got, err := taker.Weights(t.Context(), version, []p2p.Peer{provider.host.Peer()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		sameFile(t, path, got)
		if by := taker.plainly.Load(); by != m.Weights.Size {
			t.Errorf("%d of %d bytes came in plain HTTP", by, m.Weights.Size)
		}
		if _, err := taker.Vocabulary(t.Context(), version, []p2p.Peer{provider.host.Peer()}); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"..%2f..%2fblocks", "x", "bafy"} {
			r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/%x/%s", binary.BigEndian.Uint16(provider.server.answer[:]), provider.server.answer[2:], bad))
			if err != nil {
				t.Fatal(err)
			}
			if r.Body.Close(); r.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", bad, r.Status)
			}
		}
	}
}

// FuzzTree: a list of blocks is anybody's.
func FuzzTree(f *testing.F) {
	b := Blob{Size: 3 << 20, CID: nodeCID([]byte("root")).String()}
	f.Add([]byte{4, 'r', 'o', 'o', 't'})
	f.Add([]byte{255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := readTree(t.Context(), b, data); !errors.Is(err, ErrManifest) {
			t.Errorf("%x: %v", data, err)
		}
	})
}
