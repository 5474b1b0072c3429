package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// spoken are the command lines of a text: those of fenced and of indented blocks
// that call koinon, whole though they go on in the next line.
func spoken(text string) (lines []string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	call := regexp.MustCompile(`^(?:    \s*|\$ )(?:[A-Z_]+=\S+ )*(?:bin/)?koinon( .*)?$`)
	for line := range strings.Lines(text) {
		if m := call.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			lines = append(lines, m[1])
		}
	}
	return lines
}

// words splits a command line as a shell does, as far as texts use it, and leaves out
// comments, and what another command or a file gets.
func words(line string) (list []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1) {
		if strings.HasPrefix(w, "#") || w == "|" || w == ">" || w == "&&" || w == "&" {
			break
		}
		list = append(list, strings.Trim(w, `'"`))
	}
	return list
}

// wrong is what is wrong with a command line of a text; "" if nothing is.
func wrong(line string) string {
	root := newRootCommand()
	root.InitDefaultCompletionCmd()
	args := words(line)
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err.Error()
	}
	if cmd.HasParent() && (cmd.Name() == "query" || cmd.Name() == "tx" || cmd.Parent().Name() == "query" || cmd.Parent().Name() == "tx") {
		return "" // the ledger's own, whose arguments are not ours
	}
	if len(rest) > 0 && cmd.HasSubCommands() && !strings.HasPrefix(rest[0], "-") && cmd.Args(cmd, rest[:1]) != nil {
		return "there is no command " + rest[0]
	}
	for _, arg := range rest {
		name, isFlag := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "" && name != "help" && name != "version" && lookup(cmd, name) == nil {
			return cmd.CommandPath() + " has no flag --" + name
		}
	}
	return ""
}

func lookup(cmd *cobra.Command, name string) any {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	if f := cmd.InheritedFlags().Lookup(name); f != nil {
		return f
	}
	return nil
}

// TestCommandsOfTextsExist: whoever types what a text says is not told that there is
// no such command or flag.
func TestCommandsOfTextsExist(t *testing.T) {
	count := 0
	for _, dir := range []string{"docs", "deploy", "README.md"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".md" || strings.Contains(path, "/adr/") || strings.Contains(path, "/reference/") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, line := range spoken(string(text)) {
				count++
				if problem := wrong(line); problem != "" {
					t.Errorf("%s: koinon%s: %s", path, line, problem)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count < 50 {
		t.Errorf("only %d command lines were found", count)
	}
	if wrong(" provide model.gguf --colour") == "" || wrong(" wallet fly") == "" {
		t.Error("a command that is not there is accepted")
	}
}

// typed are the commands of a tutorial's blocks, with what each prints.
func typed(text string) (steps [][2]string) {
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```").FindAllStringSubmatch(text, -1) {
		for _, step := range regexp.MustCompile(`(?m)^\$ `).Split(block[1], -1)[1:] {
			command, printed := step, ""
			for end := 0; ; {
				i := strings.IndexByte(step[end:], '\n')
				end += i
				if !strings.HasSuffix(step[:end], "\\") {
					command, printed = step[:end], step[end+1:]
					break
				}
				end++
			}
			steps = append(steps, [2]string{command, printed})
		}
	}
	return steps
}

// TestTutorial types what the tutorial says, in its order.
func TestTutorial(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	home := t.TempDir()
	steps := typed(string(text))
	if len(steps) < 8 || steps[0][0] != "koinon up" {
		t.Fatalf("the tutorial begins otherwise: %q", steps)
	}
	var network struct {
		Gateway string
		APIKey  string `json:"api_key"`
	}
	// At ports of the system's choice, as others may test beside.
	up := b.start("koinon up", home, &network, "up", "--gateway-addr", anyPort, "--rpc-addr", anyPort, "--rest-addr", anyPort, "--grpc-addr", anyPort)
	for _, step := range steps[1:] {
		command, printed := step[0], step[1]
		if _, err := exec.LookPath("curl"); err != nil && strings.HasPrefix(command, "curl ") {
			t.Logf("SKIPPED, as there is no curl: %s", command)
			continue
		}
		began := time.Now()
		shell := exec.CommandContext(b.ctx, "sh", "-c", command)
		shell.Env = append(koinon(home).Env, "OPENAI_BASE_URL="+network.Gateway, "OPENAI_API_KEY="+network.APIKey)
		shell.Dir = home
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		t.Logf("%6.1fs %s", time.Since(began).Seconds(), command)
		for line := range strings.Lines(printed) {
			if want := strings.Join(strings.Fields(line), " "); !strings.Contains(strings.Join(strings.Fields(string(out)), " "), want) {
				t.Errorf("%s\nprints %s\nand not %q", command, out, want)
			}
		}
	}
	b.stop(up)
}
