package inference

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// Errors of reading frames. A stream that ends between frames reads as
// [io.EOF], one that ends inside a frame as [io.ErrUnexpectedEOF].
var (
	// ErrFrameTooLarge says that a frame's announced length exceeds its limit.
	ErrFrameTooLarge = errors.New("frame exceeds the protocol's size limit")
	// ErrFrame says that a frame's bytes are not a frame of this protocol.
	ErrFrame = errors.New("malformed frame")
)

// GatewayConn is the gateway's end of a stream. One goroutine may send while
// another receives; neither direction is safe for two goroutines.
type GatewayConn struct {
	w io.Writer
	r *bufio.Reader
}

// NewGatewayConn frames the gateway's end of rw. Deadlines and closing stay
// with the owner of rw.
func NewGatewayConn(rw io.ReadWriter) *GatewayConn {
	return &GatewayConn{w: rw, r: bufio.NewReader(rw)}
}

// Send writes one frame in a single write.
func (c *GatewayConn) Send(f *inferencev1.ClientFrame) error {
	return writeFrame(c.w, f, MaxClientFrame)
}

// Receive reads the provider's next frame.
func (c *GatewayConn) Receive() (*inferencev1.ServerFrame, error) {
	f := new(inferencev1.ServerFrame)
	if err := readFrame(c.r, f, MaxServerFrame); err != nil {
		return nil, err
	}
	if f.Frame == nil {
		return nil, fmt.Errorf("%w: none of accepted, tokens, done, error", ErrFrame)
	}
	return f, nil
}

// ProviderConn is the provider's end of a stream, with the same rules as
// [GatewayConn].
type ProviderConn struct {
	w io.Writer
	r *bufio.Reader
}

// NewProviderConn frames the provider's end of rw.
func NewProviderConn(rw io.ReadWriter) *ProviderConn {
	return &ProviderConn{w: rw, r: bufio.NewReader(rw)}
}

// Send writes one frame in a single write.
func (c *ProviderConn) Send(f *inferencev1.ServerFrame) error {
	return writeFrame(c.w, f, MaxServerFrame)
}

// Receive reads the gateway's next frame.
func (c *ProviderConn) Receive() (*inferencev1.ClientFrame, error) {
	f := new(inferencev1.ClientFrame)
	if err := readFrame(c.r, f, MaxClientFrame); err != nil {
		return nil, err
	}
	if f.Frame == nil {
		return nil, fmt.Errorf("%w: none of open, reveal, cancel", ErrFrame)
	}
	return f, nil
}

type wireMessage interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
	Unmarshal([]byte) error
}

func writeFrame(w io.Writer, m wireMessage, limit int) error {
	size := m.Size()
	if size > limit {
		return fmt.Errorf("%w: %d bytes to send, limit %d", ErrFrameTooLarge, size, limit)
	}
	buf := make([]byte, 0, binary.MaxVarintLen32+size)
	buf = binary.AppendUvarint(buf, uint64(size))
	head := len(buf)
	buf = buf[:head+size]
	if _, err := m.MarshalToSizedBuffer(buf[head:]); err != nil {
		return fmt.Errorf("encoding a frame: %w", err)
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("sending a frame: %w", err)
	}
	return nil
}

// readFrame reads a length, refuses it before allocating if it is beyond limit,
// and then grows with the bytes that really arrive.
func readFrame(r *bufio.Reader, m wireMessage, limit int) error {
	size, err := readLength(r)
	if err != nil {
		return err
	}
	if size > uint64(limit) {
		return fmt.Errorf("%w: %d bytes announced, limit %d", ErrFrameTooLarge, size, limit)
	}
	buf := make([]byte, 0, min(int(size), 4<<10))
	for len(buf) < int(size) {
		n := min(int(size)-len(buf), max(len(buf), 4<<10))
		at := len(buf)
		buf = append(buf, make([]byte, n)...)
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return noEOF(err)
		}
	}
	if err := m.Unmarshal(buf); err != nil {
		return fmt.Errorf("%w: %v", ErrFrame, err)
	}
	return nil
}

// readLength reads a varint of at most four bytes, the shortest way to write
// its value.
func readLength(r io.ByteReader) (uint64, error) {
	var v uint64
	for i := range 4 {
		b, err := r.ReadByte()
		if err != nil {
			if i == 0 {
				return 0, err
			}
			return 0, noEOF(err)
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if b == 0 && i > 0 {
				return 0, fmt.Errorf("%w: length is not in its shortest form", ErrFrame)
			}
			return v, nil
		}
	}
	return 0, fmt.Errorf("%w: length of more than four bytes", ErrFrameTooLarge)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
