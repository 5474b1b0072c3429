package devnet_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

// axeFile is axe-core as npm installs it for the pages' sources.
const axeFile = "../web/ui/node_modules/axe-core/axe.min.js"

// browser is a Chromium with one tab.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string // of the pages, without a slash at its end
	axe  string // the source of axe-core

	mu         sync.Mutex
	complaints []string // errors on the tab's console since they were last taken
}

// openBrowser starts Chromium, or skips the test where there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("SKIPPED: chromium is absent, so nobody looks at the pages (Debian: apt-get install chromium)")
	}
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Skip("SKIPPED: axe-core is absent, so nobody looks at the pages (npm ci --prefix internal/web/ui)")
	}
	folder, err := os.MkdirTemp("", "koinon-browser")
	if err != nil {
		t.Fatal(err)
	}
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(folder), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(2 * time.Minute),
	}
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	b := &browser{t: t, axe: string(axe)}
	var closeTab context.CancelFunc
	// chromedp complains of events that are newer than it is.
	b.ctx, closeTab = chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	chromedp.ListenTarget(b.ctx, b.hear)
	t.Cleanup(func() {
		closeTab()
		stop()
		if err := os.RemoveAll(folder); err != nil {
			t.Log(err)
		}
	})
	b.do("start", cdplog.Enable(), runtime.Enable())
	return b
}

// hear keeps what a page complains about on its console.
func (b *browser) hear(event any) {
	complaint := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complaint = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			complaint = fmt.Sprintf("%s: %s", e.Type, e.Args[0].Value)
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
			complaint = fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	}
	if complaint != "" {
		b.mu.Lock()
		b.complaints = append(b.complaints, complaint)
		b.mu.Unlock()
	}
}

// quiet fails if a page has complained since this was last asked.
func (b *browser) quiet(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		t.Errorf("on the console: %s", c)
	}
	b.complaints = nil
}

// patience is how long one step may take on a slow machine.
const patience = time.Minute

// do runs steps, and fails with what the page shows if one is not done in time.
func (b *browser) do(what string, steps ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	if what == "start" { // the first call's context is the browser's life
		cancel()
		ctx, cancel = b.ctx, func() {}
	}
	defer cancel()
	if err := chromedp.Run(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v; the page shows:\n%s", what, err, b.shown())
	}
}

// open goes to a page.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.base+path), chromedp.WaitVisible("footer"))
}

// until waits until an expression of JavaScript is true, on whatever page there is.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var yes bool
		if err := chromedp.Run(ctx, chromedp.Evaluate(expression, &yes, awaited)); err == nil && yes {
			return // an error says that the page is about to be another
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s: not in time; the page shows:\n%s", what, b.shown())
		}
	}
}

// shown is the text of the page, to say more about a failure.
func (b *browser) shown() (text string) {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Evaluate(`document.querySelector("main").innerText.slice(0, 3000)`, &text)); err != nil {
		return err.Error()
	}
	return text
}

// awaited takes what a promise brings for an expression's value.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// read evaluates an expression of JavaScript.
func read[T any](b *browser, expression string) (value T) {
	b.t.Helper()
	b.do("evaluate "+expression, chromedp.Evaluate(expression, &value, awaited))
	return value
}

// keep takes a picture of the page, for those who asked for pictures.
func (b *browser) keep(name string) {
	folder := os.Getenv("KOINON_SCREENSHOTS")
	if folder == "" {
		return
	}
	var picture []byte
	b.do("take a picture", chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o644); err != nil {
		b.t.Error(err)
	}
}

// What axe-core looks for: all of WCAG 2.2, or only what colours and widths change.
const (
	everything = `{ type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }`
	appearance = `{ type: "rule", values: ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"] }`
)

// faults are what axe-core finds to be serious on the page.
func (b *browser) faults(rules string) []string {
	b.t.Helper()
	b.do("load axe-core", chromedp.Evaluate(b.axe, nil))
	return read[[]string](b, `axe.run(document, { resultTypes: ["violations"], runOnly: `+rules+` }).then((r) => r.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 200) + " " + (n.any[0]?.message ?? "")).join("\n\t")))`)
}

