package network

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a topology. They keep a typing error from starting a thousand
// processes; the engine itself has no such bounds.
const (
	maxTopologyBytes = 1 << 20
	maxOrganizations = 50
	maxPeersPerOrg   = 100
	maxOrderers      = 15
	maxChaincodes    = 50
	maxLinks         = 1000
	maxClients       = 200
)

// Topology says what a network consists of. The zero value of every field means
// its default, so the smallest topology is an empty file: two organisations with
// two peers each, three ordering nodes and the asset sample.
//
// The keys are published as a JSON Schema in assets/topology.schema.json.
type Topology struct {
	// Name of the run, shown in titles. Default: the file's name.
	Name string `yaml:"name,omitempty"`
	// Channel that every peer and ordering node joins. Default mychannel.
	Channel string `yaml:"channel,omitempty"`
	// Organizations that run peers. Default Org1 and Org2 with two peers each.
	Organizations []Organization `yaml:"organizations,omitempty"`
	// Orderers are the ordering nodes. Default three.
	Orderers Orderers `yaml:"orderers,omitempty"`
	// Block says when the ordering service cuts a block.
	Block Block `yaml:"block,omitempty"`
	// Chaincodes to install, approve and commit at the start. Default the asset
	// sample under the name basic.
	Chaincodes []Chaincode `yaml:"chaincodes,omitempty"`
	// Clients are identities that submit transactions. Default alice of the first
	// organisation and bob of the last.
	Clients []ClientIdentity `yaml:"clients,omitempty"`
	// Links that are not perfect.
	Links []Link `yaml:"links,omitempty"`
	// Runtime of chaincodes that name none: auto, docker or process.
	Runtime string `yaml:"runtime,omitempty"`
	// Placement of nodes: inproc (default) or process.
	Placement string `yaml:"placement,omitempty"`
	// State is the database that peers keep the state in: leveldb (default), a key-value
	// store, or couchdb, which answers rich queries.
	State string `yaml:"state,omitempty"`
	// Ports: any (default) or fabric, the ports of Fabric's test network.
	Ports string `yaml:"ports,omitempty"`
	// Faithful makes nodes of one process share nothing: every peer verifies every
	// signature for itself, and messages go over TCP.
	Faithful bool `yaml:"faithful,omitempty"`
	// OneBuildPerPeer builds a package once for every peer instead of once.
	OneBuildPerPeer bool `yaml:"oneBuildPerPeer,omitempty"`
	// Seed of everything that is drawn at random on purpose. Default 1.
	Seed int64 `yaml:"seed,omitempty"`

	// Dir is where relative paths start: the folder of the topology's file.
	Dir string `yaml:"-"`
}

// Organization is one organisation with its peers.
type Organization struct {
	Name   string `yaml:"name"`
	MSPID  string `yaml:"mspID,omitempty"`  // default NameMSP
	Domain string `yaml:"domain,omitempty"` // default name.example.com
	Peers  *int   `yaml:"peers,omitempty"`  // default 2
	Users  []User `yaml:"users,omitempty"`  // besides Admin and User1
}

// User is a user of an organisation: a name alone, or {name: ..., attributes: {key: value}}.
type User struct {
	Name string `yaml:"name"`
	// Attributes are written into the user's certificate, as fabric-ca does it, so that a
	// chaincode can ask for them.
	Attributes map[string]string `yaml:"attributes,omitempty"`
}

// Orderers describes the ordering service.
type Orderers struct {
	Nodes        int    `yaml:"nodes,omitempty"`        // default 3
	Organization string `yaml:"organization,omitempty"` // default Orderer
	Domain       string `yaml:"domain,omitempty"`       // default example.com
}

