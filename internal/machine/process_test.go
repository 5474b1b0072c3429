package machine

import "testing"

func TestProcessStatReadsPastTheName(t *testing.T) {
	line := "42 (a ) name) S 1 42 42 0 -1 4194560 100 0 0 0 700 50 0 0 20 0 9 0 1 2 3"
	ticks, err := cpuTicks(line)
	if err != nil || ticks != 750 {
		t.Errorf("%d ticks, %v", ticks, err)
	}
	if _, err := cpuTicks("42 (x) S 1"); err == nil {
		t.Error("a line without times is accepted")
	}
}
