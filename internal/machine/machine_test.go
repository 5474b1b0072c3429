package machine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestGraphics(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H200\nIRQ: 7\n",
		"sys/class/kfd/kfd/topology/nodes/0/name":          "\n",
		"sys/class/kfd/kfd/topology/nodes/1/name":          "gfx1100\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := graphics(root); !slices.Equal(got, []string{"NVIDIA H200", "AMD gfx1100"}) {
		t.Errorf("%q", got)
	}
	if got := (Machine{Cores: 2, GPUs: []string{"one"}}).Watts(); got != 340 {
		t.Errorf("%d W", got)
	}
}