// What a person does with the pages, in a browser: every page is looked at in
// light and dark, wide and on a phone; a question is asked and paid for; a
// receipt is checked, and a changed one is found out.
func TestPeopleWithABrowser(t *testing.T) {
	b := openBrowser(t)
	c := config(t.TempDir())
	c.Providers = 1
	n, err := devnet.Start(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	b.base = strings.TrimSuffix(n.Gateway, "/v1")
	story := func(name string, tell func(*testing.T, *browser)) {
		t.Run(name, func(t *testing.T) {
			b.t = t
			tell(t, b)
			b.quiet(t)
		})
	}
	story("ask", asks)
	story("receipt", checksReceipt)
	story("search", searches)
	h := newHand(t, n.Info)
	story("trade", h.trades)
	story("access", h.admits)
	story("vote", h.votes)
	story("keep a key", h.keeps)
	story("extension", h.extends)
	story("pages", func(t *testing.T, b *browser) {
		looksAround(t, b, n.Models[0].Digest, account(t, n.Info, "provider-1"), account(t, n.Info, "bob"))
	})
}

// asks: an answer streams, its cost rises, and who is paid is named.
func asks(t *testing.T, b *browser) {
	b.open("/")
	b.until("the index knows the provider", `fetch("/search?format=json&q=provider-1").then((r) => r.json()).then((found) => found.length > 0)`)
	b.until("models are there", `document.querySelector("#facts dt") !== null`)
	b.do("watch", chromedp.Evaluate(`window.seen = { text: new Set(), cost: new Set() };
		new MutationObserver(() => {
			seen.text.add(document.querySelector(".message.model .text")?.textContent);
			seen.cost.add(document.getElementById("cost").textContent);
		}).observe(document.getElementById("playground"), { subtree: true, childList: true, characterData: true })`, nil))
	b.do("ask", chromedp.SetValue("#tokens", "40"), chromedp.SendKeys("#prompt", "ROMEO:"+kb.Enter))
	b.until("the answer has its receipt", `document.querySelector(".message.model .under button") !== null`)
	if texts, costs := read[int](b, `seen.text.size`), read[int](b, `seen.cost.size`); texts < 5 || costs < 5 {
		t.Errorf("the answer came in %d pieces, its cost in %d", texts, costs)
	}
	if cost := read[string](b, `document.getElementById("cost").textContent`); cost == "$0.000000" || !strings.HasPrefix(cost, "$0.0") {
		t.Errorf("it cost %s", cost)
	}
	b.until("who is paid is named", `document.querySelector("#paid a")?.textContent === "provider-1"`)
}

// checksReceipt: the receipt of the answer holds, and does not once it is changed.
func checksReceipt(t *testing.T, b *browser) {
	b.do("open the receipt", chromedp.Click(".message.model .under button"), chromedp.WaitVisible("#receipt .checks li"))
	if checks, failing := read[int](b, `document.querySelectorAll(".checks li").length`), read[int](b, `document.querySelectorAll(".checks li.fails").length`); checks < 4 || failing > 0 {
		t.Errorf("%d of %d checks fail", failing, checks)
	}
	if faults := b.faults(everything); len(faults) > 0 {
		t.Errorf("the receipt: %s", strings.Join(faults, "\n"))
	}
	b.do("change the receipt", chromedp.Click("#receipt details summary"), chromedp.Evaluate(`{
		const area = document.querySelector("#receipt textarea");
		area.value = area.value.replace(/"completion_tokens": \d+/, '"completion_tokens": 3');
		area.dispatchEvent(new Event("input"));
	}`, nil))
	if says := read[string](b, `document.querySelector(".checks").innerText`); !strings.Contains(says, "signature") || read[int](b, `document.querySelectorAll(".checks li.fails").length`) < 2 {
		t.Errorf("a changed receipt: %s", says)
	}
	b.do("close the receipt", chromedp.Click("#receipt .close"), chromedp.WaitNotVisible("#receipt"))
}

// searches: a model by the beginning of its name, a block by its number.
func searches(t *testing.T, b *browser) {
	b.open("/ledger")
	b.do("search", chromedp.SendKeys(".search input", "triv"+kb.Enter), chromedp.WaitVisible(".hits a"), chromedp.Click(".hits a"))
	b.until("the model is found", `document.querySelector("h1")?.textContent.startsWith("trivium@")`)
	b.do("search", chromedp.SendKeys(".search input", "1"+kb.Enter), chromedp.WaitVisible(".hits a"))
	if to := read[string](b, `document.querySelector(".hits a").getAttribute("href")`); to != "/blocks/1" {
		t.Errorf("block 1 is %s", to)
	}
}

// phone is a small screen's width in CSS pixels.
const phone = 360

// looksAround looks at each page twice: wide and light, and dark on a phone.
func looksAround(t *testing.T, b *browser, model, provider, person string) {
	look := func(path, name, rules string) {
		b.open(path)
		b.keep(strings.NewReplacer("/", "-", "?", "-", ":", "-").Replace(path) + "-" + name + ".png")
		for _, fault := range b.faults(rules) {
			t.Errorf("%s, %s: %s", path, name, fault)
		}
	}
	pages := []string{"/", "/models", "/models/" + model, "/providers", "/providers/" + provider, "/ledger", "/ledger/txs", "/blocks/2", "/accounts/" + person, "/economy", "/wallet", "/ledger/validators", "/ledger/proposals", "/ledger/modules", "/models/" + ledgertest.Digest("bard"), "/search?q=trivium", "/docs/", "/docs/bench", "/docs/howto/release-a-model"}
	for _, path := range pages {
		look(path, "wide", everything)
	}
	light := read[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.do("darken", chromedp.Click("#theme"))
	b.do("shrink", emulation.SetDeviceMetricsOverride(phone, 760, 2, true))
	for _, path := range pages {
		look(path, "phone", appearance)
		if width := read[int](b, `document.documentElement.scrollWidth`); width > phone {
			t.Errorf("%s is %d pixels wide on a phone", path, width)
		}
	}
	if dark := read[string](b, `getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("dark is %s as light is", dark)
	}
	b.do("widen", emulation.ClearDeviceMetricsOverride())
}
