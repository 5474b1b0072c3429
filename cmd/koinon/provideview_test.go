package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/process"
)

// The lines at the bottom are drawn over, whatever came above them meanwhile, and
// none is longer than the terminal is wide.
func TestViewDrawsOver(t *testing.T) {
	var out bytes.Buffer
	v := &view{out: &out, terminal: true, width: func() int { return 40 }}
	s := process.Status{Model: "bard@1", Address: strings.Repeat("x", 60), Activity: provider.Activity{State: provider.Serving, LastError: strings.Repeat("é", 90)}}
	v.show(s)
	rows := strings.Count(out.String(), "\n")
	for _, line := range strings.Split(out.String(), "\n") {
		if n := len([]rune(line)); n > 39 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
	if strings.Contains(out.String(), "\x1b") || rows != 8 {
		t.Errorf("at first %d rows, %q", rows, out.String())
	}
	out.Reset()
	if _, err := v.Write([]byte("news\n")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "\x1b[8A\x1b[Jnews\n\nbard@1") || strings.Count(got, "\n") != rows+1 {
		t.Errorf("after news %q", got)
	}
}
