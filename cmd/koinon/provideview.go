package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/journal"
	"github.com/koinon/koinon/internal/provider/process"
)

// How often a provider's status is shown: on a terminal, and in a log.
const (
	redrawEvery = time.Second
	reportEvery = time.Minute
)

// view shows what a provider does: on a terminal a few lines below its log that
// are drawn again and again, elsewhere now and then a line. What is written to it
// goes above those lines.
type view struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	width    func() int // of the terminal, in characters
	json     io.Writer  // nil without --json
	drawn    []byte     // the lines at the bottom
	told     *slog.Logger
}

func newView(cmd *cobra.Command, asJSON bool) *view {
	v := viewOn(cmd.ErrOrStderr())
	if asJSON {
		v.terminal, v.json = false, cmd.OutOrStdout()
	}
	return v
}

func viewOn(out io.Writer) *view {
	v := &view{out: out}
	if file, ok := v.out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		v.terminal = true
		v.width = func() int {
			width, _, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 80
			}
			return width
		}
	}
	return v
}

// log writes to the view and to a home's file. Prompts and answers are never logged.
func (v *view) log(file io.Writer) *slog.Logger {
	talk := io.Writer(v)
	if v.terminal {
		talk = journal.Human(v)
	}
	v.told = journal.New(talk, file)
	return v.told
}

// Write puts a line above those at the bottom.
func (v *view) Write(line []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(line), v.draw(line, v.drawn)
}

// draw replaces the lines at the bottom, after others. The lock is held.
func (v *view) draw(before, bottom []byte) error {
	var b bytes.Buffer
	if rows := bytes.Count(v.drawn, []byte("\n")); rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", rows) // up, and clear from there
	}
	b.Write(before)
	b.Write(bottom)
	v.drawn = bottom
	_, err := v.out.Write(b.Bytes())
	return err
}

// follow shows the status until the context ends.
func (v *view) follow(ctx context.Context, status func(context.Context) process.Status) {
	every := reportEvery
	if v.terminal {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last process.Status
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := status(ctx); v.terminal || now.Requests != last.Requests || now.State != last.State {
			v.show(now)
			last = now
		}
	}
}

func (v *view) show(s process.Status) {
	if v.json != nil {
		json.NewEncoder(v.json).Encode(s)
		return
	}
	if !v.terminal {
		v.told.Info("status", "state", s.State, "requests", s.Requests, "failed", s.Failed, "tokens", s.CompletionTokens,
			"pending", credit.Dollars(s.Pending), "exposed", credit.Dollars(s.Exposed))
		return
	}
	var b bytes.Buffer
	b.WriteByte('\n')
	printStatus(&b, s) // into memory: it cannot fail
	v.replace(b.String())
}

// replace draws a text over the one before it; elsewhere than on a terminal, after it.
func (v *view) replace(text string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.terminal {
		_, err := io.WriteString(v.out, text)
		return err
	}
	return v.draw(nil, narrowed(text, v.width()))
}

// narrowed cuts the lines of a text to a terminal's width, as one that went on in
// the next row would not be drawn over.
func narrowed(text string, width int) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		if letters := []rune(strings.TrimSuffix(line, "\n")); len(letters) >= width && width > 1 {
			line = string(letters[:width-2]) + "…\n"
		}
		b.WriteString(line)
	}
	return b.Bytes()
}
