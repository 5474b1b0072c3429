// Package journal is where a role's log goes: to a file in its home, as JSON lines
// that begin anew before they fill the disk, and to who started it, for people on a
// terminal and as JSON anywhere else. Prompts and answers are never logged.
package journal

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/term"
	"gopkg.in/natefinch/lumberjack.v2"
)

// File is the name of the log in a role's home.
const File = "koinon.log"

// What a home's log may take of the disk, in MB: the file at hand, and those before
// it, which are named by the time at which they ended.
const (
	fileSize = 16
	keptOld  = 3
)

// Open opens the log of a home, which is made if it is not there. Only its owner
// can read it.
func Open(home string) (io.WriteCloser, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	return &lumberjack.Logger{Filename: filepath.Join(home, File), MaxSize: fileSize, MaxBackups: keptOld}, nil
}

// New logs to talk, for people if that is a terminal, else as JSON lines; and as those
// to other places, such as a home's file.
func New(talk io.Writer, others ...io.Writer) *slog.Logger {
	if Terminal(talk) {
		talk = Human(talk)
	}
	handlers := []slog.Handler{lines(talk)}
	for _, w := range others {
		handlers = append(handlers, lines(w))
	}
	return slog.New(slog.NewMultiHandler(handlers...))
}

func lines(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: named})
}

// named writes what can say its name by that alone: libraries hand whole services to
// their logger, which go on changing while encoding/json would read every field.
func named(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	switch v := a.Value.Any().(type) {
	case error, json.Marshaler, encoding.TextMarshaler:
	case fmt.Stringer:
		a.Value = slog.StringValue(v.String())
	}
	return a
}

// Terminal says whether what is written there is read by somebody on a terminal.
func Terminal(w io.Writer) bool {
	file, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}
