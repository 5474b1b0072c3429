// Command benchpaint measures how soon a browser shows the pages of a node that
// runs: the first contentful paint, with nothing cached. docs/bench.md has what it
// found.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// target is within what a page is to be seen.
const target = time.Second

// options are a run's flags.
type options struct {
	url    string
	rounds int
	slower float64
	asJSON bool
}

// painted is when a page was first seen, in milliseconds from asking for it.
type painted struct {
	Page   string  `json:"page"`
	Median float64 `json:"median_ms"`
	Most   float64 `json:"most_ms"`
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "benchpaint",
		Short: "Measure how soon a browser shows a node's pages",
		Long: `Opens each page of a running node in Chromium, with an empty cache, and prints when
something of it was first seen (first contentful paint). --slower slows the browser's
processor down, as an old laptop would.`,
		Example: "  koinon up &\n  go run ./cmd/benchpaint\n  go run ./cmd/benchpaint --url http://127.0.0.1:8081 --slower 4 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rounds < 1 || o.slower < 1 {
				return fmt.Errorf("%w: --rounds and --slower must be at least 1", measure.ErrUsage)
			}
			o.url = strings.TrimSuffix(o.url, "/")
			return bench(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "where the pages are")
	f.IntVar(&o.rounds, "rounds", 7, "how often each page is opened")
	f.Float64Var(&o.slower, "slower", 1, "how many times slower than this machine the browser's processor is to be")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

func bench(ctx context.Context, o options, out io.Writer) error {
	paths := []string{"/", "/models", "/providers", "/ledger", "/ledger/txs", "/economy", "/wallet", "/docs/"}
	for folder, field := range map[string]string{"/models": "digest", "/providers": "address"} {
		name, err := first(ctx, o.url+folder+"?format=json", field)
		if err != nil {
			return err
		}
		if name != "" {
			paths = append(paths, folder+"/"+name)
		}
	}
	slices.Sort(paths)
	ctx, stop, err := browser(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := chromedp.Run(ctx, network.Enable(), network.SetCacheDisabled(true), emulation.SetCPUThrottlingRate(o.slower)); err != nil {
		return fmt.Errorf("starting the browser: %w", err)
	}
	here := machine.This()
	list := []painted{}
	for _, path := range paths {
		p, err := paint(ctx, o, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, p)
	}
	if o.asJSON {
		return json.NewEncoder(out).Encode(list)
	}
	here.Print(out)
	fmt.Fprintf(out, "\n%-26s %9s %9s  ms, processor %g times slower\n", "page", "median", "most", o.slower)
	for _, p := range list {
		verdict := "ok"
		if p.Most > float64(target.Milliseconds()) {
			verdict = "over"
		}
		fmt.Fprintf(out, "%-26.26s %9.0f %9.0f  %s\n", p.Page, p.Median, p.Most, verdict)
	}
	return nil
}

// browser starts Chromium.
func browser(ctx context.Context) (_ context.Context, stop func(), err error) {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		return nil, nil, errors.New("there is no Chromium here (Debian: apt-get install chromium)")
	}
	flags := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute)}
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	allocator, end := chromedp.NewExecAllocator(ctx, flags...)
	// chromedp complains of events that are newer than it is.
	tab, closeTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	return tab, func() { closeTab(); end() }, nil
}

// seen waits for the first contentful paint and says when it was.
const seen = `new Promise((done) => new PerformanceObserver((list) => {
	for (const e of list.getEntries()) if (e.name === "first-contentful-paint") done(e.startTime);
}).observe({ type: "paint", buffered: true }))`

// paint opens a page so many times; the first, which starts the browser's own
// machinery, is not counted.
func paint(ctx context.Context, o options, path string) (painted, error) {
	var took []float64
	for i := range o.rounds + 1 {
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		var ms float64
		err := chromedp.Run(limited, chromedp.Navigate(o.url+path),
			chromedp.Evaluate(seen, &ms, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		cancel()
		if err != nil {
			return painted{}, err
		}
		if i > 0 {
			took = append(took, ms)
		}
	}
	slices.Sort(took)
	return painted{path, took[len(took)/2], took[len(took)-1]}, nil
}

// first is a field of a table's first row, or "".
func first(ctx context.Context, url, field string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("no node answers: start one with koinon up, or give --url: %w", err)
	}
	defer response.Body.Close()
	var rows []map[string]any
	if err := json.NewDecoder(response.Body).Decode(&rows); err != nil {
		return "", fmt.Errorf("%s is no table: %w", url, err)
	}
	if len(rows) == 0 {
		return "", nil
	}
	name, _ := rows[0][field].(string)
	return name, nil
}
