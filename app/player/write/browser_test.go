package write_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fabriscope/fabriscope/app/player"
	"github.com/fabriscope/fabriscope/app/player/write"
	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// The page of a run in a real browser: what it shows is what the player draws natively.

const recording = "../../view/testdata/two-clients-one-key.fscope"

// browserPatience bounds what a loaded machine needs to start a browser, unpack and
// compile the program and read the run.
const browserPatience = 5 * time.Minute

func mustPage(t *testing.T) (path string, run *runfile.Run) {
	t.Helper()
	if !write.Available() {
		t.Skip("the player is not built: make build")
	}
	run, err := runfile.Open(recording)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	var page bytes.Buffer
	if err := write.Page(&page, run, report.PageInfo{}, player.Head{Name: "race", Contents: true}); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "race.html")
	if err := os.WriteFile(path, page.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, run
}

// TestPage: a page is one file of at most 6 MB that loads nothing.
func TestPage(t *testing.T) {
	path, _ := mustPage(t)
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(page) > 6_000_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, wanted := range []string{"MVCC_READ_CONFLICT", "Apache License", "BSD", "SIL OPEN FONT LICENSE", "Content-Security-Policy"} {
		if !bytes.Contains(page, []byte(wanted)) {
			t.Errorf("the page lacks %q", wanted)
		}
	}
	for _, unwanted := range []string{"src=\"http", "@import", "url(http"} {
		if bytes.Contains(page, []byte(unwanted)) {
			t.Errorf("the page loads something: %q", unwanted)
		}
	}
}

// browser opens pages in Chromium.
type browser struct {
	*testing.T
	ctx context.Context
}

func mustBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium here: the page is not tried in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(browserPatience), chromedp.WindowSize(1280, 720))
	ctx, cancel := context.WithTimeout(context.Background(), browserPatience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // events that it does not know
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser's end
		cancel()
	})
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skipf("Chromium does not start here, the page is not tried in a browser: %v", err)
	}
	return &browser{t, ctx}
}

func (b *browser) must(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// open goes to an address of a page and waits until the run has been read.
func (b *browser) open(path, address string) {
	b.Helper()
	u := url.URL{Scheme: "file", Path: path}
	b.must(chromedp.Navigate("about:blank"), chromedp.Navigate(u.String()+address), chromedp.WaitReady(chromedp.CSS(`#player[data-ready]`)))
	b.settle()
}

// settle waits until what was done has been drawn.
func (b *browser) settle() {
	b.Helper()
	evaluate[any](b, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => done(1)))))`)
}

// text is what a script gives.
func (b *browser) text(script string) string {
	b.Helper()
	return evaluate[string](b, script)
}

// evaluate gives what a script gives, after waiting for it if it is a promise.
func evaluate[T any](b *browser, script string) T {
	b.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// pixels is a hash of a canvas as the page computes it, and its size.
func (b *browser) pixels(id string) (sum string, w, h int) {
	b.Helper()
	out := evaluate[struct {
		Sum  string
		W, H int
	}](b, fmt.Sprintf(`(() => { const c = document.getElementById("p-%s"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		let n = 2166136261; for (let i = 0; i < d.length; i++) n = Math.imul(n ^ d[i], 16777619) >>> 0; return {Sum: String(n), W: c.width, H: c.height}; })()`, id))
	return out.Sum, out.W, out.H
}

// hashed is the same hash of a picture.
func hashed(pic *image.RGBA) string {
	n := uint32(2166136261)
	for _, v := range pic.Pix {
		n = (n ^ uint32(v)) * 16777619
	}
	return fmt.Sprint(n)
}

// The page that the README leads to shows the conflict and its reason.
func TestReadmesPageInABrowser(t *testing.T) {
	path, err := filepath.Abs("../../../docs/runs/two-clients-one-key.html")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../../docs/SHARING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, address, found := strings.Cut(string(readme), "two-clients-one-key.html?lang=en")
	if !found {
		t.Fatal("docs/SHARING.md does not show an address")
	}
	address, _, _ = strings.Cut(address, `"`)
	b := mustBrowser(t)
	b.open(path, "?lang=en"+address)
	if reason := b.text(`document.getElementById("p-inspector").innerText`); !strings.Contains(reason, "MVCC_READ_CONFLICT") {
		t.Errorf("%s shows %s", address, reason)
	}
}

