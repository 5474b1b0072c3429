package web

import (
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/koinon/koinon/docs"
	"github.com/koinon/koinon/internal/web/prose"
	"github.com/koinon/koinon/spec"
)

// chapter is a page of the documentation.
type chapter struct {
	Path  string // under /docs: "howto/sell-a-gpu"
	Title string
	html  func() (template.HTML, error) // written when it is first read
}

// part is some of the documentation, under one heading.
type part struct {
	Title    string
	Chapters []*chapter
}

// manual is the documentation.
type manual struct {
	byPath map[string]*chapter
	parts  []part
}

// parts are the documentation's folders, with what they are called.
var parts = []part{{Title: "Do something"}, {Title: "Understand"}, {Title: "Look something up"}, {Title: "Specification"}, {Title: "Decisions"}}

// partOf is in which of the parts a folder's pages are.
var partOf = map[string]int{"howto": 0, ".": 1, "reference": 2, "spec": 3, "adr": 4}

// readManual reads the pages that are inside the program.
func readManual() (*manual, error) {
	m := &manual{byPath: map[string]*chapter{}, parts: slices.Clone(parts)}
	for under, files := range map[string]fs.FS{"": docs.Files, "spec": spec.Files} {
		err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || path.Ext(name) != ".md" {
				return err
			}
			source, err := fs.ReadFile(files, name)
			file := path.Join(under, name)
			c := &chapter{Path: strings.TrimSuffix(file, ".md"), Title: strings.ReplaceAll(prose.Title(source), "`", "")}
			c.html = sync.OnceValues(func() (template.HTML, error) { return prose.HTML(source, m.links(file)) })
			m.byPath[c.Path] = c
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading the documentation: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.byPath)) {
		if n, ok := partOf[path.Dir(name)]; ok && name != index && name != tutorial {
			m.parts[n].Chapters = append(m.parts[n].Chapters, m.byPath[name])
		}
	}
	return m, nil
}

// Pages that stand before all parts: what there is, and where to begin.
const (
	index    = "README"
	tutorial = "tutorial"
)

// links says where a file's links lead: to other pages of the documentation, or
// nowhere, as the program has no other files of the tree.
func (m *manual) links(file string) prose.Link {
	return func(to string) (string, bool) {
		to, place, _ := strings.Cut(to, "#")
		if place != "" {
			place = "#" + place
		}
		if to == "" {
			return place, place != ""
		}
		// In the tree, the specification lies beside docs.
		from := path.Join("docs", file)
		if strings.HasPrefix(file, "spec/") {
			from = file
		}
		name := strings.TrimSuffix(path.Join(path.Dir(from), to), ".md")
		if _, ok := m.byPath[name]; ok && strings.HasPrefix(name, "spec/") {
			return "/docs/" + name + place, true
		}
		name, within := strings.CutPrefix(name, "docs/")
		if _, ok := m.byPath[name]; !ok || !within {
			return "", false
		}
		return "/docs/" + name + place, true
	}
}

// docs shows a page of the documentation.
func (s *Site) docs(r *http.Request) (page, error) {
	name := strings.TrimSuffix(r.PathValue("path"), ".md")
	if name == "" {
		name = index
	}
	c, ok := s.manual.byPath[name]
	if !ok {
		return page{}, errGone
	}
	text, err := c.html()
	return page{Title: c.Title, Section: "docs", Template: "docs", Data: struct {
		Text  template.HTML
		Here  *chapter
		Parts []part
	}{text, c, s.manual.parts}}, err
}
