package session

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
)

// Finding is one thing that this computer has or lacks. Nothing of it is needed to run
// the samples.
type Finding struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
	Remedy  string `json:"remedy,omitempty"`
}

// Title is what is found, in the window's language, with its version.
func (f Finding) Title() string { return strings.TrimSpace(words.Found(f.Name) + " " + f.Version) }

// Computer looks for Docker, Go, memory, room for temporary files and a display. It takes
// up to three seconds where Docker does not answer: call it in the background.
func Computer(ctx context.Context) []Finding {
	finders := []func(context.Context) Finding{findDocker, findGo, findSamples, findMemory, findTemp, findDisplay}
	findings := make([]Finding, len(finders))
	var wg sync.WaitGroup
	for i, f := range finders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			findings[i] = f(ctx)
		}()
	}
	wg.Wait()
	return findings
}

func findDocker(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	version, err := chaincode.DockerVersion(ctx)
	if err != nil {
		return Finding{Name: "Docker", Detail: err.Error(),
			Remedy: words.L("chaincode runs as ordinary processes instead; for containers install Docker (apt-get install docker.io) and let your user use it")}
	}
	version, _, _ = strings.Cut(version, "+") // what a distribution adds
	return Finding{Name: "Docker", Version: version, OK: true, Detail: words.L("containers for chaincode") + ", " + builderImage(ctx)}
}

// builderImage says whether the image is there that compiles chaincode from source.
func builderImage(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "docker", "images", "--quiet", "fabriscope-builder").Output()
	if err == nil && len(strings.TrimSpace(string(out))) > 0 {
		return words.L("builder image ready")
	}
	return words.L("builder image made with the first chaincode from source")
}

func findGo(ctx context.Context) Finding {
	out, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return Finding{Name: "Go", Detail: words.L("not found: chaincode from source cannot be compiled without Docker"),
			Remedy: words.L("install Go 1.26 or newer from https://go.dev/dl/; the samples run without it")}
	}
	version := ""
	if parts := strings.Fields(string(out)); len(parts) > 2 { // go version go1.26.8 linux/amd64
		version = strings.TrimPrefix(parts[2], "go")
	}
	return Finding{Name: "Go", Version: version, OK: true, Detail: words.L("compiles chaincode without Docker too")}
}

func findSamples(context.Context) Finding {
	names := strings.Join(chaincode.SampleNames(), ", ")
	if bundle.Available() {
		return Finding{Name: "Samples", OK: true, Detail: words.L("inside the program as a static binary: {{.Names}}", names)}
	}
	return Finding{Name: "Samples", OK: true, Detail: words.L("run as this program itself: {{.Names}}", names),
		Remedy: words.L("build with \"make build\" to start them faster and with less memory, and as containers without a compiler")}
}

// enoughMemory is what a network of the default size needs with its window, in bytes.
const enoughMemory = 1 << 30

func findMemory(context.Context) Finding {
	total, free, err := memory("/proc/meminfo")
	if err != nil {
		return Finding{Name: "Memory", OK: true, Detail: words.L("not known here, {{.N}} cores", runtime.NumCPU())}
	}
	f := Finding{Name: "Memory", OK: free >= enoughMemory, Detail: words.L("{{.Free}} free of {{.All}}, {{.N}} cores", gigabytes(free), gigabytes(total), runtime.NumCPU())}
	if !f.OK {
		f.Remedy = words.L("close other programs, or start the network \"one-of-each\", which needs the least")
	}
	return f
}

func gigabytes(bytes uint64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30)) }

// memory reads the sizes of Linux's meminfo, in bytes.
func memory(path string) (total, free uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			total = kb << 10
		case "MemAvailable":
			free = kb << 10
		}
	}
	if total == 0 {
		return 0, 0, fmt.Errorf("%s does not say how much memory there is", path)
	}
	return total, free, nil
}

func findTemp(context.Context) Finding {
	dir, err := os.MkdirTemp("", "fabriscope-")
	if err != nil {
		return Finding{Name: "Temp folder", Detail: err.Error(), Remedy: words.L("set TMPDIR to a folder that can be written")}
	}
	defer os.RemoveAll(dir)
	if len(dir) > 70 {
		return Finding{Name: "Temp folder", Detail: words.L("{{.Folder}} is too long a path for unix sockets", dir), Remedy: words.L("set TMPDIR to a shorter path, like /tmp")}
	}
	return Finding{Name: "Temp folder", OK: true, Detail: os.TempDir()}
}

func findDisplay(context.Context) Finding {
	for _, name := range []string{"WAYLAND_DISPLAY", "DISPLAY"} {
		if v := os.Getenv(name); v != "" {
			return Finding{Name: "Graphics", OK: true, Detail: graphics("/dev/dri") + " (" + name + "=" + v + ")"}
		}
	}
	return Finding{Name: "Graphics", Detail: words.L("no display"), Remedy: words.L("every command here works without one")}
}

// graphics says whether there is a graphics card to draw with.
func graphics(devices string) string {
	if os.Getenv("LIBGL_ALWAYS_SOFTWARE") != "" {
		return words.L("software OpenGL: drawn by the processor, as LIBGL_ALWAYS_SOFTWARE asks")
	}
	if cards, err := filepath.Glob(filepath.Join(devices, "render*")); err == nil && len(cards) > 0 {
		return words.L("OpenGL with a graphics card")
	}
	return words.L("software OpenGL: no graphics card, drawn by the processor")
}