// Block says when a block is cut. Zero values take the values of Fabric's test
// network: 10 messages, 512 KB, 99 MB, 2 s.
type Block struct {
	MaxMessageCount   int      `yaml:"maxMessageCount,omitempty"`
	PreferredMaxBytes Size     `yaml:"preferredMaxBytes,omitempty"`
	AbsoluteMaxBytes  Size     `yaml:"absoluteMaxBytes,omitempty"`
	BatchTimeout      Duration `yaml:"batchTimeout,omitempty"`
	Cut               string   `yaml:"cut,omitempty"` // timeout (default), idle or quiet
}

// Chaincode is one chaincode to deploy. Exactly one of Sample, Path, Package and
// Address says where its code comes from.
type Chaincode struct {
	Name         string   `yaml:"name"`
	Sample       string   `yaml:"sample,omitempty"`  // a chaincode that comes with the program
	Path         string   `yaml:"path,omitempty"`    // a folder with Go source
	Package      string   `yaml:"package,omitempty"` // a package file (.tar.gz)
	Address      string   `yaml:"address,omitempty"` // host:port of a chaincode that runs as a service
	Version      string   `yaml:"version,omitempty"` // default 1.0
	Policy       string   `yaml:"policy,omitempty"`  // default: majority of organisations
	InitRequired bool     `yaml:"initRequired,omitempty"`
	Runtime      string   `yaml:"runtime,omitempty"` // default: the topology's
	Build        bool     `yaml:"build,omitempty"`   // compile a sample instead of taking the ready binary
	Call         []string `yaml:"call,omitempty"`    // function and arguments submitted once after the deployment
}

// ClientIdentity is a named user of an organisation.
type ClientIdentity struct {
	Name         string `yaml:"name"`
	Organization string `yaml:"organization"`
}

// Link shapes the connections between two nodes, organisations or patterns such
// as peer*.org1.example.com.
type Link struct {
	Between []string `yaml:"between"`
	Latency Duration `yaml:"latency,omitempty"`
	Jitter  Duration `yaml:"jitter,omitempty"`
	Loss    Percent  `yaml:"loss,omitempty"`
	Cut     bool     `yaml:"cut,omitempty"`
}

// TopologyError is one thing wrong in a topology, with its place.
type TopologyError struct {
	File         string
	Line, Column int
	Key          string // dotted path, such as organizations[1].peers
	Problem      string // what is wrong and what to write instead
}

// Error gives file:line:column, the key and the problem in one line.
func (e *TopologyError) Error() string {
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	if e.Key != "" {
		return place + ": " + e.Key + ": " + e.Problem
	}
	return place + ": " + e.Problem
}

