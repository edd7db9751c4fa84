// Package gocmd runs the computer's go command for chaincodes: package chaincode
// lists and vendors sources with it, chaincode/process compiles them. It serves
// installation and launch, before step 3 of a transaction.
package gocmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrAbsent: this computer has no go command.
var ErrAbsent = errors.New("there is no go command on this computer; install Go (https://go.dev/dl) or put it in PATH, or use the docker runtime")

// Tool is a go command that answered.
type Tool struct {
	Path    string
	Version string // "go1.26.8"
	env     []string
}

// fromCaller are the variables of the calling program that the go command needs to
// find its caches and module sources. Everything else, secrets above all, stays out.
var fromCaller = []string{
	"GOMODCACHE", "GOPATH", "GOCACHE", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH",
}

// Find gives the go command at path, or, if path is "", the one in PATH or in the
// place where its own installer puts it.
func Find(ctx context.Context, path string) (*Tool, error) {
	for _, p := range candidates(path) {
		if p, err := exec.LookPath(p); err == nil {
			return ask(ctx, p)
		}
	}
	return nil, ErrAbsent
}

func candidates(path string) []string {
	if path != "" {
		return []string{path}
	}
	return []string{"go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go"}
}

// ask takes the settings from "go env", so that what "go env -w" keeps counts too.
func ask(ctx context.Context, path string) (*Tool, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the go command: %w", err)
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"env", "-json", "GOVERSION"}, fromCaller...)...)
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off")
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s does not answer to \"go env\": %w", path, err)
	}
	var settings map[string]string
	if err := json.Unmarshal(out, &settings); err != nil {
		return nil, fmt.Errorf("%s: read the answer of \"go env\": %w", path, err)
	}
	t := &Tool{Path: path, Version: settings["GOVERSION"]}
	for _, name := range fromCaller {
		if v := settings[name]; v != "" {
			t.env = append(t.env, name+"="+v)
		}
	}
	for _, name := range []string{"HOME", "TMPDIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			t.env = append(t.env, name+"="+v)
		}
	}
	t.env = append(t.env,
		"PATH="+filepath.Dir(path)+":/usr/local/bin:/usr/bin:/bin",
		"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOWORK=off", "GOENV=off", "GOFLAGS=", "GOTELEMETRY=off")
	return t, nil
}

// Command prepares "go args..." in dir. It is killed when ctx ends.
func (t *Tool) Command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Path, args...)
	cmd.Dir, cmd.Env = dir, t.env
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Run runs "go args..." in dir and gives what it prints. If it fails, the error has
// the first complaints in one line.
func (t *Tool) Run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	out, err := t.Command(ctx, dir, args...).Output()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("go %s was given up: %w", args[0], context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return nil, fmt.Errorf("go %s: %s", args[0], brief(string(exit.Stderr)))
	}
	return nil, fmt.Errorf("go %s: %w", args[0], err)
}

// maxComplaints is how many lines of the go command's complaints an error has: the
// first ones name the cause, the others mostly follow from them.
const maxComplaints = 3

// brief makes one line of what the go command complained about.
func brief(said string) string {
	var lines []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "go: downloading ") || strings.HasSuffix(line, " imports") {
			continue
		}
		if len(lines) == maxComplaints {
			lines = append(lines, "...")
			break
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}
