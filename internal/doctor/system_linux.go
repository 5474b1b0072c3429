package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Synchronised says whether the system keeps its clock synchronised, if that is known.
func Synchronised() (yes, known bool) {
	const unsynchronised = 0x40 // STA_UNSYNC of adjtimex(2)
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, false
	}
	return t.Status&unsynchronised == 0, true
}

// Free is what the disk that has a folder has left for this user, in bytes.
func Free(folder string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, fmt.Errorf("asking for the free space at %s: %w", folder, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}
