package network

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// ErrTooLarge: a file is larger than what is read of its kind.
var ErrTooLarge = errors.New("the file is too large")

// ReadFile reads a file of at most limit bytes. Unlike os.ReadFile it holds the limit
// for devices and pipes too, which do not tell their size.
func ReadFile(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	}
	return b, nil
}

// state is network.json: what another program needs to use a running network.
type state struct {
	Name     string        `json:"name"`
	RunID    string        `json:"runID"`
	PID      int           `json:"pid"`
	Channel  string        `json:"channel"`
	Topology string        `json:"topology"` // YAML
	Base     string        `json:"base"`     // where the topology's relative paths start
	Nodes    []memberState `json:"nodes"`
}

type memberState struct {
	Name  string `json:"name"`
	Role  role   `json:"role"`
	Org   string `json:"org"`
	MSPID string `json:"mspID"`
	Addr  string `json:"addr"`
}

func (n *Network) statePath() string     { return filepath.Join(n.dir, "network.json") }
func (n *Network) addressesPath() string { return filepath.Join(n.dir, "addresses.json") }

// hasState tells whether the folder already holds a network's chain.
func (n *Network) hasState() bool {
	_, err := os.Stat(n.genesisPath())
	return err == nil
}

// sameNetwork refuses a folder that holds a network without some of the topology's
// nodes: their identities are not in its channel.
func (n *Network) sameNetwork() error {
	old := n.oldAddresses()
	if len(old) == 0 || !n.hasState() {
		return nil
	}
	for _, name := range n.topology.NodeNames() {
		if old[name] == "" {
			return fmt.Errorf("%s holds another network, one without %s; go on with the topology that it was started with, or choose another folder with --dir", n.dir, name)
		}
	}
	return nil
}

// oldAddresses are those of the nodes when the network last ran, by name; none if it
// is new or its first start was interrupted.
func (n *Network) oldAddresses() map[string]string {
	b, err := os.ReadFile(n.addressesPath())
	if err != nil {
		return nil
	}
	var old map[string]string
	if json.Unmarshal(b, &old) != nil {
		return nil
	}
	return old
}

// reuseAddresses gives nodes of a resumed network their old addresses: the channel
// configuration and Raft know them by these.
func (n *Network) reuseAddresses() {
	old := n.oldAddresses()
	for _, m := range n.members {
		if addr, ok := old[m.name]; ok {
			m.spec.Listen = addr
		}
	}
}

// writeFiles writes what other programs need: network.json, a connection profile
// and the environment of Fabric's command line for every organisation.
func (n *Network) writeFiles() error {
	topology, err := n.topology.YAML()
	if err != nil {
		return fmt.Errorf("write the topology: %w", err)
	}
	base, err := filepath.Abs(n.topology.Dir)
	if err != nil {
		return fmt.Errorf("folder of the topology: %w", err)
	}
	s := state{Name: n.topology.Name, RunID: n.runID, PID: os.Getpid(), Channel: n.topology.Channel, Topology: string(topology), Base: base}
	addresses := map[string]string{}
	n.mu.Lock()
	for _, m := range n.members {
		s.Nodes = append(s.Nodes, memberState{Name: m.name, Role: m.role, Org: m.org, MSPID: m.mspID, Addr: m.addr})
		addresses[m.name] = m.addr
	}
	n.mu.Unlock()
	if err := writeJSON(n.addressesPath(), addresses); err != nil {
		return err
	}
	for _, org := range n.topology.Organizations {
		if err := n.writeProfile(org); err != nil {
			return err
		}
		if err := n.writeEnvironment(org); err != nil {
			return err
		}
	}
	return writeJSON(n.statePath(), s)
}

// writeJSON replaces a file at once, so that a reader never sees half of it.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'))
}

func writeFile(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".new", path)
}

// writeProfile writes connection-NAME.json, the connection profile that Fabric's
// older client libraries and many samples read.
func (n *Network) writeProfile(o Organization) error {
	peers, names := map[string]any{}, []string{}
	pem := string(n.org(o.Name).TLSCA.CertPEM())
	for _, m := range n.peersOf(o.Name) {
		names = append(names, m.name)
		peers[m.name] = map[string]any{
			"url":         "grpcs://" + m.addr,
			"tlsCACerts":  map[string]string{"pem": pem},
			"grpcOptions": map[string]string{"ssl-target-name-override": m.name, "hostnameOverride": m.name},
		}
	}
	profile := map[string]any{
		"name": n.topology.Name, "version": "1.0.0",
		"client":        map[string]any{"organization": o.Name, "connection": map[string]any{"timeout": map[string]any{"peer": map[string]string{"endorser": "300"}}}},
		"organizations": map[string]any{o.Name: map[string]any{"mspid": o.MSPID, "peers": names}},
		"peers":         peers,
	}
	return writeJSON(filepath.Join(n.dir, "connection-"+strings.ToLower(o.Name)+".json"), profile)
}

