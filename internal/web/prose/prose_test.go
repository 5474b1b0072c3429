package prose

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// allowed are the tags and attributes that a page may have.
var allowed = map[string]string{
	"h1": "id", "h2": "id", "h3": "id", "h4": "id", "h5": "id", "h6": "id", "p": "", "a": "href", "em": "", "strong": "", "code": "class", "pre": "", "ul": "", "ol": "start", "li": "",
	"table": "", "thead": "", "tbody": "", "tr": "", "th": "align", "td": "align", "blockquote": "", "hr": "", "br": "",
}

// harm is what of a page may run something or load something.
func harm(page string) string {
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			attribute, known := allowed[t.Data]
			if !known {
				return t.String()
			}
			for _, a := range t.Attr {
				if a.Key != attribute || a.Key == "href" && !strings.HasPrefix(a.Val, "/") {
					return t.String()
				}
			}
		}
	}
}

// here lets links lead to pages of this site alone.
func here(to string) (string, bool) { return "/docs/" + to, strings.HasSuffix(to, ".md") }

var hostile = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `[a](javascript:alert(1))`, `[a](JaVaScRiPt:alert(1).md)`, `![a](http://evil/x.png)`, `<javascript:alert(1)>`,
	`[a]: javascript:alert(1)` + "\n\n[a]", "[a](data:text/html;base64,PHNjcmlwdD4=)", `<http://evil>`, "```html\"onclick=alert(1)\nx\n```", `# x {#y onclick=alert(1)}`,
	`<details open ontoggle=alert(1)>`, "| a |\n|:-:|\n| <svg onload=alert(1)> |", `[<img src=x onerror=alert(1)>](a.md)`, `[a](a.md "x\" onclick=\"alert(1)")`, `&lt;script&gt;`,
}

func TestWhatOthersWriteRunsNothing(t *testing.T) {
	for _, source := range hostile {
		page, err := HTML([]byte(source), here)
		if err != nil {
			t.Fatal(err)
		}
		if bad := harm(string(page)); bad != "" {
			t.Errorf("%q became %q, which has %s", source, page, bad)
		}
	}
}

func FuzzHTML(f *testing.F) {
	for _, source := range hostile {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		page, err := HTML([]byte(source), here)
		if err != nil {
			t.Fatal(err)
		}
		if bad := harm(string(page)); bad != "" {
			t.Errorf("%q became %q, which has %s", source, page, bad)
		}
	})
}

func TestPage(t *testing.T) {
	const source = "# How *fast*\n\nSee [bench](bench.md), [code](../cmd) and <https://example.org>.\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n"
	page, err := HTML([]byte(source), here)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<h1 id="how-fast">`, `<a href="/docs/bench.md">bench</a>, code and https://example.org.`, `<td align="right">2</td>`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s in %s", want, page)
		}
	}
	if title := Title([]byte(source)); title != "How *fast*" {
		t.Errorf("the title is %q", title)
	}
}
