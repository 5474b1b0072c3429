// Package spec is koinon's specification, for programs that show it.
package spec

import "embed"

// Files are the pages in Markdown.
//
//go:embed *.md
var Files embed.FS
