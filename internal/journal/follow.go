package journal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// tailMost bounds what is read of a file to find its last lines, in bytes.
const tailMost = 4 << 20

// Reader reads a home's log.
type Reader struct {
	path string
	file *os.File
	at   int64 // how far it is read
}

// Read opens a home's log. Refusal: [fs.ErrNotExist] where nothing was logged.
func Read(home string) (*Reader, error) {
	path := filepath.Join(home, File)
	file, err := os.Open(path)
	return &Reader{path: path, file: file}, err
}

// Close ends reading.
func (r *Reader) Close() error { return r.file.Close() }

// Tail writes the last lines to w; what is not yet a line is left for Follow.
func (r *Reader) Tail(last int, w io.Writer) error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	from := max(0, info.Size()-tailMost)
	data, err := io.ReadAll(io.NewSectionReader(r.file, from, info.Size()-from))
	if err != nil {
		return err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	r.at = from + int64(len(whole))
	_, err = w.Write(lastLines(whole, last))
	return err
}

// lastLines are the last n lines of a text that ends with one.
func lastLines(text []byte, n int) []byte {
	at := len(text)
	for ; n > 0 && at > 0; n-- {
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
	}
	return text[at:]
}

// Follow writes what is added to w until ctx ends, which is no error. When the log
// begins anew it first reads the old file to its end.
func (r *Reader) Follow(ctx context.Context, w io.Writer) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		next, err := r.successor()
		if err != nil {
			return err
		}
		if err := r.copyRest(w); err != nil {
			return err
		}
		if next != nil {
			err := r.file.Close()
			r.file, r.at = next, 0
			if err = errors.Join(err, r.copyRest(w)); err != nil {
				return err
			}
		}
	}
}

func (r *Reader) copyRest(w io.Writer) error {
	n, err := io.Copy(w, io.NewSectionReader(r.file, r.at, 1<<62))
	r.at += n
	return err
}

// successor is the file that has taken the log's name; nil while none has.
func (r *Reader) successor() (*os.File, error) {
	now, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	mine, err := r.file.Stat()
	if err != nil || os.SameFile(mine, now) {
		return nil, err
	}
	return os.Open(r.path)
}
