package gateway

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// node is a folder with the clients in JavaScript.
type node struct{ folder string }

// newNode installs the packages of testdata/node, or skips the test.
func newNode(t *testing.T) node {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is not installed, so clients in JavaScript are not tested")
	}
	n := node{t.TempDir()}
	if err := os.CopyFS(n.folder, os.DirFS(filepath.Join("testdata", "node"))); err != nil {
		t.Fatal(err)
	}
	install := exec.Command(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = n.folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return n
}

// run runs a script against a gateway and reads the JSON it prints.
func (n node) run(t *testing.T, h *harness, name string, into any) {
	t.Helper()
	poor, _ := h.makeKey(1)
	script := exec.Command("node", name)
	script.Dir = n.folder
	script.Env = append(os.Environ(), "OPENAI_BASE_URL="+h.server.URL+"/v1", "OPENAI_API_KEY="+h.key,
		"ANTHROPIC_BASE_URL="+h.server.URL, "ANTHROPIC_API_KEY="+h.key, "POOR_KEY="+poor)
	out, err := script.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s: %v\n%s", name, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

const verse = "To be, or not to be"

// newSpeaker is a provider that uses a tool where it is offered one, and says
// what it was told once there is a result.
func newSpeaker(t *testing.T) *scripted {
	p := newScripted(t, "p", testPrice, "")
	p.cached = 4
	p.reply = func(r inference.Request) string {
		last := r.Messages[len(r.Messages)-1]
		switch {
		case last.Role == "tool":
			return "Told: " + last.Content
		case len(r.Tools) > 0:
			return callingAnswer
		}
		return verse
	}
	return p
}

// spoken is what the scripts print of a provider made by newSpeaker.
type spoken struct {
	Whole, Streamed, Final, Receipt, Told, CalledStreaming, ToldStreaming, Stop string
	Call                                                                        struct {
		Name      string
		Arguments map[string]string
	}
	Usage   map[string]any
	Vectors [][]float32
	Errors  map[string]int
	Tokens  int
	Status  int
}

func (s spoken) check(t *testing.T) {
	t.Helper()
	if s.Whole != verse || s.Streamed != verse || s.Final != verse || !strings.HasPrefix(s.Told, "Told: ") {
		t.Errorf("%+v", s)
	}
	if s.Call.Name != "lookup" || s.Call.Arguments["who"] != "Hamlet" {
		t.Errorf("the call: %+v", s.Call)
	}
	if _, err := receipt.ParseDigest(s.Receipt); err != nil {
		t.Errorf("the receipt: %v", err)
	}
}

// TestNodeClients uses the API through the vendors' clients for JavaScript and
// the AI SDK, whole and streaming, with tools.
func TestNodeClients(t *testing.T) {
	n := newNode(t)
	vectors := [][]float32{{3, 'a'}, {5, 'x'}}

	t.Run("openai chat", func(t *testing.T) {
		var got struct {
			Chat, Stream, Completion, Receipt string
			Models                            []string
			Usage                             int
			Errors                            map[string]int
		}
		n.run(t, newHarness(t, newScripted(t, "p", testPrice, verse)), "client.mjs", &got)
		if got.Chat != verse || got.Stream != verse || got.Completion != "To be" || got.Usage != 19 || strings.Join(got.Models, " ") != "bard bard@1" {
			t.Errorf("%+v", got)
		}
		if _, err := receipt.ParseDigest(got.Receipt); err != nil {
			t.Errorf("the receipt in the answer: %v", err)
		}
		want := map[string]int{"invalid_api_key": 401, "insufficient_quota": 402, "model_not_found": 404, "context_length_exceeded": 400}
		if !reflect.DeepEqual(got.Errors, want) {
			t.Errorf("errors %v, want %v", got.Errors, want)
		}
	})
	t.Run("openai responses and embeddings", func(t *testing.T) {
		var got spoken
		n.run(t, newTaughtHarness(t, newSpeaker(t)), "responses.mjs", &got)
		got.check(t)
		if got.Usage["output_tokens"] != 19.0 || got.CalledStreaming != `{"who": "Hamlet"}` || !reflect.DeepEqual(got.Vectors, vectors) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("anthropic", func(t *testing.T) {
		var got spoken
		n.run(t, newTaughtHarness(t, newSpeaker(t)), "anthropic.mjs", &got)
		got.check(t)
		prompt := float64(len("system:be brief\nuser:hello\n"))
		if got.Stop != "end_turn" || got.Usage["input_tokens"] != prompt-4 || got.Usage["cache_read_input_tokens"] != 4.0 || got.Usage["output_tokens"] != 19.0 ||
			got.CalledStreaming != `{"who":"Hamlet"}` || got.Tokens != len("user:hello\n") {
			t.Errorf("%+v", got)
		}
		if want := map[string]int{"authentication_error": 401, "billing_error": 402, "not_found_error": 404}; !reflect.DeepEqual(got.Errors, want) {
			t.Errorf("errors %v, want %v", got.Errors, want)
		}
	})
	t.Run("ai sdk", func(t *testing.T) {
		var got spoken
		n.run(t, newTaughtHarness(t, newSpeaker(t)), "aisdk.mjs", &got)
		got.check(t)
		if got.Stop != "stop" || got.Usage["cached"] != 4.0 || got.Usage["output"] != 19.0 || !strings.HasSuffix(got.ToldStreaming, "Told: Hamlet is a prince") ||
			!reflect.DeepEqual(got.Vectors, vectors) || got.Status != 404 {
			t.Errorf("%+v", got)
		}
	})
}
