// Package machine says what a measurement was taken on: no number means anything
// without it.
package machine

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/tensor"
)

// Machine is what numbers were measured on.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes uint64 `json:"memory_bytes"` // 0 where it is not known
	System      string `json:"system"`       // OS/arch
	Go          string `json:"go"`
	Kernel      string `json:"kernel"` // of internal/tensor
	// GPUs are the graphics processors that drivers show, NVIDIA's and AMD's.
	GPUs []string `json:"gpus,omitempty"`
	// Load is the system's one-minute load average before anything was measured:
	// what others did at the same time. Empty where it is not known.
	Load string `json:"load,omitempty"`
}

// This reads what the system says; what it does not say stays unknown.
func This() Machine {
	m := Machine{
		CPU: "unknown processor", Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Kernel: tensor.Kernel(), GPUs: graphics("/"),
	}
	if model := procField("/proc/cpuinfo", "model name"); model != "" {
		m.CPU = model
	}
	if bytes, err := Bytes("/proc/meminfo", "MemTotal"); err == nil {
		m.MemoryBytes = bytes
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	return m
}

// graphics lists what the drivers of a system with that root show.
func graphics(root string) []string {
	var found []string
	nvidia, _ := filepath.Glob(filepath.Join(root, "proc/driver/nvidia/gpus/*/information")) // fails only for a bad pattern
	for _, path := range nvidia {
		found = append(found, cmp.Or(procField(path, "Model"), "NVIDIA"))
	}
	amd, _ := filepath.Glob(filepath.Join(root, "sys/class/kfd/kfd/topology/nodes/*/name"))
	for _, path := range amd {
		if name, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(name)) != "" { // processors have none
			found = append(found, "AMD "+strings.TrimSpace(string(name)))
		}
	}
	return found
}

// Watts is a guess at what the machine draws while it computes: 20 for what is
// always on, 10 for each core, 300 for each graphics processor.
func (m Machine) Watts() uint64 { return 20 + 10*uint64(m.Cores) + 300*uint64(len(m.GPUs)) }

// procField is the value of a "name: value" line of a file in /proc, or empty.
func procField(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(data) {
		key, value, ok := strings.Cut(string(line), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Bytes is an amount of memory from a file in /proc, which writes "123 kB" and
// means KiB.
func Bytes(path, name string) (uint64, error) {
	amount := procField(path, name)
	number, unit, _ := strings.Cut(amount, " ")
	if unit != "kB" {
		return 0, fmt.Errorf("%s of %s is %q, no amount of memory", name, path, amount)
	}
	kib, err := strconv.ParseUint(number, 10, 64)
	return kib << 10, err
}

// PeakMemory is the most memory that this process has had in RAM at once, files
// that it maps included; 0 where the system does not say.
func PeakMemory() uint64 {
	bytes, _ := Bytes("/proc/self/status", "VmHWM")
	return bytes
}

// ProgramPages is how much of the running program's file, its code and tables,
// is in RAM: pages that are read when they are first needed, shared by all its
// processes, and the first to go; 0 where the system does not say.
func ProgramPages() uint64 {
	file, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0
	}
	return pagesOf(maps, file)
}

// pagesOf sums the resident pages of a file's mappings that are not written to,
// from the text of proc_pid_smaps(5).
func pagesOf(smaps []byte, file string) (sum uint64) {
	counts := false
	for line := range bytes.Lines(smaps) {
		field := strings.Fields(string(line))
		switch {
		case len(field) < 2:
		case !strings.HasSuffix(field[0], ":"): // a mapping begins: address, rights, offset, device, inode, path
			counts = len(field) > 5 && strings.Join(field[5:], " ") == file && !strings.Contains(field[1], "w")
		case counts && field[0] == "Rss:":
			kib, _ := strconv.ParseUint(field[1], 10, 64)
			sum += kib << 10
		}
	}
	return sum
}

// Print writes the machine on one line, and a second for its load.
func (m Machine) Print(w io.Writer) {
	memory := "unknown memory"
	if m.MemoryBytes > 0 {
		memory = fmt.Sprintf("%.1f GiB", float64(m.MemoryBytes)/(1<<30))
	}
	fmt.Fprintf(w, "machine  %s, %d cores, %s, %s, %s, %s kernels\n", m.CPU, m.Cores, memory, m.System, m.Go, m.Kernel)
	if m.Load != "" {
		fmt.Fprintf(w, "load     %s before the first measurement\n", m.Load)
	}
}
