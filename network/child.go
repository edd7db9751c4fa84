package network

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Placement process: each node is a process of its own, so that kill -9 is real.
// The parent starts the program's hidden command "node FILE" and talks to the
// child through HTTP on a unix socket: POST /do takes a command, GET /events
// gives the child's part of the trace.

// childStartTimeout bounds how long a child may take until it listens.
const childStartTimeout = 20 * time.Second

// tailBytes is how much of a child's output is kept for error messages.
const tailBytes = 4 << 10

// childEvents is how far a child may run ahead of the collection of its trace.
const childEvents = 1 << 18

// outputDelay is how long an ended child's output is waited for: a process that it
// started and that outlives it may keep it open.
const outputDelay = 2 * time.Second

// maxControlBytes bounds a command: a genesis block with many organisations fits.
const maxControlBytes = 16 << 20

// child is a node in a process of its own, seen from the parent.
type child struct {
	spec    nodeSpec
	cmd     *exec.Cmd
	stdin   io.Closer // the child stops when it is closed, so also when we die
	client  *http.Client
	sockDir string
	address string
	within  time.Duration // the usual limit for an answer
	owed    atomic.Bool   // somebody sees to it that it hears what is in force
	trace   *trace.Recorder
	exited  chan struct{}
	ended   error // how the process ended, once exited is closed
	drained chan struct{}
	output  *launch.Tail
}

// ready is what a child says when it listens.
type ready struct {
	Addr string `json:"addr"`
}

// openChild starts a node as a process and waits until it listens.
func (n *Nodes) openChild(spec nodeSpec) (*child, error) {
	sockDir, err := SocketDir()
	if err != nil {
		return nil, fmt.Errorf("start %s: make a folder for its socket: %w", spec.Name, err)
	}
	spec.Control = filepath.Join(sockDir, controlSocket)
	spec.InForce = n.faults.inForce()
	c := &child{spec: spec, sockDir: sockDir, trace: n.trace, within: n.answer, exited: make(chan struct{}), drained: make(chan struct{}), output: launch.NewTail(tailBytes)}
	if err := c.launch(); err != nil {
		os.RemoveAll(sockDir)
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	c.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", spec.Control)
	}}}
	if err := c.waitReady(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Name, err), c.kill())
	}
	go c.drain()
	go c.hearClaims(n.faults.claim)
	return c, nil
}

// launch writes the child's file and starts it.
func (c *child) launch() error {
	b, err := json.MarshalIndent(c.spec, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(c.spec.Dir, "node.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file: %w", err)
	}
	c.cmd = exec.Command(self, "node", file)
	// What the child makes in the temporary folder (its chaincodes' socket) lies in
	// ours, so that nothing is left of a child that was killed.
	c.cmd.Env = append(os.Environ(), childEnv+"=1", "TMPDIR="+c.sockDir)
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	c.cmd.WaitDelay = outputDelay
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		c.ended = c.cmd.Wait()
		close(c.exited)
	}()
	return nil
}

// childEnv marks the environment of a child, so that a test binary knows that it
// was started as one.
const childEnv = "FABRISCOPE_NODE"

// waitReady asks the child until it answers where it listens.
func (c *child) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), childStartTimeout)
	defer cancel()
	return Poll(ctx, func() (bool, error) {
		select {
		case <-c.exited:
			return false, fmt.Errorf("its process ended at once: %s", strings.TrimSpace(c.output.String()))
		default:
		}
		r, err := c.get(ctx, "/ready")
		if err != nil {
			return false, nil
		}
		defer r.Body.Close()
		var said ready
		if err := json.NewDecoder(io.LimitReader(r.Body, maxControlBytes)).Decode(&said); err != nil {
			return false, err
		}
		c.address = said.Addr
		return true, nil
	})
}

func (c *child) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node"+path, nil)
	if err != nil {
		return nil, err
	}
	return c.client.Do(req)
}

func (c *child) addr() string { return c.address }