// writeEnvironment writes env-NAME.sh: with it, Fabric's peer command talks to the
// organisation's first peer as its administrator.
func (n *Network) writeEnvironment(o Organization) error {
	m := n.firstRunning(o.Name)
	if m == nil {
		return nil
	}
	org := filepath.Join(n.cryptoDir(), "peerOrganizations", o.Domain)
	ordering := filepath.Join(n.cryptoDir(), "ordererOrganizations", n.topology.Orderers.Domain)
	lines := []string{
		"# Use with: . " + filepath.Join(n.dir, "env-"+strings.ToLower(o.Name)+".sh"),
		"export FABRIC_CFG_PATH=" + shellQuote(n.dir),
		"export CORE_PEER_TLS_ENABLED=true",
		"export CORE_PEER_LOCALMSPID=" + shellQuote(o.MSPID),
		"export CORE_PEER_ADDRESS=" + shellQuote(m.addr),
		"export CORE_PEER_TLS_ROOTCERT_FILE=" + shellQuote(filepath.Join(org, "peers", m.name, "tls", "ca.crt")),
		"export CORE_PEER_MSPCONFIGPATH=" + shellQuote(filepath.Join(org, "users", "Admin@"+o.Domain, "msp")),
		// No CORE_PEER_TLS_SERVERHOSTOVERRIDE: it would hold for every --peerAddresses.
		`export FABRIC_LOGGING_SPEC="${FABRIC_LOGGING_SPEC:-info:grpc=error}"`,
	}
	if ord := n.orderersSnapshot(); len(ord) > 0 {
		lines = append(lines,
			"export ORDERER_ADDRESS="+shellQuote(ord[0].addr),
			"export ORDERER_CA="+shellQuote(filepath.Join(ordering, "orderers", ord[0].name, "tls", "ca.crt")),
			"export ORDERER_HOST_OVERRIDE="+shellQuote(ord[0].name),
			`# peer chaincode invoke -o "$ORDERER_ADDRESS" --ordererTLSHostnameOverride "$ORDERER_HOST_OVERRIDE" --tls --cafile "$ORDERER_CA" -C `+n.topology.Channel+" ...")
	}
	if err := writeFile(filepath.Join(n.dir, "core.yaml"), []byte(coreYAML)); err != nil {
		return err
	}
	return writeFile(filepath.Join(n.dir, "env-"+strings.ToLower(o.Name)+".sh"), []byte(strings.Join(lines, "\n")+"\n"))
}

// coreYAML is the little that Fabric's peer command wants in its folder; all that
// matters comes from the environment.
const coreYAML = `# Read by Fabric's peer command (FABRIC_CFG_PATH). Everything else comes from env-*.sh.
peer:
  BCCSP:
    Default: SW
    SW:
      Hash: SHA2
      Security: 256
  client:
    connTimeout: 3s
`

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (n *Network) firstRunning(org string) *member {
	if peers := n.peersOf(org); len(peers) > 0 {
		return peers[0]
	}
	return nil
}

// tlsRoots reads the TLS authorities of all organisations in a crypto tree.
func tlsRoots(crypto string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := false
	for _, kind := range []string{"peerOrganizations", "ordererOrganizations"} {
		files, err := filepath.Glob(filepath.Join(crypto, kind, "*", "msp", "tlscacerts", "*.pem"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("read a TLS authority: %w", err)
			}
			found = pool.AppendCertsFromPEM(b) || found
		}
	}
	if !found {
		return nil, fmt.Errorf("%s holds no TLS authority; it is not the folder of a network", crypto)
	}
	return pool, nil
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
	dir, err := os.MkdirTemp("", "fs-")
	if err != nil || len(dir) <= maxSocketDir {
		return dir, err
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	return os.MkdirTemp("/tmp", "fs-")
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
		info, err := os.Stat(path)
		_, other := os.Stat(filepath.Join(dir, "organizations"))
		if err != nil || other != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if unlock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir)
			unlock()
		}
	}
}

func nodeIdentity(name string) msp.NodeSpec {
	return msp.NodeSpec{Name: name, Hosts: []string{"localhost", "127.0.0.1", "::1"}}
}

