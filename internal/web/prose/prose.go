// Package prose writes Markdown as HTML that is safe to show, whoever wrote it:
// raw HTML is left out, pictures are not loaded, and a link leads where its page
// says that it may.
package prose

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Link says where a link of a page leads; ok is false for one that is only text.
type Link func(to string) (address string, ok bool)

// markdown is CommonMark with tables. Columns are aligned by an attribute, as no
// page may have styles of its own.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID(), parser.WithASTTransformers(util.Prioritized(links{}, 1))),
)

// linkKey is under which a page's Link travels with its parsing.
var linkKey = parser.NewContextKey()

// HTML writes a page. Its headings have their words for anchors.
func HTML(source []byte, link Link) (template.HTML, error) {
	context := parser.NewContext()
	context.Set(linkKey, link)
	var out bytes.Buffer
	if err := markdown.Convert(source, &out, parser.WithContext(context)); err != nil {
		return "", fmt.Errorf("writing Markdown: %w", err)
	}
	return template.HTML(out.String()), nil
}

// Title is a page's first heading, or "".
func Title(source []byte) string {
	for line := range strings.Lines(string(source)) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			return strings.TrimSpace(title)
		}
	}
	return ""
}

// links sends links where they may lead.
type links struct{}

// Transform implements [parser.ASTTransformer].
func (links) Transform(page *ast.Document, source text.Reader, context parser.Context) {
	link, _ := context.Get(linkKey).(Link)
	var found []ast.Node
	_ = ast.Walk(page, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindLink, ast.KindImage, ast.KindAutoLink:
			if entering {
				found = append(found, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range found {
		if l, ok := n.(*ast.Link); ok {
			if address, ok := link(string(l.Destination)); ok {
				l.Destination, l.Title = []byte(address), nil
				continue
			}
		}
		unwrap(n, source.Source())
	}
}

// unwrap leaves a node's words in its place.
func unwrap(n ast.Node, source []byte) {
	parent := n.Parent()
	if auto, ok := n.(*ast.AutoLink); ok {
		parent.ReplaceChild(parent, n, ast.NewString(auto.Label(source)))
		return
	}
	for child := n.FirstChild(); child != nil; child = n.FirstChild() {
		parent.InsertBefore(parent, n, child)
	}
	parent.RemoveChild(parent, n)
}
