//go:build unix

package mapping

import (
	"os"
	"syscall"
	"unsafe"
)

// mapFile maps the first size bytes of a file into memory, to be read only.
func mapFile(file *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
}

func unmap(data []byte) error { return syscall.Munmap(data) }

// forget gives the memory of whole pages inside data back; they are read again
// when they are needed.
func forget(data []byte) {
	size := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	skip := (size - start%size) % size
	if uintptr(len(data)) <= skip+size {
		return
	}
	inside := data[skip:]
	inside = inside[:uintptr(len(inside))/size*size]
	_ = syscall.Madvise(inside, syscall.MADV_DONTNEED) // advice: refusing it costs memory, nothing else
}
