package tensor

import (
	"fmt"
	"slices"
)

// Kernels names the implementations that this processor can run, the fastest
// first; the last, go, runs everywhere.
func Kernels() []string {
	names := make([]string, len(kernels))
	for i, k := range kernels {
		names[i] = k.name
	}
	return names
}

// Use computes with one of [Kernels] until restore is called, to compare their
// bits. Nothing may compute while it changes.
func Use(name string) (restore func(), err error) {
	i := slices.Index(Kernels(), name)
	if i < 0 {
		return nil, fmt.Errorf("this processor has no kernel %q, but %v", name, Kernels())
	}
	old := active
	active = i
	return func() { active = old }, nil
}
