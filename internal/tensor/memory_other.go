//go:build !linux

package tensor

// largePages has none to give: Go's own memory is used instead.
func largePages(int) (memory, mapping []byte) { return nil, nil }

func returnPages([]byte) {}