// Client gives the client of an identity: a name from the topology's clients, or
// user@organisation such as Admin@Org1 or User1@Org2. The same name gives the same
// client.
func (n *Network) Client(name string) (*Client, error) {
	user, orgName, found := strings.Cut(name, "@")
	n.mu.Lock()
	defer n.mu.Unlock()
	if !found {
		for _, c := range n.topology.Clients {
			if c.Name == name {
				user, orgName = c.Name, c.Organization
			}
		}
		if orgName == "" {
			return nil, fmt.Errorf("there is no client %q; write one of the topology's clients or user@organisation, like Admin@%s", name, n.topology.Organizations[0].Name)
		}
	}
	o := n.topology.organization(orgName)
	if o == nil {
		for i := range n.topology.Organizations {
			if n.topology.Organizations[i].Domain == orgName {
				o = &n.topology.Organizations[i]
			}
		}
	}
	if o == nil {
		return nil, fmt.Errorf("client %q: there is no organisation %q; the organisations are %s", name, orgName, strings.Join(n.topology.orgNames(), ", "))
	}
	if c, ok := n.clients[user+"@"+o.Name]; ok {
		return c, nil
	}
	select {
	case <-n.done:
		return nil, ErrClosed
	default:
	}
	identity, ok := n.orgs[o.Name].Users[user+"@"+o.Domain]
	if !ok {
		return nil, fmt.Errorf("client %q: organisation %s has no user %q; name it under users in the topology", name, o.Name, user)
	}
	shown := user
	if !found {
		shown = name
	} else {
		shown = user + "@" + o.Domain
	}
	c := &Client{Name: shown, MSPID: o.MSPID, signer: identity.Signer, net: n, end: n.link.Endpoint(shown, identity.TLS, n.roots)}
	c.feed = newCommitFeed(c)
	n.clients[user+"@"+o.Name] = c
	return c, nil
}

// Attach connects to a network that another program runs in dir: clients and
// deployments work, nodes cannot be stopped or broken.
func Attach(dir string, rec *trace.Recorder, log *slog.Logger) (*Network, error) {
	b, err := os.ReadFile(filepath.Join(dir, "network.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no network runs in %s; start one with: fabriscope up --dir %s", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to the network in %s: %w", dir, err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("attach to the network in %s: network.json cannot be read: %w", dir, err)
	}
	if !alive(s.PID) {
		return nil, fmt.Errorf("the network in %s is not running any more; start it again with: fabriscope up --dir %s", dir, dir)
	}
	t, err := ParseTopology(s.Name+".yaml", []byte(s.Topology))
	if err != nil {
		return nil, fmt.Errorf("attach to the network in %s: %w", dir, err)
	}
	t.Dir = s.Base
	n, err := prepare(t, Options{Trace: rec, Log: log, Dir: ""})
	if err != nil {
		return nil, err
	}
	n.unlock()
	n.unlock = nil
	if err := os.Remove(n.dir); err != nil {
		return nil, err
	}
	n.dir, n.temp, n.attached, n.runID = dir, false, true, s.RunID
	for _, m := range s.Nodes {
		n.members = append(n.members, &member{name: m.Name, role: m.Role, org: m.Org, mspID: m.MSPID, addr: m.Addr})
	}
	if err := n.makeIdentities(context.Background()); err != nil {
		return nil, err
	}
	return n, nil
}

// alive tells whether a process exists.
func alive(pid int) bool {
	return pid > 0 && (syscall.Kill(pid, 0) == nil || errors.Is(syscall.Kill(pid, 0), syscall.EPERM))
}

// Status asks all nodes how they are. A node that does not answer is listed as not
// running.
func (n *Network) Status(ctx context.Context) []NodeStatus {
	n.mu.Lock()
	members := append([]*member(nil), n.members...)
	n.mu.Unlock()
	out := make([]NodeStatus, len(members))
	for i, m := range members {
		out[i] = n.statusOf(ctx, m)
	}
	return out
}

func (n *Network) statusOf(ctx context.Context, m *member) NodeStatus {
	s := NodeStatus{Name: m.name, Role: string(m.role), Addr: m.addr}
	if n.attached {
		return n.remoteStatus(ctx, m, s)
	}
	n.mu.Lock()
	h := m.node
	n.mu.Unlock()
	if h == nil {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := h.do(ctx, command{Status: &statusCommand{Channel: n.topology.Channel}})
	if err != nil {
		return s
	}
	return *r.Status
}

// remoteStatus asks a node of another program over its own protocol.
func (n *Network) remoteStatus(ctx context.Context, m *member, s NodeStatus) NodeStatus {
	if m.role == rolePeer {
		info, err := n.chainInfo(ctx, m)
		if err != nil {
			return s
		}
		s.Running, s.Height, s.Hash = true, info.GetHeight(), fmt.Sprintf("%x", info.GetCurrentBlockHash())
		return s
	}
	if block, err := n.newestBlock(ctx, m); err == nil {
		s.Running, s.Height = true, block.GetHeader().GetNumber()+1
		s.Hash = hex.EncodeToString(wire.BlockHash(block.GetHeader()))
	}
	return s
}

// newestBlock asks an ordering node for its last block, as any reader would.
func (n *Network) newestBlock(ctx context.Context, m *member) (*commonpb.Block, error) {
	c, err := n.Client("User1@" + n.topology.Organizations[0].Name)
	if err != nil {
		return nil, err
	}
	conn, err := c.conns.get(c.end, m.target())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Deliver(ctx)
	if err != nil {
		return nil, err
	}
	newest := &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
	seek, err := seekEnvelope(n.topology.Channel, newest, newest, c.signer)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(seek); err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if answer.GetBlock() == nil {
		return nil, fmt.Errorf("%s answered %s", m.name, answer.GetStatus())
	}
	return answer.GetBlock(), nil
}
