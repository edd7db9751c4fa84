package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
)

// finding is one line of the doctor: what there is, and what to do if it lacks.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func (p *program) doctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "doctor",
		GroupID: "more",
		Short:   "Say what this computer has for Fabriscope, and what to do about what it lacks",
		Long:    "Looks for Docker, Go, memory, room for temporary files and a display. Nothing of it is required to run the samples.",
		Example: `  fabriscope doctor --json`,
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := []finding{findDocker(cmd.Context()), findGo(cmd.Context()), findSamples(), findTemp(), findDisplay()}
			if asJSON {
				return json.NewEncoder(p.out).Encode(findings)
			}
			for _, f := range findings {
				mark := "yes"
				if !f.OK {
					mark = "no "
				}
				fmt.Fprintf(p.out, "%s  %-12s %s\n", mark, f.Name, f.Detail)
				if f.Remedy != "" {
					fmt.Fprintf(p.out, "     %-12s %s\n", "", f.Remedy)
				}
			}
			fmt.Fprintf(p.out, "\nfabriscope %s, %s/%s, %d cores\n", Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func findDocker(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	version, err := chaincode.DockerVersion(ctx)
	if err != nil {
		return finding{Name: "Docker", Detail: err.Error(),
			Remedy: "chaincode runs as ordinary processes instead; for containers install Docker (apt-get install docker.io) and let your user use it"}
	}
	return finding{Name: "Docker", OK: true, Detail: "engine " + version + ": chaincode runs in containers"}
}

func findGo(ctx context.Context) finding {
	out, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return finding{Name: "Go", Detail: "not found: chaincode from source cannot be compiled without Docker",
			Remedy: "install Go 1.26 or newer from https://go.dev/dl/; the samples run without it"}
	}
	return finding{Name: "Go", OK: true, Detail: strings.TrimSpace(string(out)) + ": compiles chaincode from source"}
}

func findSamples() finding {
	if bundle.Available() {
		return finding{Name: "samples", OK: true, Detail: "inside the program as a static binary: " + strings.Join(chaincode.SampleNames(), ", ")}
	}
	return finding{Name: "samples", OK: true, Detail: "run as this program itself: " + strings.Join(chaincode.SampleNames(), ", "),
		Remedy: "build with \"make build\" to start them faster and with less memory, and as containers without a compiler"}
}

func findTemp() finding {
	dir, err := os.MkdirTemp("", "fabriscope-")
	if err != nil {
		return finding{Name: "temp folder", Detail: err.Error(), Remedy: "set TMPDIR to a folder that can be written"}
	}
	defer os.RemoveAll(dir)
	if len(dir) > 70 {
		return finding{Name: "temp folder", Detail: dir + " is too long a path for unix sockets", Remedy: "set TMPDIR to a shorter path, like /tmp"}
	}
	return finding{Name: "temp folder", OK: true, Detail: os.TempDir()}
}

func findDisplay() finding {
	for _, name := range []string{"WAYLAND_DISPLAY", "DISPLAY"} {
		if v := os.Getenv(name); v != "" {
			return finding{Name: "display", OK: true, Detail: name + "=" + v}
		}
	}
	return finding{Name: "display", Detail: "none", Remedy: "every command here works without one"}
}
