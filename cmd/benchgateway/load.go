package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// target is what one way's requests are sent to.
type target struct {
	url    string // of the API, with its /v1
	header http.Header
	model  string
}

// sample is one request's times.
type sample struct {
	first time.Duration // until the first byte of the body
	whole time.Duration
}

// load keeps a number of connections busy for a while: each sends its next
// request when it has read the last answer.
type load struct {
	target
	connections int
	stream      bool
	tokens      int
}

// outcome is what came of a load.
type outcome struct {
	samples []sample
	took    time.Duration
	failed  int   // requests without a whole answer
	last    error // why the last of them had none
}

// run returns the times of the requests that ended while it ran. It fails where
// more than one request in twenty does.
func (l load) run(ctx context.Context, length time.Duration) (o outcome, err error) {
	wire, host, err := l.request()
	if err != nil {
		return o, err
	}
	began := time.Now()
	until := began.Add(length)
	callers := make([]caller, l.connections)
	var wg sync.WaitGroup
	for i := range callers {
		callers[i] = caller{host: host, wire: wire}
		wg.Go(func() { callers[i].keepAsking(ctx, until) })
	}
	wg.Wait()
	o.took = time.Since(began)
	for _, c := range callers {
		o.samples = append(o.samples, c.samples...)
		if o.failed += c.failed; c.last != nil {
			o.last = c.last
		}
	}
	switch {
	case ctx.Err() != nil:
		return o, ctx.Err()
	case 20*o.failed > len(o.samples):
		return o, fmt.Errorf("%d requests failed and %d did not: %w", o.failed, len(o.samples), o.last)
	}
	return o, nil
}

// request is the bytes of one request, the same every time, and where they go.
func (l load) request() (wire []byte, host string, err error) {
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":%d,"messages":[{"role":"user","content":"In the beginning God created the heaven and the earth."}]}`,
		l.model, l.stream, l.tokens)
	u, err := url.Parse(l.url)
	if err != nil {
		return nil, "", err
	}
	r, err := http.NewRequest(http.MethodPost, l.url+"/chat/completions", bytes.NewBufferString(body))
	if err != nil {
		return nil, "", err
	}
	r.Header = l.header.Clone()
	r.Header.Set("Content-Type", "application/json")
	var out bytes.Buffer
	err = r.Write(&out)
	return out.Bytes(), u.Host, err
}

// caller is one connection. It speaks HTTP with as little work as it can, for its
// own CPU is taken from what it measures.
type caller struct {
	host    string
	wire    []byte
	samples []sample
	failed  int
	last    error // of the failures
}

// keepAsking sends one request after the other until a time, each at least once.
func (c *caller) keepAsking(ctx context.Context, until time.Time) {
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	reader := bufio.NewReaderSize(nil, 16<<10)
	var scratch [16 << 10]byte
	for once := true; ctx.Err() == nil && (once || time.Now().Before(until)); once = false {
		var err error
		if conn == nil {
			if conn, err = net.Dial("tcp", c.host); err != nil {
				c.failed, c.last = c.failed+1, err
				return
			}
			reader.Reset(conn)
		}
		s, again, err := ask(conn, reader, c.wire, scratch[:])
		if err != nil {
			c.failed, c.last = c.failed+1, err
		} else {
			c.samples = append(c.samples, s)
		}
		if !again {
			conn.Close()
			conn = nil
		}
	}
}

// within bounds the wait for one answer.
const within = 60 * time.Second

// ask sends one request and reads its answer.
func ask(conn net.Conn, reader *bufio.Reader, wire, scratch []byte) (s sample, again bool, err error) {
	began := time.Now()
	_ = conn.SetDeadline(began.Add(within))
	if _, err := conn.Write(wire); err != nil {
		return s, false, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return s, false, err
	}
	defer response.Body.Close()
	n, err := response.Body.Read(scratch)
	s.first = time.Since(began)
	if response.StatusCode != http.StatusOK {
		return s, false, fmt.Errorf("status %s: %s", response.Status, scratch[:n])
	}
	for err == nil {
		_, err = response.Body.Read(scratch)
	}
	if !errors.Is(err, io.EOF) {
		return s, false, err
	}
	s.whole = time.Since(began)
	return s, !response.Close, nil
}
