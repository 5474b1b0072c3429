package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReferenceIsCurrent: the pages of docs/reference are what the program says.
func TestReferenceIsCurrent(t *testing.T) {
	t.Setenv("HOME", "~") // as make docs has it: whose home it is does not matter
	for name, write := range references() {
		var want bytes.Buffer
		if err := write(&want); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", name))
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("docs/reference/%s is out of date (%v): make docs", name, err)
		}
	}
}
