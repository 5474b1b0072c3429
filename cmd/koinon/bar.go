package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// bar shows, after two seconds, how many bytes are done: one line that renews
// itself on a terminal, elsewhere a line now and then.
type bar struct {
	talk         io.Writer
	done, total  uint64
	began, shown time.Time
	first        uint64 // done when it was first told
	told         bool
	terminal     bool
}

func newBar(talk io.Writer, total uint64) *bar {
	return &bar{talk: talk, total: total, began: time.Now(), terminal: isTerminal(talk)}
}

// at tells how far it is. What was there at the first call took no time, and says
// nothing of what is left.
func (b *bar) at(done, total uint64) {
	if !b.told {
		b.first, b.told = done, true
	}
	b.done, b.total = done, total
	pause := 10 * time.Second
	if b.terminal {
		pause = time.Second / 5
	}
	if time.Since(b.began) > 2*time.Second && time.Since(b.shown) > pause {
		b.show()
	}
}

func (b *bar) show() {
	b.shown = time.Now()
	const width = 30
	filled := int(width * b.done / max(1, b.total))
	left := time.Duration(float64(time.Since(b.began)) * float64(b.total-min(b.total, b.done)) / float64(max(1, b.done-b.first)))
	line := fmt.Sprintf("%s%s %s of %s  %s left", strings.Repeat("█", filled), strings.Repeat("░", width-filled),
		megabytes(b.done), megabytes(b.total), left.Round(time.Second))
	if b.terminal {
		line = "\r\x1b[K" + line
	} else {
		line += "\n"
	}
	fmt.Fprint(b.talk, line)
}

// end leaves the line that renews itself.
func (b *bar) end() {
	if b.terminal && !b.shown.IsZero() {
		fmt.Fprintln(b.talk)
	}
}
