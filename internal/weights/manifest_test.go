package weights

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/koinon/koinon/receipt"
)

func sound(t testing.TB) Manifest {
	t.Helper()
	c := rawCID(receipt.Sum([]byte("weights")))
	b := Blob{SHA256: receipt.Sum([]byte("weights")), Size: 7, CID: c.String()}
	return Manifest{
		Format: Format, Name: "a <b> & ü", Version: "1", Architecture: "llama", Parameters: 1, ContextLength: 1,
		Quantization: "F32", Class: receipt.Exact, License: "MIT", Weights: b, Vocabulary: b, Root: b.SHA256,
	}
}

func TestManifestRoundTrip(t *testing.T) {
	m := sound(t)
	got, err := Decode(m.Bytes())
	if err != nil || got != m || got.Digest() != receipt.Sum(m.Bytes()) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestHostileManifests(t *testing.T) {
	m := sound(t)
	good := string(m.Bytes())
	identity := "bafkqaaa" // the identity hash of nothing
	cases := map[string]string{
		"empty":             "",
		"null":              "null",
		"trailing":          good + "{}",
		"white space":       " " + good,
		"new line":          good + "\n",
		"repeated field":    strings.Replace(good, `"version":"1"`, `"version":"2","version":"1"`, 1),
		"unknown field":     strings.Replace(good, `"version":"1"`, `"version":"1","x":1`, 1),
		"another case":      strings.Replace(good, `"version"`, `"Version"`, 1),
		"other order":       strings.Replace(good, `"name":"a <b> & ü","version":"1"`, `"version":"1","name":"a <b> & ü"`, 1),
		"escaped":           strings.Replace(good, `<b>`, `\u003cb\u003e`, 1),
		"other format":      strings.Replace(good, Format, "koinon/manifest/v2", 1),
		"other class":       strings.Replace(good, `"exact"`, `"trust me"`, 1),
		"no name":           strings.Replace(good, `"a <b> & ü"`, `""`, 1),
		"escape sequence":   strings.Replace(good, `"a <b> & ü"`, `"\u001b[2J"`, 1),
		"reversed text":     strings.Replace(good, `"a <b> & ü"`, "\"a\u202eb\"", 1),
		"not UTF-8":         strings.Replace(good, `"a <b> & ü"`, "\"\xff\"", 1),
		"long name":         strings.Replace(good, `a <b> & ü`, strings.Repeat("n", maxText+1), 1),
		"no parameters":     strings.Replace(good, `"parameters":1`, `"parameters":0`, 1),
		"negative":          strings.Replace(good, `"parameters":1`, `"parameters":-1`, 1),
		"fraction":          strings.Replace(good, `"parameters":1`, `"parameters":1.0`, 1),
		"not exact in JSON": strings.Replace(good, `"parameters":1`, `"parameters":9007199254740993`, 1),
		"overflow":          strings.Replace(good, `"context_length":1`, `"context_length":4294967296`, 1),
		"empty file":        strings.Replace(good, `"size":7`, `"size":0`, 1),
		"one huge block":    strings.Replace(good, `"size":7`, `"size":1048577`, 1),
		"identity CID":      strings.Replace(good, m.Weights.CID, identity, 1),
		"no CID":            strings.Replace(good, m.Weights.CID, "", 1),
		"short digest":      strings.Replace(good, m.Weights.SHA256.String(), "sha256:00", 1),
		"larger than limit": good + strings.Repeat(" ", MaxManifest),
		"deep":              strings.Repeat("[", 8000),
		"huge tokenizer":    strings.Replace(good, `"tokenizer":{`, `"tokenizer":{"size":268435457,`, 1),
	}
	for name, text := range cases {
		if text == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if _, err := Decode([]byte(text)); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(sound(f).Bytes())
	f.Add([]byte(`{"format":"koinon/manifest/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("refused without the name: %v", err)
			}
			return
		}
		if !bytes.Equal(m.Bytes(), data) || m.Digest() != receipt.Sum(data) {
			t.Fatalf("two forms of one manifest: %q", data)
		}
	})
}
