package machine

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// ProfileVariable is the environment variable that names the file for a profile
// of the process's CPU; see [Profile].
const ProfileVariable = "KOINON_CPU_PROFILE"

// Profile records where the process spends its CPU until stop is called, if
// [ProfileVariable] asks for it. Read it with go tool pprof.
func Profile() (stop func() error, err error) {
	path := os.Getenv(ProfileVariable)
	if path == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ProfileVariable, err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", ProfileVariable, err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}
