// Package launch holds what a chaincode host and the runtimes that start
// chaincodes tell each other: what to run ([Spec]), and what is running
// ([Instance]).
//
// It is a leaf. Package chaincode fills in a Spec when a transaction arrives for
// a chaincode that is not running; chaincode/docker and chaincode/process turn
// it into a container or a child process, which then dials the socket that the
// Spec names and registers. Both also read a package's source through this
// package (code.go), so that the rules about what a package may hold exist once.
//
// Read next: chaincode/process (the simpler runtime), chaincode/host.go (the caller).
package launch

import (
	"context"
	"errors"
	"time"
)

// Errors that every runtime reports in the same way.
var (
	// ErrUnavailable: the runtime cannot work on this computer (no Docker
	// engine, no Go toolchain). Wrapped with what is missing and what to do.
	ErrUnavailable = errors.New("chaincode runtime is not available")
	// ErrBuild: the package's source does not compile. Wrapped with the
	// compiler's words.
	ErrBuild = errors.New("chaincode does not build")
	// ErrCode: a package's code archive is malformed, dangerous or too big.
	ErrCode = errors.New("chaincode code archive is not acceptable")
)

// Spec is everything a runtime needs to know to start one chaincode for one peer.
type Spec struct {
	PackageID string // label:hash, lower-case hex; the name it must register with
	Label     string // the part before the colon
	Type      string // lower case: "golang", ...
	Path      string // the package's path from metadata.json: what to build inside the module
	Code      []byte // code.tar.gz; never changed by anybody

	// Sample names the built-in sample (asset, counter, ...) that Code is the
	// source of; "" for anybody else's chaincode.
	Sample string
	// Build asks for Code to be compiled even if Sample is set.
	Build bool

	// Socket is the absolute path of the peer's unix socket, shorter than 100
	// bytes. SocketDir is the directory that it is in; nothing else is in there.
	// The directory has mode 0711 and the socket 0666 inside a parent that is
	// 0700, so that a container under another user can have it mounted while
	// no other user of the computer can reach it.
	Socket    string
	SocketDir string

	MSPID   string // the peer's organisation, CORE_PEER_LOCALMSPID
	Peer    string // the peer's node name
	Channel string // the channel whose transaction caused the launch, for the trace; may be ""

	Env    []string // more environment, KEY=value
	Limits Limits

	// Said, if not nil, is told each line that the chaincode prints, or how many were left
	// out before the next. It must not block.
	Said func(line string, leftOut int)

	// Progress, if not nil, is told each step ("build", "image", "start", ...)
	// with a few words. It must not block.
	Progress func(step, detail string)
}

// Tell calls Progress if there is one.
func (s *Spec) Tell(step, detail string) {
	if s.Progress != nil {
		s.Progress(step, detail)
	}
}

// Environ is the environment that the chaincode's shim reads, for TLS-free
// connections over the socket, with s.Env after it. Nothing of the caller's own
// environment is in it. (wire.md B.8)
func (s *Spec) Environ() []string {
	env := []string{
		"CORE_CHAINCODE_ID_NAME=" + s.PackageID,
		"CORE_PEER_TLS_ENABLED=false",
		"CORE_PEER_LOCALMSPID=" + s.MSPID,
	}
	return append(env, s.Env...)
}

// Arguments are the command-line arguments of a Go chaincode that shall dial
// the unix socket at the given absolute path, which is s.Socket on the host and
// another one inside a container.
func (s *Spec) Arguments(socket string) []string {
	return []string{"-peer.address=unix://" + socket}
}

// Limits bounds one running chaincode. Zero values mean the runtime's defaults.
type Limits struct {
	MemoryBytes  int64         // 0: 256 MiB
	CPUs         float64       // 0: 2
	Processes    int           // threads included; 0: 128
	OutputBytes  int           // kept from the end of stdout and stderr; 0: 64 KiB
	BuildTimeout time.Duration // 0: 5 min
}

// WithDefaults replaces zero values.
func (l Limits) WithDefaults() Limits {
	if l.MemoryBytes <= 0 {
		l.MemoryBytes = 256 << 20
	}
	if l.CPUs <= 0 {
		l.CPUs = 2
	}
	if l.Processes <= 0 {
		l.Processes = 128
	}
	if l.OutputBytes <= 0 {
		l.OutputBytes = 64 << 10
	}
	if l.BuildTimeout <= 0 {
		l.BuildTimeout = 5 * time.Minute
	}
	return l
}

// Instance is one running chaincode. Docker containers and child processes are
// the two implementations.
type Instance interface {
	// Stop ends it and removes what it left behind; it returns when that is
	// done. A second call does nothing.
	Stop(ctx context.Context) error
	// Done is closed when the chaincode has ended, for whatever reason.
	Done() <-chan struct{}
	// Err says why it ended: nil while it runs and after Stop.
	Err() error
	// ID is the container id or "pid 1234".
	ID() string
	// Output is the end of what it wrote, bounded by Limits.OutputBytes.
	Output() string
}

// The steps that runtimes tell Spec.Progress. The host turns the first two into
// trace events of their own kind.
const (
	StepBuild  = "build"  // compiling begins
	StepBuilt  = "built"  // compiling has ended; the detail says how long it took, or "cached"
	StepImage  = "image"  // an image is fetched or made
	StepCreate = "create" // a container is made
	StepStart  = "start"  // the process or container starts
)
