package architecture

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link is a Markdown link to a place in the repository.
var link = regexp.MustCompile(`\]\(([^)\s:#]+)(?:#[^)\s]*)?\)`)

// TestLinksOfTextsLeadSomewhere: whoever follows a link of a text finds what it is to.
func TestLinksOfTextsLeadSomewhere(t *testing.T) {
	count := 0
	check := func(name string) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			count++
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
	eachFile(t, ".md", func(name string) {
		if !strings.Contains(name, "/reference/") { // whose text is the program's
			check(name)
		}
	})
	check("docs/llms.txt")
	if count < 50 {
		t.Errorf("only %d links were found", count)
	}
}

// TestEveryPageIsFound: no page of docs is missing from its table of contents.
func TestEveryPageIsFound(t *testing.T) {
	contents, err := os.ReadFile(filepath.Join(root, "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	eachFile(t, ".md", func(name string) {
		page, ok := strings.CutPrefix(name, "docs/")
		if ok && page != "README.md" && !strings.HasPrefix(page, "adr/") && !strings.Contains(string(contents), "("+page+")") {
			t.Errorf("docs/README.md does not lead to %s", page)
		}
	})
}
