// Package docs is koinon's documentation, for programs that show it.
package docs

import "embed"

// Files are the pages in Markdown, under the paths that they have in this folder.
//
//go:embed *.md */*.md llms.txt
var Files embed.FS
