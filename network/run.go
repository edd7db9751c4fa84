package network

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fabriscope/fabriscope/internal/file"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/peer"
)

// run is what all parts of one network share: what it is made from, the folder that
// keeps it, and where it records. Nothing here changes after the start, but for the
// topology's counts of nodes, which Nodes guards.
type run struct {
	topology *Topology
	dir      string
	temp     bool
	runID    string
	trace    *trace.Recorder
	log      *slog.Logger
	progress func(Step)
	begins   func(step string)
	waiting  func(step, why string)
	odd      func(ctx context.Context) []string // what is odd about the nodes
	answer   time.Duration                      // the usual limit for a child's answer
	link     *link.Net
	verifier *msp.Verifier
	shared   *peer.Shared
	disk     *sqlite.Disk
	attached bool // the nodes belong to another program
	done     chan struct{}
	unlock   func()
}

// newRun makes the folder and everything that lives in this process.
func newRun(t *Topology, o Options) (*run, error) {
	r := &run{topology: t, dir: o.Dir, trace: o.Trace, log: o.Log, progress: o.Progress, begins: o.Begins, waiting: o.Waiting, answer: cmp.Or(o.Answer, usualAnswer), done: make(chan struct{}),
		disk: sqlite.NewDisk(o.DiskBytesPerSecond)}
	if r.trace == nil {
		r.trace = trace.NewRecorder(trace.Options{})
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.progress == nil {
		r.progress = func(Step) {}
	}
	if r.begins == nil {
		r.begins = func(string) {}
	}
	if r.waiting == nil {
		r.waiting = func(string, string) {}
	}
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("draw a run id: %w", err)
	}
	r.runID = hex.EncodeToString(id)
	return r, nil
}

// connect makes what the connections of this process share.
func (r *run) connect(claim link.Claim) {
	r.link = link.New(link.Config{Trace: r.trace, Log: r.log, Seed: r.topology.Seed, Run: r.runID, Claim: claim, Sockets: r.topology.Faithful})
	if !r.topology.Faithful {
		r.verifier, r.shared = msp.NewVerifier(verifiedSignatures), peer.NewShared()
	}
}

// verifiedSignatures is how many verified signatures one process remembers: some
// seconds of transactions at full speed.
const verifiedSignatures = 32768

// step carries out one step of a start or a deployment and reports it.
func (r *run) step(ctx context.Context, name string, do func(context.Context) error) error {
	return r.stepNamed(ctx, name, func(ctx context.Context) (string, error) { return name, do(ctx) })
}

// stepNamed is step for one of which only its end tells what it is to be called.
func (r *run) stepNamed(ctx context.Context, name string, do func(context.Context) (string, error)) error {
	begin := time.Now()
	r.begins(name)
	stop := r.watchWait(ctx, name)
	did, err := do(ctx)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r.told(did, time.Since(begin))
	return nil
}

// told reports a finished step.
func (r *run) told(name string, took time.Duration) {
	r.trace.Record(trace.Event{Kind: trace.Progress, Node: r.topology.Name, Key: name, What: trace.StepDone, A: int64(took), Note: took.Round(time.Microsecond).String()})
	r.progress(Step{Name: name, Took: took})
}

// Where things lie in the folder of a run.
func (r *run) cryptoDir() string     { return filepath.Join(r.dir, "organizations") }
func (r *run) statePath() string     { return filepath.Join(r.dir, "network.json") }
func (r *run) addressesPath() string { return filepath.Join(r.dir, "addresses.json") }
func (r *run) genesisPath() string   { return filepath.Join(r.dir, r.topology.Channel+".block") }

// relative finds a file that the topology names.
func (r *run) relative(path string) string {
	if filepath.IsAbs(path) || r.topology.Dir == "" {
		return path
	}
	return filepath.Join(r.topology.Dir, path)
}

// tempPrefix begins the names of folders of runs without --dir.
const tempPrefix = "fabriscope-"

func (r *run) makeDir() error {
	if r.dir == "" {
		sweep(os.TempDir())
		sweepSockets(os.TempDir())
		dir, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return fmt.Errorf("make a folder for the run: %w; set TMPDIR to a folder that can be written", err)
		}
		r.dir, r.temp = dir, true
		r.unlock, err = lockDir(r.dir)
		return err
	}
	abs, err := filepath.Abs(r.dir)
	if err != nil {
		return fmt.Errorf("folder of the run: %w", err)
	}
	r.dir = abs
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the run: %w; choose another with --dir", err)
	}
	r.unlock, err = lockDir(r.dir)
	return err
}