// LoadTopology reads a topology from a file. Wrong content gives a
// *TopologyError that names file, line and key.
func LoadTopology(path string) (*Topology, error) {
	b, err := ReadFile(path, maxTopologyBytes)
	if errors.Is(err, ErrTooLarge) {
		return nil, &TopologyError{File: path, Problem: "larger than 1 MB; this is not a topology"}
	}
	if err != nil {
		return nil, fmt.Errorf("topology: %w; name an existing .yaml file", err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, &TopologyError{File: path, Problem: "the file is empty; write a topology into it, or name a sample"}
	}
	t, err := ParseTopology(path, b)
	if err != nil {
		return nil, err
	}
	t.Dir = filepath.Dir(path)
	return t, nil
}

// ParseTopology reads a topology, fills in defaults and checks it. The name is
// used in errors.
func ParseTopology(name string, b []byte) (*Topology, error) {
	if len(b) > maxTopologyBytes {
		return nil, &TopologyError{File: name, Problem: "larger than 1 MB; this is not a topology"}
	}
	if err := checkNesting(name, b); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, yamlError(name, err)
	}
	t := &Topology{}
	if len(file.Docs) > 0 && file.Docs[0].Body != nil {
		if err := yaml.UnmarshalWithOptions(b, t, yaml.Strict()); err != nil {
			return nil, yamlError(name, err)
		}
	}
	if t.Name == "" {
		base := filepath.Base(name)
		t.Name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	written := explicitZero(file) // fill takes a zero for what was left out
	t.fill()
	if p := cmp.Or(written, t.check()); p != nil {
		line, column := position(file, p.key)
		return nil, &TopologyError{File: name, Line: line, Column: column, Key: p.key, Problem: p.text}
	}
	return t, nil
}

// explicitZero finds a number that was written as 0 where at least 1 is needed.
func explicitZero(file *ast.File) *problem {
	for _, key := range []string{"orderers.nodes", "block.maxMessageCount", "block.batchTimeout"} {
		path, err := yaml.PathString("$." + key)
		if err != nil {
			continue
		}
		node, err := path.FilterFile(file)
		if err != nil || node == nil {
			continue // left out
		}
		if text := scalar(node); strings.Trim(text, "0.hmnsµ") == "" && text != "" {
			return &problem{key, text + " is too little; write more, or leave the key out and take the default"}
		}
	}
	return nil
}

// checkNesting refuses brackets and indentation deeper than any topology, before
// the parser recurses into them.
func checkNesting(name string, b []byte) error {
	depth := 0
	for i, c := range b {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '\n':
			spaces := 0
			for i+1+spaces < len(b) && (b[i+1+spaces] == ' ' || b[i+1+spaces] == '-') {
				spaces++
			}
			if spaces > 200 {
				depth = 1000
			}
		}
		if depth > 50 {
			line := 1 + strings.Count(string(b[:i]), "\n")
			return &TopologyError{File: name, Line: line, Column: 1, Problem: "nested too deeply; a topology has three levels"}
		}
	}
	return nil
}

// yamlError turns the YAML library's error into ours, with its position.
func yamlError(name string, err error) error {
	te := &TopologyError{File: name, Problem: err.Error()}
	var value *badValue
	if errors.As(err, &value) {
		te.Line, te.Column = value.line, value.column
		return te
	}
	var ye yaml.Error
	if asYAMLError(err, &ye) {
		te.Problem = ye.GetMessage()
		if tok := ye.GetToken(); tok != nil && tok.Position != nil {
			te.Line, te.Column = tok.Position.Line, tok.Position.Column
		}
		if field, ok := strings.CutPrefix(te.Problem, "unknown field "); ok {
			te.Key = strings.Trim(field, `"`)
			te.Problem = "there is no such key here; the keys are listed in assets/topology.schema.json"
		}
	}
	return te
}

// position finds the line and column of a key such as organizations[1].peers; if
// the key is not in the file (a default is wrong), its nearest parent's.
func position(file *ast.File, key string) (line, column int) {
	for key != "" {
		if path, err := yaml.PathString("$." + key); err == nil {
			if node, err := path.FilterFile(file); err == nil && node != nil && node.GetToken() != nil {
				p := node.GetToken().Position
				return p.Line, p.Column
			}
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			break
		}
		key = key[:cut]
	}
	return 1, 1
}

// fill puts defaults where the topology says nothing.
func (t *Topology) fill() {
	setDefault(&t.Channel, "mychannel")
	setDefault(&t.Runtime, "auto")
	setDefault(&t.Placement, "inproc")
	setDefault(&t.State, "leveldb")
	setDefault(&t.Ports, "any")
	if t.Seed == 0 {
		t.Seed = 1
	}
	if t.Organizations == nil {
		t.Organizations = []Organization{{Name: "Org1"}, {Name: "Org2"}}
	}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		setDefault(&o.MSPID, o.Name+"MSP")
		setDefault(&o.Domain, strings.ToLower(o.Name)+".example.com")
		if o.Peers == nil {
			two := 2
			o.Peers = &two
		}
	}
	t.Orderers.fill()
	t.Block.fill()
	if t.Chaincodes == nil {
		t.Chaincodes = []Chaincode{{Name: "basic", Sample: "asset"}}
	}
	for i := range t.Chaincodes {
		c := &t.Chaincodes[i]
		setDefault(&c.Version, "1.0")
		setDefault(&c.Runtime, t.Runtime)
	}
	if t.Clients == nil && len(t.Organizations) > 0 {
		first, last := t.Organizations[0].Name, t.Organizations[len(t.Organizations)-1].Name
		t.Clients = []ClientIdentity{{Name: "alice", Organization: first}, {Name: "bob", Organization: last}}
	}
}

