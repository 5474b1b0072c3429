package inference

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// pipe is an io.ReadWriter over two buffers.
type pipe struct {
	io.Reader
	io.Writer
}

func TestFramesCrossAStream(t *testing.T) {
	var up, down bytes.Buffer
	gateway := NewGatewayConn(pipe{&down, &up})
	provider := NewProviderConn(pipe{&up, &down})

	open := &inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Open{Open: &inferencev1.Open{
		Request: bytes.Repeat([]byte{'x'}, 300_000),
	}}}
	cancel := &inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Cancel{Cancel: &inferencev1.Cancel{}}}
	for _, f := range []*inferencev1.ClientFrame{open, cancel} {
		if err := gateway.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := provider.Receive(); err != nil || len(f.GetOpen().GetRequest()) != 300_000 {
		t.Fatalf("open: %v", err)
	}
	if f, err := provider.Receive(); err != nil || f.GetCancel() == nil {
		t.Fatalf("cancel: %v", err)
	}
	if _, err := provider.Receive(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: %v, want EOF", err)
	}

	sent := Errorf(CodeBusy, "%d requests wait", 3)
	if err := provider.Send(sent.Frame()); err != nil {
		t.Fatal(err)
	}
	f, err := gateway.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if got := ErrorFromWire(f.GetError()); !errors.Is(got, &Error{Code: CodeBusy}) || got.Message != sent.Message || !got.Retryable {
		t.Fatalf("got %+v", got)
	}
}

func TestHostileFramesAreRefused(t *testing.T) {
	valid := func(body []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(body))), body...) }
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"nothing":            {nil, io.EOF},
		"half a length":      {[]byte{0x80}, io.ErrUnexpectedEOF},
		"half a frame":       {[]byte{10, 1, 2}, io.ErrUnexpectedEOF},
		"huge length":        {[]byte{0xff, 0xff, 0xff, 0x7f}, ErrFrameTooLarge},
		"longer length":      {[]byte{0xff, 0xff, 0xff, 0xff, 0x01}, ErrFrameTooLarge},
		"padded length":      {[]byte{0x81, 0x00, 0}, ErrFrame},
		"empty frame":        {[]byte{0}, ErrFrame},
		"not protobuf":       {valid([]byte("GET / HTTP/1.1")), ErrFrame},
		"only unknown field": {valid([]byte{0x78, 1}), ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewProviderConn(pipe{bytes.NewReader(c.bytes), io.Discard}).Receive(); !errors.Is(err, c.want) {
				t.Errorf("provider: %v, want %v", err, c.want)
			}
			if _, err := NewGatewayConn(pipe{bytes.NewReader(c.bytes), io.Discard}).Receive(); !errors.Is(err, c.want) {
				t.Errorf("gateway: %v, want %v", err, c.want)
			}
		})
	}
}

func TestOversizedFrameIsNotSent(t *testing.T) {
	var out bytes.Buffer
	f := Errorf(CodeInternal, "").Frame()
	f.GetError().Receipt = make([]byte, MaxServerFrame)
	if err := NewProviderConn(pipe{nil, &out}).Send(f); !errors.Is(err, ErrFrameTooLarge) || out.Len() != 0 {
		t.Fatalf("%v, %d bytes out", err, out.Len())
	}
}

func TestErrorsTellStrangersNothing(t *testing.T) {
	e := AsError(errors.New("open /var/lib/koinon/provider.db: disk full"))
	if e.Code != CodeInternal || strings.Contains(e.Message, "provider.db") {
		t.Fatalf("%+v", e)
	}
	if got := ErrorFromWire(&inferencev1.Error{Code: "<script>", Message: strings.Repeat("a", 1<<20)}); got.Code != CodeInternal || len(got.Message) > maxMessage {
		t.Fatalf("code %q, message of %d bytes", got.Code, len(got.Message))
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{2, 0x1a, 0})
	f.Add([]byte{0x80, 0x80, 0x04, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		provider := NewProviderConn(pipe{bytes.NewReader(b), io.Discard})
		for {
			frame, err := provider.Receive()
			if err != nil {
				break
			}
			if frame.Frame == nil {
				t.Fatal("a frame of nothing")
			}
		}
		gateway := NewGatewayConn(pipe{bytes.NewReader(b), io.Discard})
		for {
			frame, err := gateway.Receive()
			if err != nil {
				return
			}
			if w := frame.GetError(); w != nil && !ErrorFromWire(w).Code.Known() {
				t.Fatal("an unknown code")
			}
		}
	})
}
