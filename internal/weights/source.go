package weights

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/time/rate"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/receipt"
)

// Source is somebody's copy of a whole file, not trusted: a folder or a web server.
type Source interface {
	// From reads the file from a byte on; a later byte may not be asked for twice.
	From(ctx context.Context, offset uint64) (io.ReadCloser, error)
	// Beside is a source of the file that the same place has under this name with
	// another ending.
	Beside(ending string) Source
}

// SourceAt is the source that a URL (http, https) or else a path names.
func SourceAt(place string) Source {
	if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
		return web(place)
	}
	return local(place)
}

// ending of the manifest beside a model file, as koinon model import writes it.
const manifestEnding = ".manifest.json"

// ManifestBeside reads the manifest that lies beside a source's file, which must be
// that of the version. Refusals: [ErrManifest], [ErrMismatch], [ErrUnavailable].
func ManifestBeside(ctx context.Context, src Source, version receipt.Digest) (Manifest, error) {
	r, err := src.Beside(manifestEnding).From(ctx, 0)
	if err != nil {
		return Manifest{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	if got := receipt.Sum(data); got != version {
		return Manifest{}, fmt.Errorf("%w: the manifest beside the file is of version %s, not %s", ErrMismatch, got, version)
	}
	return Decode(data)
}

// Take makes a version's weights be here from one source, at most so many bytes a
// second (0: no bound), and returns their path. Broken off, even by a crash, it goes
// on where it stopped; the path appears only when the file's blocks have the
// manifest's digests. A web server's copy is fetched in ranges if the list of its
// blocks lies beside it, else from its start. progress may be nil. Refusals:
// [ErrMismatch], [ErrUnavailable].
func (s *Store) Take(ctx context.Context, m Manifest, src Source, perSecond uint64, progress Progress) (string, error) {
	b := m.Weights
	if path, ok := s.file(b); ok {
		return path, nil
	}
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	path := s.name(b.CID, ".gguf")
	err := errNoRanges
	if w, ok := src.(web); ok {
		err = s.takeRanges(ctx, b, w, perSecond, progress)
	}
	if errors.Is(err, errNoRanges) && ctx.Err() == nil {
		err = s.takeWhole(ctx, b, src, perSecond, progress)
	}
	if err != nil {
		return "", fmt.Errorf("file %s: %w", b.SHA256, err)
	}
	if err := s.takeVocabulary(path, m); err != nil {
		return "", err
	}
	if err := s.putManifest(ctx, m); err != nil {
		return "", err
	}
	return path, s.register(b, changed(path))
}

// takeWhole makes a file be here from its start to its end, which is checked then.
func (s *Store) takeWhole(ctx context.Context, b Blob, src Source, perSecond uint64, progress Progress) error {
	f, err := s.onItsWay(b, ".download")
	if err != nil {
		return err
	}
	err = download(ctx, f, b, src, limiter(perSecond), progress)
	if err == nil {
		err = s.checkTree(f.Name(), b)
	}
	if errors.Is(err, ErrMismatch) {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	if err != nil {
		_ = f.Close() // the first error says more
		return err
	}
	return finish(f, s.name(b.CID, ".gguf"))
}

// takeVocabulary cuts a version's vocabulary out of its weights.
func (s *Store) takeVocabulary(path string, m Manifest) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := s.addVocabulary(f)
	if err != nil {
		return err
	}
	if b != m.Vocabulary {
		return fmt.Errorf("%w: the file's vocabulary is %s, its manifest says %s", ErrMismatch, b.SHA256, m.Vocabulary.SHA256)
	}
	return s.register(b, 0)
}

// download appends to a file what it lacks and checks the whole. An endless source
// is read one byte too far, no further.
func download(ctx context.Context, f *os.File, b Blob, src Source, limit *rate.Limiter, progress Progress) error {
	sum := sha256.New()
	had, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	have := uint64(had)
	if have < b.Size {
		r, err := src.From(ctx, have)
		if err != nil {
			return err
		}
		defer r.Close()
		data := make([]byte, chunkSize)
		body := io.LimitReader(r, int64(b.Size-have)+1)
		for err = nil; err == nil; progress(min(have, b.Size), b.Size) {
			var n int
			n, err = io.ReadFull(body, data)
			have += uint64(n)
			sum.Write(data[:n])
			if _, failed := f.Write(data[:n]); failed != nil {
				return failed
			}
			if failed := wait(ctx, limit, n); failed != nil {
				return failed
			}
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: it broke off after %d of %d bytes: %w", ErrUnavailable, have, b.Size, err)
		}
	}
	switch got := receipt.Digest(sum.Sum(nil)); {
	case have < b.Size:
		return fmt.Errorf("%w: the source ends after %d of %d bytes", ErrUnavailable, have, b.Size)
	case got != b.SHA256:
		return fmt.Errorf("%w: the source's file is another than the manifest's, and was removed", ErrMismatch)
	}
	return nil
}

// checkTree makes a whole file's inner nodes, whose root must be the manifest's.
func (s *Store) checkTree(path string, b Blob) error {
	var borders []uint64
	model, err := gguf.Open(path)
	if err == nil {
		borders = model.Borders()
		_ = model.Close() // it was only read
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := split(f, borders, nodesOnly{s})
	if err != nil {
		return err
	}
	if root.String() != b.CID {
		return fmt.Errorf("%w: the file's blocks have the root %s, its manifest says %s; the manifest is false, and the file was removed", ErrMismatch, root, b.CID)
	}
	return nil
}

// local is a path.
type local string

func (l local) From(_ context.Context, offset uint64) (io.ReadCloser, error) {
	f, err := os.Open(string(l))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	if _, err := f.Seek(int64(offset), io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (l local) Beside(ending string) Source {
	return local(strings.TrimSuffix(string(l), ".gguf") + ending)
}

// web is a URL.
type web string

func (w web) From(ctx context.Context, offset uint64) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(w), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	request.Header.Set("Accept-Encoding", "identity") // or offsets would mean nothing
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	switch {
	case offset > 0 && response.StatusCode == http.StatusPartialContent:
		return response.Body, nil
	case response.StatusCode != http.StatusOK:
		return nil, errors.Join(fmt.Errorf("%w: %s answers %s", ErrUnavailable, w, response.Status), response.Body.Close())
	}
	// A server that knows no ranges sends what is here already once more.
	if _, err := io.CopyN(io.Discard, response.Body, int64(offset)); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %v", ErrUnavailable, err), response.Body.Close())
	}
	return response.Body, nil
}

func (w web) Beside(ending string) Source {
	return web(strings.TrimSuffix(string(w), ".gguf") + ending)
}
