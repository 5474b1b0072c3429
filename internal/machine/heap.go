package machine

import (
	"os"
	"runtime/debug"
)

// Garbage is collected when there is four times as much of it as there is live,
// where Go's own measure is once: tens of MiB of memory for a tenth of the time.
const garbage = 400

// Roomy gives a process's heap room before it is collected, unless GOGC or
// GOMEMLIMIT say otherwise: for roles that keep little in memory, some tens of
// MiB, and handle many requests. Above a quarter of the machine's memory the
// collector works as hard as it must to stay below. A process that has a model's
// state in its heap should not call it.
func Roomy() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	total, err := Bytes("/proc/meminfo", "MemTotal")
	if err != nil {
		return // how much room there is, nobody says
	}
	debug.SetMemoryLimit(int64(total / 4))
	debug.SetGCPercent(garbage)
}
