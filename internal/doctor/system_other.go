//go:build !linux

package doctor

import (
	"errors"
	"math"
)

// Synchronised says whether the system keeps its clock synchronised, if that is known.
func Synchronised() (yes, known bool) { return false, false }

// Free is what the disk that has a folder has left, in bytes.
func Free(string) (uint64, error) { return math.MaxUint64, errors.ErrUnsupported }
