package trainer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ErrCheckpoint is returned for a checkpoint that is damaged or belongs to
// another run.
var ErrCheckpoint = errors.New("cannot resume from the checkpoint")

// header is the part of a checkpoint that people can read.
type header struct {
	Run     string        `json:"run"` // digest of settings and texts
	Step    int           `json:"step"`
	Random  []byte        `json:"random"`
	Elapsed time.Duration `json:"elapsed"`
	Loss    float64       `json:"loss"`
}

// A checkpoint is: 4 bytes little-endian length of the header, the header in
// JSON, the weights and both moments as little-endian float32, and the SHA-256
// of all that.

// saveCheckpoint writes a checkpoint so that a crash at any moment leaves the
// old or the new one.
func saveCheckpoint(path string, h header, parts ...[]float32) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write a checkpoint: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}()
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(file, 1<<20)
	w := io.MultiWriter(buffered, sum)
	if err := binary.Write(w, binary.LittleEndian, uint32(len(text))); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	for _, part := range parts {
		if err := binary.Write(w, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	if _, err := buffered.Write(sum.Sum(nil)); err != nil {
		return err
	}
	if err := errors.Join(buffered.Flush(), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// loadCheckpoint reads a checkpoint of the given run into parts.
func loadCheckpoint(path, run string, parts ...[]float32) (header, error) {
	var h header
	data, err := os.ReadFile(path)
	if err != nil {
		return h, err
	}
	body := len(data) - sha256.Size
	if body < 4 {
		return h, fmt.Errorf("%w: %s is cut short", ErrCheckpoint, path)
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return h, fmt.Errorf("%w: %s is damaged; delete it to start over", ErrCheckpoint, path)
	}
	length := int64(binary.LittleEndian.Uint32(data))
	if 4+length > int64(body) {
		return h, fmt.Errorf("%w: %s is damaged; delete it to start over", ErrCheckpoint, path)
	}
	if err := json.Unmarshal(data[4:4+length], &h); err != nil {
		return h, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	if h.Run != run {
		return h, fmt.Errorf("%w: %s was made with other settings or texts; use them, or delete it to start over", ErrCheckpoint, path)
	}
	r := bytes.NewReader(data[4+length : body])
	for _, part := range parts {
		if err := binary.Read(r, binary.LittleEndian, part); err != nil {
			return h, fmt.Errorf("%w: %s is cut short", ErrCheckpoint, path)
		}
	}
	return h, nil
}
