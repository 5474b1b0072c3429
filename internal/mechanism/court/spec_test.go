package court

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The specification names every state, outcome and refusal.
func TestSpecificationNamesEverything(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "spec", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	spec := string(data)
	for _, name := range append(stateNames[1:], outcomeNames[1:]...) {
		if !strings.Contains(spec, "| "+name+" |") {
			t.Errorf("%q has no row", name)
		}
	}
	source, err := os.ReadFile("court.go")
	if err != nil {
		t.Fatal(err)
	}
	errors := regexp.MustCompile(`(?m)^\t(Err\w+) +=`).FindAllStringSubmatch(string(source), -1)
	if len(errors) < 9 {
		t.Fatalf("only %d refusals found: the reading of the source is broken", len(errors))
	}
	for _, e := range errors {
		if !strings.Contains(spec, "`"+e[1]+"`") {
			t.Errorf("%s is not in the specification", e[1])
		}
	}
}
