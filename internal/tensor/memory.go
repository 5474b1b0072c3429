package tensor

import (
	"runtime"
	"unsafe"
)

// memoryChunk is how much [Memory] takes from the system at once. What of it no
// matrix uses is never touched, and so takes no memory.
const memoryChunk = 128 << 20

// Memory is where the matrices of one model lie side by side, in large pages
// where the system has them: reading weights is what decoding waits for, and
// small pages make it wait longer. The garbage collector does not look at it; it
// is given back once no matrix is in use. It is not safe for concurrent use.
type Memory struct{ left []byte }

// take gives n bytes that are zero. Without a Memory, they are Go's own.
func (s *Memory) take(n int) []byte {
	if s == nil {
		return make([]byte, n)
	}
	const line = 64 // matrices begin with a cache line
	room := (n + line - 1) / line * line
	if room > len(s.left) {
		chunk, mapping := largePages(max(memoryChunk, room))
		if mapping == nil {
			return make([]byte, n)
		}
		runtime.AddCleanup(s, returnPages, mapping)
		s.left = chunk
	}
	taken := s.left[:n:n]
	s.left = s.left[room:]
	return taken
}

// takeFloats is take for n float32.
func (s *Memory) takeFloats(n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(s.take(4*n)))), n)
}