func (o *Orderers) fill() {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	setDefault(&o.Organization, "Orderer")
	setDefault(&o.Domain, "example.com")
}

func (b *Block) fill() {
	if b.MaxMessageCount == 0 {
		b.MaxMessageCount = 10
	}
	if b.PreferredMaxBytes == 0 {
		b.PreferredMaxBytes = 512 << 10
	}
	if b.AbsoluteMaxBytes == 0 {
		b.AbsoluteMaxBytes = 99 << 20
	}
	if b.BatchTimeout == 0 {
		b.BatchTimeout = Duration(2 * time.Second)
	}
	setDefault(&b.Cut, "timeout")
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func (t *Topology) organization(name string) *Organization {
	for i := range t.Organizations {
		if t.Organizations[i].Name == name || t.Organizations[i].MSPID == name {
			return &t.Organizations[i]
		}
	}
	return nil
}

func (t *Topology) orgNames() []string {
	names := make([]string, len(t.Organizations))
	for i, o := range t.Organizations {
		names[i] = o.Name
	}
	return names
}

// PeerName gives the name of an organisation's peer, counted from 0.
func (o *Organization) PeerName(i int) string { return fmt.Sprintf("peer%d.%s", i, o.Domain) }

// NodeName gives the name of an ordering node, counted from 0: orderer, orderer2,
// orderer3 and so on in the ordering organisation's domain, as Fabric's test
// network names them.
func (o *Orderers) NodeName(i int) string {
	if i == 0 {
		return "orderer." + o.Domain
	}
	return fmt.Sprintf("orderer%d.%s", i+1, o.Domain)
}

// NodeNames gives the names of all peers and ordering nodes, sorted.
func (t *Topology) NodeNames() []string {
	var names []string
	for i := range t.Organizations {
		for p := 0; p < *t.Organizations[i].Peers; p++ {
			names = append(names, t.Organizations[i].PeerName(p))
		}
	}
	for i := 0; i < t.Orderers.Nodes; i++ {
		names = append(names, t.Orderers.NodeName(i))
	}
	sort.Strings(names)
	return names
}

// matching gives the nodes and clients that a link's end means: a name, a short
// name such as peer0.org1, a pattern with *, or an organisation.
func (t *Topology) matching(end string) []string {
	var out []string
	for i := range t.Organizations {
		if o := &t.Organizations[i]; o.Name == end || o.MSPID == end {
			return []string{"*." + o.Domain, "*@" + o.Domain}
		}
	}
	if end == t.Orderers.Organization {
		return []string{"orderer*." + t.Orderers.Domain}
	}
	for _, c := range t.Clients {
		if c.Name == end {
			out = append(out, c.Name)
		}
	}
	for _, n := range t.NodeNames() {
		if matchName(end, n) {
			out = append(out, n)
		}
	}
	return out
}

// matchName compares a name as a person writes it with a full node name: equal,
// a leading part up to a dot, or a pattern with * for any letters.
func matchName(written, full string) bool {
	if written == full || strings.HasPrefix(full, written+".") {
		return true
	}
	if !strings.Contains(written, "*") {
		return false
	}
	ok, err := filepath.Match(written, full)
	return err == nil && ok
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// YAML writes the topology back, with its defaults filled in.
func (t *Topology) YAML() ([]byte, error) { return yaml.Marshal(t) }

// asYAMLError finds the YAML library's own error in a chain.
func asYAMLError(err error, target *yaml.Error) bool { return errors.As(err, target) }
