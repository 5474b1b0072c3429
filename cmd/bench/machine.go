package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/tensor"
)

// machine is what the numbers were measured on.
type machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes uint64 `json:"memory_bytes"` // 0 where it is not known
	System      string `json:"system"`       // OS/arch
	Go          string `json:"go"`
	Kernel      string `json:"kernel"` // of internal/tensor
	// Load is the system's one-minute load average before anything was measured:
	// what others did at the same time. Empty where it is not known.
	Load string `json:"load,omitempty"`
}

// thisMachine reads what the system says; what it does not say stays unknown.
func thisMachine() machine {
	m := machine{
		CPU: "unknown processor", Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Kernel: tensor.Kernel(),
	}
	if model := procField("/proc/cpuinfo", "model name"); model != "" {
		m.CPU = model
	}
	if kib, err := kibibytes(procField("/proc/meminfo", "MemTotal")); err == nil {
		m.MemoryBytes = kib << 10
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	return m
}

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

// kibibytes reads an amount as /proc writes it: "123 kB", which are KiB.
func kibibytes(s string) (uint64, error) {
	number, unit, _ := strings.Cut(s, " ")
	if unit != "kB" {
		return 0, fmt.Errorf("%q is no amount of memory", s)
	}
	return strconv.ParseUint(number, 10, 64)
}

func (m machine) print(w io.Writer) {
	memory := "unknown memory"
	if m.MemoryBytes > 0 {
		memory = fmt.Sprintf("%.1f GiB", float64(m.MemoryBytes)/(1<<30))
	}
	fmt.Fprintf(w, "machine  %s, %d cores, %s, %s, %s, %s kernels\n", m.CPU, m.Cores, memory, m.System, m.Go, m.Kernel)
	if m.Load != "" {
		fmt.Fprintf(w, "load     %s before the first measurement\n", m.Load)
	}
}
