package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of times in /proc/PID/stat, the same on every
// Linux that Go runs on.
const ticksPerSecond = 100

// ProcessTime is the processor time that a process's threads have used so far.
// The scheduler's own account of it is exact; where there is none, it is the
// user's and the system's time, which are guessed a hundred times a second.
func ProcessTime(pid int) (time.Duration, error) {
	accounts, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(accounts) > 0 {
		return scheduled(accounts)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	ticks, err := cpuTicks(string(line))
	return time.Duration(ticks) * time.Second / ticksPerSecond, err
}

// scheduled adds up the first field of each file: nanoseconds on a processor.
func scheduled(accounts []string) (total time.Duration, err error) {
	for _, path := range accounts {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		total += time.Duration(n)
	}
	return total, nil
}

// cpuTicks adds up the user's and the system's time of a line of /proc/PID/stat.
// The second field is a name that may hold anything, so fields are counted from
// its last parenthesis.
func cpuTicks(line string) (uint64, error) {
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	const user, system = 14 - 3, 15 - 3 // as proc(5) numbers them, from the third
	if len(fields) <= system {
		return 0, fmt.Errorf("%q is no line of /proc/PID/stat", line)
	}
	var ticks uint64
	for _, field := range fields[user : system+1] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no line of /proc/PID/stat: %w", line, err)
		}
		ticks += n
	}
	return ticks, nil
}
