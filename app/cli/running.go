package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/internal/file"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// A network that "up" runs is registered in a folder of the user, so that commands
// in another terminal find it: NAME.json says where its folder is and on which
// socket its trace can be asked.

// registration is one entry.
type registration struct {
	PID    int    `json:"pid"`
	Dir    string `json:"dir"`
	Name   string `json:"name"`
	Socket string `json:"socket"`
}

// registryDir is the folder with the list: in the user's runtime directory, which
// nobody else can enter, or else, where everybody could make it first, in the temporary
// folder.
func registryDir() string {
	user := strconv.Itoa(os.Getuid())
	for _, runtime := range []string{os.Getenv("XDG_RUNTIME_DIR"), filepath.Join("/run/user", user)} {
		if runtime != "" && file.CheckPrivate(runtime) == nil {
			return filepath.Join(runtime, "fabriscope")
		}
	}
	return filepath.Join(os.TempDir(), "fabriscope-"+user)
}

// checkRegistry refuses a list that somebody else may have written. os.ErrNotExist:
// there is none.
func checkRegistry(base string) error {
	err := file.CheckPrivate(base)
	if errors.Is(err, file.ErrNotPrivate) {
		return fmt.Errorf("the list of running networks is not trusted: %w; remove that folder, or chmod 700 it if it is yours, or set XDG_RUNTIME_DIR to a private folder of your own", err)
	}
	return err
}

// register lists a network and serves its trace until unregister is called.
func register(n *network.Network) (unregister func(), err error) {
	if _, err := runningNetworks(); err != nil { // tidies away those that were killed
		return nil, err
	}
	base := registryDir()
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("list the running network: %w; set XDG_RUNTIME_DIR to a private folder of your own", err)
	}
	if err := checkRegistry(base); err != nil {
		return nil, err
	}
	sockDir, err := network.SocketDir()
	if err != nil {
		return nil, fmt.Errorf("make a folder for the trace's socket: %w", err)
	}
	r := registration{PID: os.Getpid(), Dir: n.Dir(), Name: n.Topology().Name, Socket: filepath.Join(sockDir, network.TraceSocket)}
	listener, err := net.Listen("unix", r.Socket)
	if err != nil {
		os.RemoveAll(sockDir)
		return nil, fmt.Errorf("listen for other terminals: %w", err)
	}
	server := &http.Server{Handler: traceHandler(n), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	path := filepath.Join(base, strconv.Itoa(r.PID)+".json")
	b, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	unregister = func() {
		os.Remove(path)
		os.Remove(base) // unless another network is listed there
		server.Close()
		os.RemoveAll(sockDir)
	}
	if err != nil {
		unregister()
		return nil, fmt.Errorf("list the running network: %w; set XDG_RUNTIME_DIR to a private folder of your own", err)
	}
	return unregister, nil
}

// traceHandler answers other terminals: /tx explains a transaction, /events lists; what is
// to be done goes to /do.
func traceHandler(n *network.Network) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tx", func(w http.ResponseWriter, r *http.Request) {
		text, err := explained(n.Trace(), r.URL.Query().Get("id"), r.URL.Query().Get("json") != "")
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(text)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		f := filterOf(r.URL.Query())
		if r.URL.Query().Get("json") != "" {
			_ = report.WriteJSONL(w, n.Trace(), f.Fits, r.URL.Query().Get("payloads") != "")
			return
		}
		_ = report.WriteList(w, n.Trace(), f.Fits)
	})
	serveOrders(mux, n)
	serveLogs(mux, n)
	return mux
}

func filterOf(v url.Values) network.EventFilter {
	return network.EventFilter{Kind: v.Get("kind"), Node: v.Get("node"), TxID: v.Get("tx"), Key: v.Get("key"), Channel: v.Get("channel")}
}

// runningNetworks lists the registered networks whose process is alive, and tidies
// away the others.
func runningNetworks() ([]registration, error) {
	base := registryDir()
	switch err := checkRegistry(base); {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(base, "*.json"))
	if err != nil {
		return nil, err
	}
	var out []registration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var r registration
		if json.Unmarshal(b, &r) != nil || !ownProcess(r.PID) {
			os.Remove(f) // the next start sweeps its socket away: nothing is deleted because a file names it
			continue
		}
		out = append(out, r)
	}
	return out, nil
}

// ownProcess tells whether a process of this user has that number.
func ownProcess(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }

// theRunning gives the network that a command means: the one in dir, or the only
// one that runs.
func theRunning(dir string) (registration, error) {
	all, err := runningNetworks()
	if err != nil {
		return registration{}, err
	}
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return registration{}, err
		}
		for _, r := range all {
			if r.Dir == abs {
				return r, nil
			}
		}
		return registration{Dir: abs}, nil
	}
	switch len(all) {
	case 0:
		return registration{}, errors.New("no network is running; start one in another terminal with: fabriscope up")
	case 1:
		return all[0], nil
	}
	var dirs []string
	for _, r := range all {
		dirs = append(dirs, fmt.Sprintf("%s (%s)", r.Dir, r.Name))
	}
	return registration{}, fmt.Errorf("%d networks are running; choose one with --dir: %s", len(all), strings.Join(dirs, ", "))
}

// ask sends a request to the program that runs a network and has its answer read, unless
// that is an error, which it gives.
func (r registration) ask(ctx context.Context, method, path string, query url.Values, body io.Reader, read func(io.Reader) error) error {
	if r.Socket == "" {
		return fmt.Errorf("the network in %s does not offer its trace", r.Dir)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.Socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://trace"+path+"?"+query.Encode(), body)
	if err != nil {
		return err
	}
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
		if err != nil {
			return err
		}
		return errors.New(strings.TrimSpace(string(text)))
	}
	return read(answer.Body)
}

// attached runs a command with the network that it means.
func (p *program) attached(dir *string, do func(ctx context.Context, n *network.Network, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		r, err := theRunning(*dir)
		if err != nil {
			return err
		}
		n, err := network.Attach(r.Dir, trace.NewRecorder(trace.Options{MaxEvents: 4096}), p.log())
		if err != nil {
			return err
		}
		n.OnWaiting(p.waiting)
		if isTerminal(p.err) {
			n.OnProgress(func(s network.Step) { fmt.Fprintf(p.err, "%9.1f ms  %s\n", milliseconds(s.Took), s.Name) })
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Minute)
		defer cancel()
		return errors.Join(do(ctx, n, cmd, args), n.Stop(context.WithoutCancel(ctx)))
	}
}

// launchWait bounds the wait for a chaincode's launch: a first build in a container
// takes a minute or two.
const launchWait = 5 * time.Minute

// waitLaunched asks the running network's trace until a first peer has launched a
// package, and gives the cause if it could not.
func (p *program) waitLaunched(ctx context.Context, dir, packageID string) error {
	ctx, cancel := context.WithTimeout(ctx, launchWait)
	defer cancel()
	query := url.Values{"kind": {string(trace.LaunchEnd)}, "key": {packageID}, "json": {"1"}}
	return network.Poll(ctx, func() (launched bool, err error) {
		err = p.askRunning(ctx, dir, "/events", query, func(body io.Reader) error {
			var e struct {
				Node, Note string
				Facts      struct{ What string }
			}
			if err := json.NewDecoder(body).Decode(&e); err != nil {
				if errors.Is(err, io.EOF) {
					return nil // nothing yet
				}
				return err
			}
			if e.Facts.What == trace.Failed.String() {
				return fmt.Errorf("at %s it %s", e.Node, e.Note)
			}
			launched = true
			return nil
		})
		return launched, err
	})
}
