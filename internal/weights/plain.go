package weights

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"
)

// plainProtocol asks a peer where it serves files in plain HTTP. The question is
// nothing; the answer is a port, 2 bytes, and a secret, 16.
const plainProtocol = "/koinon/weights/plain/1"

// Bounds of what strangers may hold open.
const (
	maxPlain  = 64               // connections
	plainWait = 10 * time.Second // for a question's answer, and for a request's header
	plainIdle = time.Minute      // a connection without a request, or a reader that reads nothing
)

// plainServer is where files are served: a kernel copies them to sockets, and who
// fetches checks each block by its hash. Peers are told where by libp2p, so that only those
// that are admitted there know.
type plainServer struct {
	server http.Server
	answer [18]byte // port and secret
}

// ServePlain also serves the store's whole files in HTTP without encryption, at an
// address such as 127.0.0.1:0, until Close: it is several times faster than libp2p,
// and weights are no secret. It is to be called once at most, before anything else.
func (s *Swarm) ServePlain(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("weights in plain HTTP: %w", err)
	}
	p := &plainServer{}
	binary.BigEndian.PutUint16(p.answer[:], uint16(listener.Addr().(*net.TCPAddr).Port))
	if _, err := rand.Read(p.answer[2:]); err != nil {
		return errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+hex.EncodeToString(p.answer[2:])+"/{file}", func(w http.ResponseWriter, r *http.Request) {
		s.plainFile(w, r)
	})
	p.server = http.Server{Handler: mux, ReadHeaderTimeout: plainWait, IdleTimeout: plainIdle, MaxHeaderBytes: 4 << 10}
	go func() { _ = p.server.Serve(netutil.LimitListener(listener, maxPlain)) }() // ends when it is closed
	s.host.Libp2p().SetStreamHandler(plainProtocol, func(stream network.Stream) {
		defer stream.Close()
		_ = stream.SetDeadline(time.Now().Add(plainWait)) // a stream without deadlines is libp2p's to end
		_, _ = stream.Write(p.answer[:])                  // who went away needs no answer
	})
	s.server = p
	return nil
}

// plainFile serves one whole file, or ranges of it.
func (s *Swarm) plainFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if _, err := (Blob{CID: name}).root(); err != nil {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(s.store.name(name, ".gguf"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(spanDeadline)) // else a reader that reads nothing stays
	var out http.ResponseWriter = w
	if s.send != nil {
		out = slowWriter{w, r.Context(), s.send}
	}
	http.ServeContent(out, r, "", time.Time{}, f)
}

// spanDeadline is how long one answer may take: spans are small.
const spanDeadline = 15 * time.Minute

// slowWriter writes no faster than a limit.
type slowWriter struct {
	http.ResponseWriter
	ctx  context.Context
	send *rate.Limiter
}

func (s slowWriter) Write(data []byte) (n int, err error) {
	for len(data) > 0 && err == nil {
		part := data[:min(len(data), chunkSize)]
		if err = wait(s.ctx, s.send, len(part)); err == nil {
			var m int
			m, err = s.ResponseWriter.Write(part)
			n, data = n+m, data[m:]
		}
	}
	return n, err
}

// plainOf asks a connected peer where it serves files in plain; nothing if it does
// not, or is reached through a relay.
func (s *Swarm) plainOf(ctx context.Context, id peer.ID) (*plain, error) {
	ctx, cancel := context.WithTimeout(ctx, plainWait)
	defer cancel()
	stream, err := s.host.Libp2p().NewStream(ctx, id, plainProtocol)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if at, ok := ctx.Deadline(); ok {
		_ = stream.SetDeadline(at)
	}
	var answer [18]byte
	if _, err := io.ReadFull(stream, answer[:]); err != nil {
		return nil, err
	}
	ip, err := manet.ToIP(stream.Conn().RemoteMultiaddr())
	if err != nil {
		return nil, err
	}
	where := net.JoinHostPort(ip.String(), fmt.Sprint(binary.BigEndian.Uint16(answer[:])))
	return newPlain("http://" + where + "/" + hex.EncodeToString(answer[2:]) + "/"), nil
}

// plain is a place that has whole files behind HTTP, not trusted.
type plain struct {
	base   string // URL of a file, but for its name
	client *http.Client
}

func newPlain(base string) *plain {
	return &plain{base: base, client: &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: plainWait}).DialContext,
			ResponseHeaderTimeout: plainWait, DisableCompression: true, MaxIdleConnsPerHost: plainLanes, IdleConnTimeout: plainIdle,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p *plain) close() { p.client.CloseIdleConnections() }

// errNoRanges: a copy can be read from its start only.
var errNoRanges = fmt.Errorf("%w: no ranges of the file are to be had", ErrUnavailable)

// open reads a file's bytes from..to, to not among them. Refusals: [ErrUnavailable],
// errNoRanges.
func (p *plain) open(ctx context.Context, name string, from, to uint64) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+name, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	request.Header.Set("Accept-Encoding", "identity") // or offsets would mean nothing
	response, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if response.StatusCode == http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%w: %s", errNoRanges, request.URL.Host), response.Body.Close())
	}
	if begin := fmt.Sprintf("bytes %d-%d/", from, to-1); response.StatusCode != http.StatusPartialContent || !strings.HasPrefix(response.Header.Get("Content-Range"), begin) {
		return nil, errors.Join(fmt.Errorf("%w: %s answers %s to a range", ErrUnavailable, request.URL.Host, response.Status), response.Body.Close())
	}
	return response.Body, nil
}
