package tensor

import (
	"syscall"
	"unsafe"
)

// largePage is the size of a large page of amd64 and, by default, arm64.
const largePage = 2 << 20

// largePages maps n bytes, in large pages as far as those are whole; mapping is
// what to give back, nil if the system refuses.
func largePages(n int) (memory, mapping []byte) {
	mapping, err := syscall.Mmap(-1, 0, n+largePage, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, nil
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(mapping)))) & (largePage - 1)
	memory = mapping[skip:][:n]
	if whole := n / largePage * largePage; whole > 0 {
		_ = syscall.Madvise(memory[:whole], syscall.MADV_HUGEPAGE) // advice: refusing it costs speed, nothing else
	}
	return memory, mapping
}

func returnPages(mapping []byte) { _ = syscall.Munmap(mapping) } // fails only for what is no mapping
