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

// Reserve takes room for matrices of so many bytes in all, see [MatrixBytes], and
// no more: large pages end where they would be touched for less than a page.
func (s *Memory) Reserve(bytes int) {
	if chunk := s.chunk(bytes); chunk != nil {
		s.left = chunk
	}
}

// chunk maps memory that is given back with s; nil if the system refuses.
func (s *Memory) chunk(n int) []byte {
	chunk, mapping := largePages(n)
	if mapping != nil {
		runtime.AddCleanup(s, returnPages, mapping)
	}
	return chunk
}

// take gives n bytes that are zero. Without a Memory, they are Go's own.
func (s *Memory) take(n int) []byte {
	if s == nil {
		return make([]byte, n)
	}
	room := lines(n)
	if room > len(s.left) {
		chunk := s.chunk(max(memoryChunk, room))
		if chunk == nil {
			return make([]byte, n)
		}
		s.left = chunk
	}
	taken := s.left[:n:n]
	s.left = s.left[room:]
	return taken
}

// lines rounds up to whole cache lines, with which matrices begin.
func lines(n int) int {
	const line = 64
	return (n + line - 1) / line * line
}

// takeFloats is take for n float32.
func (s *Memory) takeFloats(n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(s.take(4*n)))), n)
}
