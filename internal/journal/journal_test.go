package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAFileOfJSONLinesThatOnlyItsOwnerReads(t *testing.T) {
	home := filepath.Join(t.TempDir(), "role")
	file, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	var talk bytes.Buffer
	New(&talk, file).With("role", "gateway").Warn("it is late", "by", 3*time.Second)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, File)
	data, err := os.ReadFile(path)
	if err != nil || string(data) != talk.String() {
		t.Fatalf("the file has %q, %v; what is no terminal got %q", data, err, talk.String())
	}
	var line map[string]any
	if err := json.Unmarshal(data, &line); err != nil || line["role"] != "gateway" || line["level"] != "WARN" {
		t.Errorf("%v, %v", line, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestHuman(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 30, 4, 0, time.Local).Format(time.RFC3339Nano)
	for line, want := range map[string]string{
		`{"time":"` + at + `","level":"INFO","msg":"serving","role":"provider-1","model":"trivium@1","n":3}`: "02:30:04  provider-1  serving model=trivium@1 n=3",
		`{"time":"` + at + `","level":"ERROR","msg":"no","error":"a b"}`:                                     `02:30:04  ERROR  no error="a b"`,
		`{"msg":"forged\u001b[2J\nline"}`:                                                                    "forged [2J line",
		`not JSON`:                                                                                           "not JSON",
		`{"msg":"torn`:                                                                                       `{"msg":"torn`,
	} {
		var out bytes.Buffer
		h := Human(&out)
		half := len(line) / 2
		io.WriteString(h, line[:half]) // lines come in any pieces
		io.WriteString(h, line[half:]+"\n")
		if got := out.String(); got != want+"\n" {
			t.Errorf("%s\nreads %q\nnot   %q", line, got, want)
		}
	}
}

// told tells a test of each line written.
type told chan string

func (t told) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		t <- strings.TrimSpace(line)
	}
	return len(p), nil
}

func TestFollowGoesOnWhereTheLogBeginsAnew(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, File)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\ntwo\nthree\nfo")
	log, err := Read(home)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var last bytes.Buffer
	if err := log.Tail(2, &last); err != nil || last.String() != "two\nthree\n" {
		t.Fatalf("%q, %v", last.String(), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	heard, ended := make(told), make(chan error, 1)
	go func() { ended <- log.Follow(ctx, heard) }()
	write("one\ntwo\nthree\nfour\n")
	if got := <-heard; got != "four" {
		t.Errorf("heard %q", got)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("five, in a file that is longer than the one before\n")
	if got := <-heard; !strings.HasPrefix(got, "five") {
		t.Errorf("heard %q", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := Read(t.TempDir()); !os.IsNotExist(err) {
		t.Errorf("where nothing was logged: %v", err)
	}
}

// service is what a library hands to its logger: it has a name, and fields of its own.
type service struct{ Secret string }

func (*service) String() string { return "Reactor" }

// TestServicesAreNamed and not written out, which would race with their work.
func TestServicesAreNamed(t *testing.T) {
	var out bytes.Buffer
	New(&out).Info("stopping", "impl", &service{"hidden"})
	if line := out.String(); !strings.Contains(line, `"impl":"Reactor"`) || strings.Contains(line, "hidden") {
		t.Error(line)
	}
}
