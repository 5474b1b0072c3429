// Package mapping makes whole files readable as memory, without reading them in.
package mapping

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// ErrFile is returned for what is no file of at least one byte.
var ErrFile = errors.New("empty or no regular file")

// File is a file in memory. It must not change on disk while it is open.
type File struct {
	// Data is the whole file, valid until it is closed, and not to be written.
	Data []byte
}

// Open maps a file. Errors: os.Open's, [ErrFile].
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() || stat.Size() == 0 || stat.Size() > math.MaxInt {
		return nil, fmt.Errorf("%s: %w", path, ErrFile)
	}
	data, err := mapFile(file, int(stat.Size()))
	if err != nil {
		return nil, fmt.Errorf("cannot map %s into memory: %w", path, err)
	}
	return &File{Data: data}, nil
}

// Close unmaps the file. Reading its data afterwards is a fault.
func (f *File) Close() error {
	data := f.Data
	f.Data = nil
	if data == nil {
		return nil
	}
	return unmap(data)
}

// Forget gives the memory of part of an open file's Data back to the system. It
// is read from the disk again when it is needed.
func Forget(part []byte) { forget(part) }
