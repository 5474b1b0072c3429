package escrow_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSpecificationNamesEveryRefusal reads the errors that the packages of the
// protocol export and looks each up in spec/protocol.md.
func TestSpecificationNamesEveryRefusal(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	spec, err := os.ReadFile(filepath.Join(root, "spec", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, dir := range []string{"internal/mechanism/escrow", "internal/mechanism/split", "internal/mechanism/bond", "internal/mechanism/curation"} {
		for _, name := range exportedErrors(t, filepath.Join(root, dir)) {
			found++
			if !strings.Contains(string(spec), "`"+name+"`") {
				t.Errorf("%s.%s is not in the specification", dir, name)
			}
		}
	}
	if found < 25 {
		t.Errorf("only %d errors found: the reading of the source is broken", found)
	}
}

func exportedErrors(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