func TestPageInABrowser(t *testing.T) {
	path, run := mustPage(t)
	b := mustBrowser(t)
	id := loser(t, run)
	b.open(path, "?lang=en&dark#at="+id[:6]+":verdict")

	// The moment's address leads to the verdict, and the inspector says why.
	reason := b.text(`document.getElementById("p-inspector").innerText`)
	for _, want := range []string{"MVCC_READ_CONFLICT", id[:4]} {
		if !strings.Contains(reason, want) {
			t.Errorf("the inspector lacks %q: %s", want, reason)
		}
	}

	// What is drawn is what is drawn natively at this moment.
	native := mustNative(t, run)
	native.GoTo("at=" + id[:6] + ":verdict")
	native.SetLanguage("en")
	compare := func(when string) {
		t.Helper()
		for i, panel := range []string{"stage", "timeline", "chain"} {
			_, w, h := b.pixels(panel)
			native.Paint(player.Panel(i), w, h, 1) // a panel knows its size from then on
		}
		for i, panel := range []string{"stage", "timeline", "chain"} {
			got, w, h := b.pixels(panel)
			if want := hashed(native.Paint(player.Panel(i), w, h, 1)); got != want {
				t.Errorf("%s: the page's %s (%dx%d) differs from the native one", when, panel, w, h)
			}
		}
	}
	compare("at the verdict")

	// By keyboard: to the close-up, and back.
	b.must(chromedp.KeyEvent("v"))
	b.settle()
	native.Key("v", false)
	compare("in the close-up")
	b.must(chromedp.KeyEvent(kb.Escape))
	b.settle()
	native.Key("Escape", false)

	// Back and forth a hundred times is the same picture and the same address.
	before, _, _ := b.pixels("stage")
	address := b.text(`location.hash`)
	for _, key := range []string{"ArrowRight", "ArrowLeft"} {
		evaluate[any](b, fmt.Sprintf(`for (let i = 0; i < 100; i++) document.body.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true})); 1`, key))
		b.settle()
	}
	if after, _, _ := b.pixels("stage"); after != before || b.text(`location.hash`) != address {
		t.Errorf("a hundred steps there and back lead from %s to %s, or to another picture", address, b.text(`location.hash`))
	}

	// By search and mouse: a block is found, a link of the inspector followed.
	b.must(chromedp.SendKeys(chromedp.CSS(`#p-search`), "block 4"+kb.Enter))
	b.settle()
	if title := b.text(`document.querySelector("#p-inspector h2").innerText`); title != "Block 4" {
		t.Errorf("the search shows %q", title)
	}
	b.must(chromedp.Click(chromedp.CSS(`#p-inspector a[data-link]`)))
	b.settle()
	if title := b.text(`document.querySelector("#p-inspector h2").innerText`); title == "Block 4" {
		t.Error("a link leads nowhere")
	}

	// Another language, and the report below.
	b.must(chromedp.Click(chromedp.CSS(`#p-language`)))
	b.settle()
	if lang := b.text(`document.getElementById("player").lang`); lang != "de" {
		t.Errorf("the language is %q", lang)
	}
	b.must(chromedp.Click(chromedp.CSS(`#p-report`)))
	if shown := b.text(`getComputedStyle(document.querySelector("main")).display`); shown == "none" {
		t.Error("the report is not shown")
	}
}

// A page whose run is damaged says so and shows its report.
func TestDamagedPage(t *testing.T) {
	path, _ := mustPage(t)
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(page, []byte(`id="run-data">`)) + 40
	copy(page[at:], "~~~~~~~~~~~~~~~~~~~~")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	b := mustBrowser(t)
	u := url.URL{Scheme: "file", Path: path}
	b.must(chromedp.Navigate(u.String()), chromedp.WaitReady(chromedp.CSS(`#p-failed`)))
	if shown := b.text(`getComputedStyle(document.querySelector("main")).display`); shown == "none" {
		t.Error("the report is not shown")
	}
}

func mustNative(t *testing.T, run *runfile.Run) *player.Player {
	t.Helper()
	var packed bytes.Buffer
	if err := player.Pack(&packed, run, player.Head{Name: "race", Contents: true}); err != nil {
		t.Fatal(err)
	}
	p, err := player.New(packed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for share := 0.0; share < 1; {
		if share, err = p.Load(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func loser(t *testing.T, run *runfile.Run) string {
	t.Helper()
	events, _, _ := run.Since(0, 1<<20)
	for _, e := range events {
		if code, ok := words.CodeOf(&e); ok && e.Kind == trace.Verdict && code != 0 {
			return e.TxID
		}
	}
	t.Fatal("no transaction lost")
	return ""
}
