package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Human writes JSON lines of a log to w as people read them: the time of day, what is
// out of the ordinary, who says it, and what. A line that is none of a log's stays as
// it is; control characters, which could forge lines, do not.
func Human(w io.Writer) io.Writer { return &human{w: w} }

type human struct {
	w    io.Writer
	rest []byte // of a line not yet ended
}

// Write implements [io.Writer].
func (h *human) Write(p []byte) (int, error) {
	h.rest = append(h.rest, p...)
	for {
		line, rest, ended := bytes.Cut(h.rest, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		text := readable(line)
		h.rest = append(h.rest[:0], rest...)
		if _, err := io.WriteString(h.w, text+"\n"); err != nil {
			return 0, err
		}
	}
}

// readable is one line for people.
func readable(line []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	fields, err := inOrder(decoder)
	if err != nil {
		return printable(string(line))
	}
	var at, level, message, role string
	var rest strings.Builder
	for _, f := range fields {
		switch f.key {
		case slog.TimeKey:
			at = f.value
		case slog.LevelKey:
			level = f.value
		case slog.MessageKey:
			message = f.value
		case "role":
			role = f.value
		default:
			fmt.Fprintf(&rest, " %s=%s", f.key, quoted(f.value))
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
		at = t.Local().Format(time.TimeOnly)
	}
	if level == slog.LevelInfo.String() {
		level = ""
	}
	var b strings.Builder
	for _, part := range []string{at, level, role} {
		if part != "" {
			b.WriteString(part + "  ")
		}
	}
	return printable(b.String() + message + rest.String())
}

type field struct{ key, value string }

// inOrder reads a flat object's fields as they are written; what is nested stays JSON.
func inOrder(d *json.Decoder) (fields []field, err error) {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		text := string(raw)
		var s string
		if json.Unmarshal(raw, &s) == nil {
			text = s
		}
		fields = append(fields, field{fmt.Sprint(key), text})
	}
	return fields, nil
}

// quoted puts quotes around a value that would not end where it ends.
func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " =\"") {
		return strconv.Quote(s)
	}
	return s
}

// printable replaces what would move a terminal's cursor or colour its text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