// do sends a command to the child and waits for the answer, within a limit: a process
// that stands still accepts connections and says nothing.
func (c *child) do(ctx context.Context, cmd command) (reply, error) {
	does := cmd.does()
	limit := does.limit(c.within)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := c.post(bounded, cmd)
	if err == nil || ctx.Err() != nil || bounded.Err() == nil {
		return r, err
	}
	pid := c.cmd.Process.Pid
	return r, fmt.Errorf("%s was told to %s and did not answer within %s: its process %d stands still or is overloaded; let it go on (kill -CONT %d), or kill the node and restart it: %w",
		c.spec.Name, does.words, limit, pid, pid, err)
}

func (c *child) post(ctx context.Context, cmd command) (reply, error) {
	var r reply
	b, err := json.Marshal(cmd)
	if err != nil {
		return r, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://node/do", bytes.NewReader(b))
	if err != nil {
		return r, err
	}
	answer, err := c.client.Do(req)
	if err != nil {
		return r, fmt.Errorf("%s does not answer: %w", c.spec.Name, err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxControlBytes)).Decode(&r); err != nil {
		return r, fmt.Errorf("the answer of %s cannot be read: %w", c.spec.Name, err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// stop asks the child to stop and waits; a child that does not is killed.
func (c *child) stop(ctx context.Context) error {
	if err := c.stdin.Close(); err != nil {
		return errors.Join(err, c.kill())
	}
	select {
	case <-c.exited:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s did not stop in time and was killed", c.spec.Name), c.kill())
	case <-time.After(nodeStopTimeout):
		return errors.Join(fmt.Errorf("%s did not stop within %s and was killed", c.spec.Name, nodeStopTimeout), c.kill())
	}
	<-c.drained
	return os.RemoveAll(c.sockDir)
}

// kill is kill -9 of the child and of the processes that it started.
func (c *child) kill() error {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.exited
	return os.RemoveAll(c.sockDir)
}

// batch is a piece of a child's trace on its way to the parent.
type batch struct {
	Events   []trace.Event
	Payloads []trace.Payload
}

// drain takes over the child's events until its process ends.
func (c *child) drain() {
	defer close(c.drained)
	r, err := c.get(context.Background(), "/events")
	if err != nil {
		return
	}
	defer r.Body.Close()
	dec := gob.NewDecoder(r.Body)
	for {
		var b batch
		if err := dec.Decode(&b); err != nil {
			return
		}
		c.trace.Import(b.Events, b.Payloads)
	}
}

// hearClaims answers the child's claims until its process ends.
func (c *child) hearClaims(decide link.Claim) {
	r, err := c.get(context.Background(), "/claims")
	if err != nil {
		return
	}
	defer r.Body.Close()
	dec := json.NewDecoder(r.Body)
	for {
		var one claim
		if err := dec.Decode(&one); err != nil {
			return
		}
		go func() {
			granted, stopped := decide(one.Hold)
			answer, err := c.do(context.Background(), command{Grant: &grantCommand{N: one.N, OK: granted}})
			if granted {
				stopped(err == nil && answer.Stopped)
			}
		}()
	}
}

// IsNodeProcess tells whether this process was started to be a single node.
func IsNodeProcess() bool { return os.Getenv(childEnv) != "" }

// RunNode is the life of a child: it runs the node described in file until its
// standard input ends or ctx is done.
func RunNode(ctx context.Context, file string, log *slog.Logger) error {
	spec, err := readSpec(file)
	if err != nil {
		return err
	}
	rec := trace.NewRecorder(trace.Options{MaxEvents: childEvents})
	server := &controlServer{trace: rec, claims: newClaims(), stopping: make(chan struct{})}
	ln := link.New(link.Config{Trace: rec, Log: log, Seed: spec.Seed, Run: spec.RunID, Claim: server.claims.ask})
	if err := server.faults.apply(ln, spec.InForce); err != nil {
		return err
	}
	var verifier *msp.Verifier
	if !spec.Faithful {
		verifier = msp.NewVerifier(verifiedSignatures)
	}
	n, err := openNode(spec, shared{link: ln, verifier: verifier, disk: sqlite.NewDisk(0), trace: rec, log: log})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server.node, server.said = n, ready{Addr: n.addr()}
	if err := server.listen(spec.Control); err != nil {
		return errors.Join(err, n.stop(ctx))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	<-ctx.Done()
	err = n.stop(context.WithoutCancel(ctx))
	server.close()
	// The parent does the same, unless it was killed.
	return errors.Join(err, os.RemoveAll(filepath.Dir(spec.Control)))
}

// controlServer answers the parent of a child.
type controlServer struct {
	node     *node
	said     ready
	trace    *trace.Recorder
	claims   *claims
	faults   enforcer
	http     http.Server
	stopping chan struct{}
	once     sync.Once
}

func (s *controlServer) listen(socket string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listen for the parent: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return fmt.Errorf("listen for the parent: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(s.said)
	})
	mux.HandleFunc("POST /do", s.serveDo)
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("GET /claims", func(w http.ResponseWriter, r *http.Request) { s.claims.serve(w, r, s.stopping) })
	s.http.Handler = mux
	s.http.ReadHeaderTimeout = 10 * time.Second
	go func() { _ = s.http.Serve(l) }()
	return nil
}

// close lets the parent take the last events and ends the server.
func (s *controlServer) close() {
	s.once.Do(func() { close(s.stopping) })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.http.Shutdown(ctx)
}

func (s *controlServer) serveDo(w http.ResponseWriter, r *http.Request) {
	var c command
	var answer reply
	err := json.NewDecoder(io.LimitReader(r.Body, maxControlBytes)).Decode(&c)
	if err == nil {
		answer, err = s.do(r.Context(), c)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// do handles what concerns the child's links; the rest is the node's.
func (s *controlServer) do(ctx context.Context, c command) (reply, error) {
	l := s.node.link
	switch {
	case c.InForce != nil:
		return reply{}, s.faults.apply(l, *c.InForce)
	case c.Grant != nil:
		return reply{Stopped: s.claims.grant(c.Grant)}, nil
	case c.Redial != "":
		l.Redial(c.Redial)
	case c.Release != nil:
		return reply{Released: c.Release.carryOut(l)}, nil
	case c.Held:
		return reply{Held: l.Held()}, nil
	default:
		return s.node.do(ctx, c)
	}
	return reply{}, nil
}

// serveEvents streams the child's trace from the beginning.
func (s *controlServer) serveEvents(w http.ResponseWriter, r *http.Request) {
	cursor, _ := strconv.ParseUint(r.URL.Query().Get("cursor"), 10, 64)
	enc := gob.NewEncoder(w)
	flush, _ := w.(http.Flusher)
	for {
		changed := s.trace.Changed()
		events, payloads, next, lost := s.trace.Export(cursor, 1024)
		cursor = next
		if lost > 0 {
			events = append(events, trace.Event{Time: time.Now().UnixNano(), Kind: trace.ErrorEvent, Node: s.node.spec.Name, What: trace.Told, A: int64(lost),
				Note: fmt.Sprintf("%d events of this node are missing here: it was faster than its trace could be collected", lost)})
			payloads = append(payloads, trace.Payload{})
		}
		if len(events) > 0 {
			if err := enc.Encode(batch{Events: events, Payloads: payloads}); err != nil {
				return
			}
			flush.Flush()
			continue
		}
		select {
		case <-changed:
		case <-s.stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// Hook makes a test binary a node when a network under test started it as one:
// call it first in TestMain. Otherwise it does nothing.
func Hook() {
	if !IsNodeProcess() || len(os.Args) != 3 || os.Args[1] != "node" {
		return
	}
	if err := RunNode(context.Background(), os.Args[2], slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
