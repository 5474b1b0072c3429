package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/devnet"
)

// said is what an answer came to, whole or streamed.
type said struct {
	text   string
	koinon struct {
		Provider string
		Earlier  []struct {
			Provider string
			Tokens   int
		}
	}
}

// A provider that is killed in the middle of its answer is followed by another,
// with the very words that the first would have said.
func TestAnotherEngineGoesOnBitForBit(t *testing.T) {
	b := newBench(t)
	var info devnet.Info
	home := b.TempDir()
	up := b.start("koinon up", home, &info, "up", "--providers", "1", "--block-time", "100ms",
		"--gateway-addr", anyPort, "--rpc-addr", anyPort, "--rest-addr", anyPort, "--grpc-addr", anyPort)
	model := info.Models[0].Digest
	for attempt := range 8 {
		var doomed seller
		role := b.start("the provider to be killed", b.TempDir(), &doomed, "provide", "--model", model, "--ledger", info.GRPC, "--threads", "1",
			"--key-file", filepath.Join(home, ".koinon", "devnet", "accounts", fmt.Sprintf("provider-%d.json", attempt+2)), "--listen", "/ip4/127.0.0.1/tcp/0")
		whole := func() said { return b.stream(info, model, doomed.Address, nil) }
		want := whole()
		b.poll("the gateway to reach it", func() error {
			if want = whole(); want.koinon.Provider != doomed.Address {
				return fmt.Errorf("%s answers", want.koinon.Provider)
			}
			return nil
		})
		got := b.stream(info, model, doomed.Address, func() {
			b.running = b.running[:len(b.running)-1]
			_ = role.command.Process.Kill()
		})
		<-role.done
		if got.text != want.text {
			t.Fatalf("killed in the middle:\n%q\nwhole:\n%q", got.text, want.text)
		}
		if e := got.koinon.Earlier; len(e) == 1 && e[0].Provider == doomed.Address && e[0].Tokens > 0 && got.koinon.Provider != doomed.Address {
			t.Logf("%d tokens came from the one that was killed", e[0].Tokens)
			b.stop(up)
			return
		}
		t.Logf("attempt %d: it had said all before it died", attempt)
	}
	t.Error("no provider was killed in the middle of its answer")
}

// stream asks for one long answer, of a provider if it can be had, and calls what
// is given after its first words.
func (b *bench) stream(info devnet.Info, model, provider string, begun func()) (s said) {
	b.Helper()
	body := fmt.Sprintf(`{"model":%q,"prompt":"In the beginning","stream":true,"max_tokens":450,"seed":7,"temperature":0.9,"provider":{"order":[%q]}}`, model, provider)
	r, err := http.NewRequestWithContext(b.ctx, http.MethodPost, info.Gateway+"/completions", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+info.APIKey)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return s
		}
		if err != nil {
			b.Fatal(err)
		}
		var chunk struct {
			Choices []struct{ Text string }
			Koinon  json.RawMessage
			Error   json.RawMessage
		}
		data, ok := bytes.CutPrefix(line, []byte("data: {"))
		if !ok {
			continue
		}
		if err := json.Unmarshal(append([]byte("{"), data...), &chunk); err != nil || chunk.Error != nil {
			b.Fatalf("%s: %v", line, err)
		}
		if len(chunk.Choices) > 0 {
			s.text += chunk.Choices[0].Text
		}
		if len(chunk.Koinon) > 0 {
			if err := json.Unmarshal(chunk.Koinon, &s.koinon); err != nil {
				b.Fatal(err)
			}
		}
		if begun != nil && s.text != "" {
			begun()
			begun = nil
		}
	}
}
