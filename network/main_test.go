package network_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/network"
)

// TestMain lets this test binary be a sample chaincode or a node when a network
// under test starts it as one. At the end no test may have left a process, a
// socket or a folder behind: everything temporary goes into one folder, which must
// be empty then.
func TestMain(m *testing.M) {
	samples.Hook()
	network.Hook()
	if dir := os.Getenv(victim); dir != "" {
		fmt.Fprintln(os.Stderr, beVictim(dir))
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// Short, because it becomes part of socket paths.
	dir, err := os.MkdirTemp("", "fsn")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		return code // fuzzing kills its helpers, which then leave what they had
	}
	for _, left := range leftovers(dir) {
		fmt.Fprintln(os.Stderr, "left behind:", left)
		code = max(code, 1)
	}
	return code
}

// leftovers lists files in dir, and processes that were started for a test: those
// that run this test binary, or whose command line names dir.
func leftovers(dir string) []string {
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		left = append(left, err.Error())
	}
	for _, e := range entries {
		left = append(left, filepath.Join(dir, e.Name()))
	}
	// A process that was killed needs a moment until it is gone.
	var processes []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if processes = processesOf(dir); len(processes) == 0 {
			break
		}
	}
	return append(left, processes...)
}

// tempDir is the folder for everything temporary.
func tempDir() string { return os.Getenv("TMPDIR") }

func processesOf(dir string) []string {
	self, err := os.Executable()
	if err != nil {
		return []string{err.Error()}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // not Linux
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		exe, _ := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if exe == self || len(line) > 0 && strings.Contains(string(line), dir+"/") {
			found = append(found, fmt.Sprintf("process %d: %s", pid, strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	return found
}
