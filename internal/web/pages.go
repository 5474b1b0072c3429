package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/indexer/phrase"
)

// pages are the parsed templates, by name; each has the frame around it.
type pages struct {
	byName map[string]*template.Template
	assets map[string]string // a file's address with the digest of its content
}

// frame is what a template sees.
type frame struct {
	page
	Path    string
	Query   string // of a search
	Exports bool
	File    func(format string) string // where the page's table is as a file
	ChainID string
	Version string
	Height  int64
	Name    func(subject string) string
	Key     string
	Gateway bool // serves the API beside the pages
	Own     bool // a provider's owner looks at its own pages
}

func parse() (*pages, error) {
	p := &pages{byName: map[string]*template.Template{}, assets: map[string]string{}}
	err := fs.WalkDir(files, "assets", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		sum := sha256.Sum256(data)
		p.assets[strings.TrimPrefix(path, "assets/")] = "/" + path + "?" + hex.EncodeToString(sum[:6])
		return err
	})
	if err != nil {
		return nil, err
	}
	base, err := template.New("frame.html").Funcs(p.functions()).ParseFS(files, "templates/frame.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		short := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if short == "frame" || short == "parts" {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if p.byName[short], err = t.ParseFS(files, name); err != nil {
			return nil, fmt.Errorf("template %s: %w", short, err)
		}
	}
	return p, nil
}

// write writes a page; one whose template fails is not begun.
func (p *pages) write(w http.ResponseWriter, r *http.Request, status int, f frame) error {
	t, ok := p.byName[f.Template]
	if !ok {
		return fmt.Errorf("no template %q", f.Template)
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "frame.html", f); err != nil {
		http.Error(w, "The page could not be made; the node's log says why.", http.StatusInternalServerError)
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	if r.Context().Err() != nil {
		return nil // who asked has left
	}
	return err
}

// around adds what every page shows.
func (s *Site) around(r *http.Request, p page) frame {
	f := frame{page: p, Path: r.URL.Path, Query: r.URL.Query().Get("q"), Exports: p.Rows != nil, File: file(r), ChainID: s.config.ChainID, Version: s.config.Version, Name: s.names(r), Gateway: !s.config.Alone, Own: s.config.Own != nil && local(r)}
	f.Height, _ = s.config.Index.Height(r.Context()) // 0 says that it is not known
	if s.config.Key != "" && local(r) {
		f.Key = s.config.Key
	}
	return f
}

// file is where a page's table is as a file of a format, from the row on that the
// page begins with.
func file(r *http.Request) func(format string) string {
	return func(format string) string {
		query := r.URL.Query()
		query.Set("format", format)
		return "?" + query.Encode()
	}
}

// names finds an account's or a version's name, asking the index once for each.
func (s *Site) names(r *http.Request) func(string) string {
	known := map[string]string{}
	return func(subject string) string {
		name, asked := known[subject]
		if !asked {
			if name = s.config.Names[subject]; name == "" {
				name = s.config.Index.Name(r.Context(), subject)
			}
			if name == "" {
				name = s.issuers.name(r.Context(), s.config.Ledger, subject, s.now())
			}
			known[subject] = name
		}
		return name
	}
}

// functions are what templates write with.
func (p *pages) functions() template.FuncMap {
	return template.FuncMap{
		"asset":   func(name string) string { return p.assets[name] },
		"dollars": func(n uint64) string { return phrase.Grouped(credit.Dollars(n)) },
		"koin":    func(n uint64) string { return phrase.Grouped(strings.TrimSuffix(credit.Koin(n), " KOIN")) + " KOIN" },
		"short":   phrase.Short,
		"link":    link,
		"ago":     ago,
		"time":    func(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05 UTC") },
		"day":     func(unix int64) string { return time.Unix(unix, 0).UTC().Format("2 Jan") },
		"count":   func(n any) string { return phrase.Grouped(fmt.Sprint(n)) },
		"percent": percent,
		"bytes":   size,
		// Of amounts: as a percentage, and as a part of a thousand for drawing.
		"percent64": percent64,
		"share":     permille,
		"inUse":     inUse,
		"modelOf":   modelOf,
		"bps":       func(n uint32) string { return strconv.FormatFloat(float64(n)/100, 'f', -1, 64) + " %" },
		"query":     func(path string, pairs ...string) string { return withQuery(path, pairs) },
		"dict":      dict,
	}
}

// link is the page of a subject: an address, a digest, a grant.
func link(subject string) string {
	switch {
	case strings.HasPrefix(subject, "sha256:"):
		return "/models/" + url.PathEscape(subject)
	default:
		return "/accounts/" + url.PathEscape(subject)
	}
}

// modelOf is the model whose shares a denomination is, "share/NAMESPACE/NAME", or "".
func modelOf(denom string) string {
	namespace, name, ok := strings.Cut(strings.TrimPrefix(denom, "share/"), "/")
	switch {
	case !ok || !strings.HasPrefix(denom, "share/"):
		return ""
	case namespace == "_":
		return name
	}
	return "@" + namespace + "/" + name
}

// ago says how long before now a time was, in one unit.
func ago(unix int64, now time.Time) string {
	d := now.Sub(time.Unix(unix, 0))
	switch {
	case d < 0:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func percent(part, whole int) string { return percent64(uint64(part), uint64(whole)) }

func percent64(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + " %"
}

// inUse is how much of a bound is in use; one of 0 is none.
func inUse(part, bound uint64) string {
	if bound == 0 {
		return "no bound"
	}
	return percent64(part, bound)
}

// permille is a part in thousandths of the whole.
func permille(part, whole uint64) uint64 {
	if whole == 0 {
		return 0
	}
	return uint64(1000 * float64(part) / float64(whole))
}

// size writes bytes in the largest binary unit that leaves at least one.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, i := float64(n), 0
	for value >= 1024 && i < len(units)-1 {
		value /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[i])
}

func withQuery(path string, pairs []string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + values.Encode()
}

// dict gives a part of a template several values.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is no name", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}
