package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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

// writeFiles writes what other programs need: network.json, a connection profile
// and the environment of Fabric's command line for every organisation.
func (n *Nodes) writeFiles() error {
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
	for _, m := range n.all() {
		s.Nodes = append(s.Nodes, memberState{Name: m.name, Role: m.role, Org: m.org, MSPID: m.mspID, Addr: m.addr()})
		addresses[m.name] = m.addr()
	}
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
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".new", path)
}

// writeProfile writes connection-NAME.json, the connection profile that Fabric's
// older client libraries and many samples read.
func (n *Nodes) writeProfile(o Organization) error {
	peers, names := map[string]any{}, []string{}
	pem := string(n.ids.org(o.Name).TLSCA.CertPEM())
	for _, m := range n.running(rolePeer, o.Name) {
		names = append(names, m.name)
		peers[m.name] = map[string]any{
			"url":         "grpcs://" + m.addr(),
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
func (n *Nodes) writeEnvironment(o Organization) error {
	peers := n.running(rolePeer, o.Name)
	if len(peers) == 0 {
		return nil
	}
	m := peers[0]
	org := filepath.Join(n.cryptoDir(), "peerOrganizations", o.Domain)
	ordering := filepath.Join(n.cryptoDir(), "ordererOrganizations", n.topology.Orderers.Domain)
	lines := []string{
		"# Use with: . " + filepath.Join(n.dir, "env-"+strings.ToLower(o.Name)+".sh"),
		"export FABRIC_CFG_PATH=" + shellQuote(n.dir),
		"export CORE_PEER_TLS_ENABLED=true",
		"export CORE_PEER_LOCALMSPID=" + shellQuote(o.MSPID),
		"export CORE_PEER_ADDRESS=" + shellQuote(m.addr()),
		"export CORE_PEER_TLS_ROOTCERT_FILE=" + shellQuote(filepath.Join(org, "peers", m.name, "tls", "ca.crt")),
		"export CORE_PEER_MSPCONFIGPATH=" + shellQuote(filepath.Join(org, "users", "Admin@"+o.Domain, "msp")),
		// No CORE_PEER_TLS_SERVERHOSTOVERRIDE: it would hold for every --peerAddresses.
		`export FABRIC_LOGGING_SPEC="${FABRIC_LOGGING_SPEC:-info:grpc=error}"`,
	}
	if ord := n.running(roleOrderer, ""); len(ord) > 0 {
		lines = append(lines,
			"export ORDERER_ADDRESS="+shellQuote(ord[0].addr()),
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
