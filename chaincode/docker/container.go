package docker

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-units"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// Inside a chaincode's container.
const (
	nobody     = 65532             // the user, and the group
	binaryPath = "/chaincode"      // the only file of the image
	socketDir  = "/run/fabriscope" // the directory with the peer's socket
)

// plan is everything that the engine wants to know about a container.
type plan struct {
	name    string
	config  *container.Config
	host    *container.HostConfig
	network *network.NetworkingConfig // nil: none
}

// chaincodePlan describes the container of one chaincode of one peer: no network, a
// root file system that cannot be written, no rights, limits on everything. The one
// way out is the peer's socket.
func chaincodePlan(spec *launch.Spec, image string, args []string, labels map[string]string) plan {
	pids := int64(spec.Limits.Processes)
	host := hardened()
	host.AutoRemove = true
	host.Resources = container.Resources{
		Memory:     spec.Limits.MemoryBytes,
		MemorySwap: spec.Limits.MemoryBytes, // the sum of both: no swap
		NanoCPUs:   int64(cpus(spec.Limits.CPUs) * 1e9),
		PidsLimit:  &pids,
		Ulimits:    []*units.Ulimit{{Name: "core"}, {Name: "nofile", Soft: 4096, Hard: 4096}},
	}
	host.Tmpfs = map[string]string{"/tmp": "rw,noexec,nosuid,nodev,size=16m,mode=1777"}
	host.Mounts = []mount.Mount{{
		Type: mount.TypeBind, Source: spec.SocketDir, Target: socketDir, ReadOnly: true,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}}
	return plan{
		name: containerName(spec.Label, spec.Peer),
		config: &container.Config{
			Image: image, Entrypoint: []string{binaryPath}, Cmd: args,
			Env: environment(spec), User: user(), WorkingDir: "/", Labels: labels,
		},
		host: host,
	}
}

// hardened is what chaincodes and builders have in common. The default seccomp profile
// applies because none is named.
func hardened() *container.HostConfig {
	return &container.HostConfig{
		NetworkMode:    network.NetworkNone,
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		IpcMode:        container.IPCModePrivate,
		ShmSize:        1 << 20,
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "1"}},
	}
}

func user() string { return fmt.Sprintf("%d:%d", nobody, nobody) }

// cpus is the limit that the engine accepts: it refuses more than there are.
func cpus(limit float64) float64 { return min(limit, float64(runtime.NumCPU())) }

// environment holds nothing of the program's own. The Go settings keep a chaincode
// within its limits by collecting garbage early rather than by being killed.
func environment(spec *launch.Spec) []string {
	env := []string{
		"HOME=/tmp",
		"TZ=UTC",
		fmt.Sprintf("GOMAXPROCS=%d", max(1, int(cpus(spec.Limits.CPUs)))),
		"GOGC=50",
		fmt.Sprintf("GOMEMLIMIT=%d", spec.Limits.MemoryBytes/10*9),
		"GOTRACEBACK=single",
	}
	return append(env, spec.Environ()...)
}

// containerName is for people who look at "docker ps".
func containerName(label, peer string) string {
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '-'
	}
	name := strings.Map(keep, label+"-"+peer)
	if len(name) > 100 {
		name = name[:100]
	}
	return "fabriscope-" + name + "-" + strings.ToLower(rand.Text()[:6])
}
