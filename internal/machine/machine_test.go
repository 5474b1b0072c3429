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

func TestPagesOfAFile(t *testing.T) {
	const smaps = `00400000-0498b000 r-xp 00000000 fe:00 1578 /opt/my programs/koinon
Rss:                 100 kB
Pss:                   7 kB
0498b000-0a4a5000 r--p 0458b000 fe:00 1578 /opt/my programs/koinon
Rss:                  20 kB
VmFlags: rd mr mw me
0a4a5000-0a892000 rw-p 0a0a5000 fe:00 1578 /opt/my programs/koinon
Rss:                3988 kB
0a892000-0c946000 rw-p 00000000 00:00 0
Rss:                 436 kB
7f61f8000000-7f61f9e00000 r--s 00000000 fe:00 99 /models/koinon
Rss:               30720 kB
`
	if got := pagesOf([]byte(smaps), "/opt/my programs/koinon"); got != 120<<10 {
		t.Errorf("%d KiB of the program are in RAM, want 120", got>>10)
	}
}
