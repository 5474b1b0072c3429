// Package trivium holds the model that ships with koinon, so that the binary
// alone can serve one; MODEL_CARD.md says what it is and how it was made.
package trivium

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

// Name is the model's name, as in its file.
const Name = "trivium"

//go:embed trivium.gguf
var weights []byte

// Install writes the model to dir as trivium.gguf, if it is not there already,
// and returns the file's path. A crash leaves the whole file or none.
func Install(dir string) (string, error) {
	path := filepath.Join(dir, Name+".gguf")
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, weights) {
		return path, nil
	}
	file, err := os.CreateTemp(dir, Name+".*")
	if err != nil {
		return "", fmt.Errorf("cannot install the model: %w", err)
	}
	defer os.Remove(file.Name()) // in vain once it is renamed
	_, err = file.Write(weights)
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("cannot install the model: %w", err)
	}
	return path, nil
}
