package trivium

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
)

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	for _, state := range []string{"absent", "present", "damaged"} {
		if state == "damaged" {
			if err := os.WriteFile(filepath.Join(dir, "trivium.gguf"), weights[:len(weights)-1], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		path, err := Install(dir)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, weights) {
			t.Errorf("%s: installed other bytes (%v)", state, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v behind (%v)", entries, err)
	}
	if _, err := Install(filepath.Join(dir, "missing")); err == nil {
		t.Error("installed into a directory that does not exist")
	}
}

func TestFileIsTheModelOfTheCard(t *testing.T) {
	file, err := gguf.Read(weights)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := file.Text("general.name"); err != nil || name != Name {
		t.Errorf("name %q, %v", name, err)
	}
	parameters := uint64(0)
	for _, tensor := range file.Tensors() {
		parameters += tensor.Elements()
		if _, err := tensor.Floats(); err != nil {
			t.Error(err)
		}
	}
	if parameters != 3221952 {
		t.Errorf("%d parameters, the card says 3221952", parameters)
	}
	if len(weights) > 8<<20 {
		t.Errorf("%d bytes, 8 MiB is the limit", len(weights))
	}
}

func TestVectorIsThePublishedOne(t *testing.T) {
	data, err := os.ReadFile("../../spec/vectors/engine/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var published struct {
		Models []struct {
			Prompts []struct{ Text, Logits string }
		}
	}
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	prompts := published.Models[0].Prompts
	if last := prompts[len(prompts)-1]; last.Text != VectorPrompt || last.Logits != VectorLogits {
		t.Errorf("published is %q, %s", last.Text, last.Logits)
	}
}
