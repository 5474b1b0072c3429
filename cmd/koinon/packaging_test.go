package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestUnitsStartWhatThereIs: systemd's units call commands and flags that exist, and
// leave a role no more than its home and the network.
func TestUnitsStartWhatThereIs(t *testing.T) {
	units, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil || len(units) != 5 {
		t.Fatalf("%v, %v", units, err)
	}
	for _, path := range units {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		unit := string(data)
		start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/koinon(.*)$`).FindStringSubmatch(unit)
		if start == nil {
			t.Errorf("%s starts nothing of ours", path)
		} else if problem := wrong(start[1]); problem != "" {
			t.Errorf("%s: %s", path, problem)
		}
		for _, line := range []string{
			"User=koinon", "ProtectSystem=strict", "StateDirectory=koinon", "StateDirectoryMode=0700", "UMask=0077", "NoNewPrivileges=yes",
			"CapabilityBoundingSet=", "SystemCallFilter=@system-service", "MemoryDenyWriteExecute=yes", "Restart=on-failure",
		} {
			if !strings.Contains(unit, "\n"+line+"\n") {
				t.Errorf("%s lacks %s", path, line)
			}
		}
		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			continue
		}
		// From 0, nothing to fear, to 10; 20 stands for 2.0.
		if out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", path).CombinedOutput(); err != nil &&
			strings.Contains(string(out), "exposure level") {
			t.Errorf("%s leaves too much: %s", path, out)
		}
	}
}

// TestReleasesAreComplete: what a release is made of is in the repository, or is made
// by make man, and each archive comes with a list of what is inside.
func TestReleasesAreComplete(t *testing.T) {
	type content struct{ Src, Dst string }
	var release struct {
		Version int
		Before  struct{ Hooks []string }
		Builds  []struct {
			Main  string
			Flags []string
		}
		Archives []struct{ Files []any }
		Nfpms    []struct{ Contents []content }
		Sboms    []struct{ Artifacts, Cmd string }
		Signs    []struct{ Artifacts string }
	}
	read(t, "../../deploy/goreleaser.yaml", yaml.Unmarshal, &release)
	if release.Version != 2 || len(release.Builds) != 1 || len(release.Sboms) == 0 || release.Sboms[0].Artifacts != "archive" || len(release.Signs) == 0 {
		t.Errorf("%+v", release)
	}
	if len(release.Before.Hooks) != 1 || release.Before.Hooks[0] != "make man" {
		t.Errorf("manual pages are not made first: %v", release.Before.Hooks)
	}
	var sources []string
	for _, a := range release.Archives {
		for _, f := range a.Files {
			switch f := f.(type) {
			case string:
				sources = append(sources, f)
			case map[string]any:
				sources = append(sources, f["src"].(string))
			}
		}
	}
	for _, p := range release.Nfpms {
		for _, c := range p.Contents {
			sources = append(sources, c.Src)
		}
	}
	for _, source := range append(sources, release.Builds[0].Main) {
		if strings.HasPrefix(source, "bin/share/") {
			continue
		}
		if found, err := filepath.Glob(filepath.Join("..", "..", source)); err != nil || len(found) == 0 {
			t.Errorf("%s is not there: %v", source, err)
		}
	}
	image, err := os.ReadFile("../../deploy/Containerfile")
	if err != nil || !strings.Contains(string(image), "distroless/static") || !strings.Contains(string(image), "\nUSER 65532:65532\n") {
		t.Errorf("the image has more than the program, or runs as root: %v", err)
	}
}

// TestManualPages: every command has one, and the shells complete.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	if code := run(t.Context(), []string{"docs", "man", dir}); code != 0 {
		t.Fatalf("exit %d", code)
	}
	for _, page := range []string{"koinon.1", "koinon-provide.1", "koinon-wallet-send.1", "koinon-doctor.1"} {
		if data, err := os.ReadFile(filepath.Join(dir, page)); err != nil || !strings.HasPrefix(string(data), ".nh") && !strings.HasPrefix(string(data), ".TH") {
			t.Errorf("%s: %v, %.20q", page, err, data)
		}
	}
}
