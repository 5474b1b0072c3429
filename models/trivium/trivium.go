// Package trivium holds the model that ships with koinon, so that the binary
// alone can serve one; MODEL_CARD.md says what it is and how it was made.
package trivium

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Name is the model's name, as in its file.
const Name = "trivium"

// VectorPrompt is the last prompt of spec/vectors/engine/v1.json for the model as
// it ships, VectorLogits the digest of the logits after it.
const (
	VectorPrompt = "\"Well, Prince,\" said Anna Pávlovna, and the whole of the company turned to the door, where"
	VectorLogits = "sha256:2a3195afbbd4e5ba67d725fe1ae20e4e13f7da961432e97e85cebd1fd418bb6c"
)

//go:embed trivium.gguf
var weights []byte

// Install writes the model to dir as trivium.gguf, if it is not there already,
// and returns the file's path. A crash leaves the whole file or none.
func Install(dir string) (string, error) {
	path := filepath.Join(dir, Name+".gguf")
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, weights) {
		return path, nil
	}
	if err := renameio.WriteFile(path, weights, 0o644); err != nil {
		return "", fmt.Errorf("cannot install the model: %w", err)
	}
	return path, nil
}
