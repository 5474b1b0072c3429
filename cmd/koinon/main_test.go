package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"koinon": main})
}

// TestScripts runs testdata/*.txtar: what a user types, and what comes back.
func TestScripts(t *testing.T) {
	vectors, err := os.ReadFile(filepath.Join("..", "..", "spec", "vectors", "receipt", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var published struct {
		Receipt json.RawMessage `json:"receipt"`
	}
	if err := json.Unmarshal(vectors, &published); err != nil {
		t.Fatal(err)
	}
	trivium, err := filepath.Abs(filepath.Join("..", "..", "models", "trivium", "trivium.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TRIVIUM", trivium)
			if err := writeModelFolder(filepath.Join(e.WorkDir, "folder")); err != nil {
				return err
			}
			if err := writeSplit(trivium, filepath.Join(e.WorkDir, "split")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "receipt.json"), published.Receipt, 0o644)
		},
	})
}
