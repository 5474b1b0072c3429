package architecture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")

// goBlocks are the Go programs in a text: a block that is not a whole file is
// the body of a function, as a reader would paste it.
func goBlocks(text string) []string {
	var list []string
	for _, m := range goBlock.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], "package ") || strings.Contains(m[1], "\npackage ") {
			list = append(list, m[1])
			continue
		}
		imports := ""
		body := regexp.MustCompile(`(?ms)^import (\(.*?^\)|"[^"]*")\n`).ReplaceAllStringFunc(m[1], func(s string) string {
			imports += s
			return ""
		})
		list = append(list, fmt.Sprintf("package main\n\n%s\nfunc main() {\n%s}\n", imports, body))
	}
	return list
}

// compile builds one program within the module, beside nothing else.
func compile(t *testing.T, program string) error {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "vet", file)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, out, program)
	}
	return nil
}

func TestGoCodeOfTheTextsCompiles(t *testing.T) {
	eachFile(t, ".md", func(name string) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, program := range goBlocks(string(text)) {
			if err := compile(t, program); err != nil {
				t.Errorf("%s, Go block %d: %v", name, i+1, err)
			}
		}
	})
}

func TestTheCheckOfTextsCanFail(t *testing.T) {
	good := "text\n```go\nimport \"fmt\"\n\nfmt.Println(1)\n```\n"
	bad := "```go\nvar x int = \"one\"\n_ = x\n```\n"
	if p := goBlocks(good); len(p) != 1 || compile(t, p[0]) != nil {
		t.Errorf("a sound block is refused: %q", p)
	}
	if p := goBlocks(bad); len(p) != 1 || compile(t, p[0]) == nil {
		t.Errorf("a broken block is accepted: %q", p)
	}
}