// leave removes what the run has outside its folder, and a temporary folder.
func (r *run) leave() []error {
	var errs []error
	if r.attached {
		return errs
	}
	if err := os.Remove(r.statePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	if r.temp {
		if err := os.RemoveAll(r.dir); err != nil {
			errs = append(errs, fmt.Errorf("remove the folder of the run: %w", err))
		}
	}
	if r.unlock != nil {
		r.unlock()
	}
	return errs
}

// hasState tells whether the folder already holds a network's chain.
func (r *run) hasState() bool {
	_, err := os.Stat(r.genesisPath())
	return err == nil
}

// sameNetwork refuses a folder that holds a network without some of the topology's
// nodes: their identities are not in its channel.
func (r *run) sameNetwork() error {
	old := r.oldAddresses()
	if len(old) == 0 || !r.hasState() {
		return nil
	}
	for _, name := range r.topology.NodeNames() {
		if old[name] == "" {
			return fmt.Errorf("%s holds another network, one without %s; go on with the topology that it was started with, or choose another folder with --dir", r.dir, name)
		}
	}
	return nil
}

// oldAddresses are those of the nodes when the network last ran, by name; none if it
// is new or its first start was interrupted.
func (r *run) oldAddresses() map[string]string {
	b, err := os.ReadFile(r.addressesPath())
	if err != nil {
		return nil
	}
	var old map[string]string
	if json.Unmarshal(b, &old) != nil {
		return nil
	}
	return old
}

// takeBackAdded counts the nodes that were added while the network ran before: they
// are in its folder and, the ordering nodes, in the Raft group, which would miss
// them.
func (r *run) takeBackAdded() {
	old := r.oldAddresses()
	t := r.topology
	for t.Orderers.Nodes < maxOrderers && old[t.Orderers.NodeName(t.Orderers.Nodes)] != "" {
		t.Orderers.Nodes++
	}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		for *o.Peers < maxPeersPerOrg && old[o.PeerName(*o.Peers)] != "" {
			*o.Peers++
		}
	}
}

// lockDir makes sure that one program at a time runs a network in a folder.
func lockDir(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder of the run: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("a network already runs in %s; stop it first, or choose another folder with --dir", dir)
	}
	return func() {
		os.Remove(path)
		f.Close()
	}, nil
}

// maxSocketDir leaves room for a socket's name in what systems allow for the path of
// a unix socket, some 100 bytes.
const maxSocketDir = 88

// SocketDir makes a folder for a unix socket that only the user can enter: below
// TMPDIR, or below /tmp where that path is too long for a socket.
func SocketDir() (string, error) {
	dir, err := os.MkdirTemp("", socketPrefix)
	if err != nil || len(dir) <= maxSocketDir {
		return dir, err
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	return os.MkdirTemp("/tmp", socketPrefix)
}

// Names of what SocketDir's folders hold.
const (
	socketPrefix  = "fs-"
	controlSocket = "control" // of a node's process
	TraceSocket   = "trace"   // of a running network, for other terminals
)

// sweepSockets removes the folders of sockets (see SocketDir) whose program was killed:
// nobody listens there any more.
func sweepSockets(temp string) {
	dirs, err := filepath.Glob(filepath.Join(temp, socketPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || file.CheckPrivate(dir) != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		for _, name := range []string{controlSocket, TraceSocket} {
			conn, err := net.Dial("unix", filepath.Join(dir, name))
			if err == nil {
				_ = conn.Close() // somebody lives there
			} else if errors.Is(err, syscall.ECONNREFUSED) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// sweep removes the folders of runs whose program was killed. One that is new may not
// have its lock yet, and one without a lock is somebody else's.
func sweep(temp string) {
	locks, err := filepath.Glob(filepath.Join(temp, tempPrefix+"*", "lock"))
	if err != nil {
		return
	}
	for _, path := range locks {
		dir := filepath.Dir(path)
		info, err := os.Lstat(path)
		_, other := os.Stat(filepath.Join(dir, "organizations"))
		if err != nil || other != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < time.Minute || file.CheckPrivate(dir) != nil {
			continue
		}
		if unlock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir)
			unlock()
		}
	}
}
