package network

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// clients are the identities that propose and submit, and what they know of the nodes:
// whom to ask for an endorsement, who leads the ordering service.
type clients struct {
	*run
	ids    *identities
	nodes  *Nodes
	leader leaderCache

	mu     sync.Mutex
	byName map[string]*Client
}

// get gives the client of an identity, the same one each time.
func (c *clients) get(name string) (*Client, error) {
	user, o, err := c.identity(name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.byName[user+"@"+o.Name]; ok {
		return known, nil
	}
	made, err := c.make(name, user, o)
	if err == nil {
		c.byName[user+"@"+o.Name] = made
	}
	return made, err
}

// outside gives a client of its own that nobody else shares, and that shares nothing with
// the nodes of this process.
func (c *clients) outside(name string) (*Client, error) {
	user, o, err := c.identity(name)
	if err != nil {
		return nil, err
	}
	elsewhere := *c.run
	elsewhere.trace, elsewhere.link = nil, link.New(link.Config{Log: c.log})
	return (&clients{run: &elsewhere, ids: c.ids, nodes: c.nodes}).make(name, user, o)
}

func (c *clients) make(name, user string, o *Organization) (*Client, error) {
	select {
	case <-c.done:
		return nil, ErrClosed
	default:
	}
	identity, ok := c.ids.org(o.Name).Users[user+"@"+o.Domain]
	if !ok {
		return nil, fmt.Errorf("client %q: organisation %s has no user %q; name it under users in the topology", name, o.Name, user)
	}
	shown := name
	if strings.Contains(name, "@") {
		shown = user + "@" + o.Domain
	}
	conns := deliver.NewConnections(c.link.Endpoint(shown, identity.TLS, c.ids.roots), ErrClosed)
	made := &Client{Name: shown, MSPID: o.MSPID, signer: identity.Signer, net: c, conns: conns, orderer: deliver.NewBroadcasts(conns)}
	made.feed = newCommitFeed(made)
	return made, nil
}

// identity finds the user and the organisation that a client's name means.
func (c *clients) identity(name string) (user string, o *Organization, err error) {
	user, orgName, found := strings.Cut(name, "@")
	if !found {
		for _, known := range c.topology.Clients {
			if known.Name == name {
				user, orgName = known.Name, known.Organization
			}
		}
		if orgName == "" {
			return "", nil, fmt.Errorf("there is no client %q; write one of the topology's clients or user@organisation, like Admin@%s", name, c.topology.Organizations[0].Name)
		}
	}
	if o = c.topology.organization(orgName); o != nil {
		return user, o, nil
	}
	for i := range c.topology.Organizations {
		if o = &c.topology.Organizations[i]; o.Domain == orgName {
			return user, o, nil
		}
	}
	return "", nil, fmt.Errorf("client %q: there is no organisation %q; the organisations are %s", name, orgName, strings.Join(c.topology.orgNames(), ", "))
}

// admin gives the client of an organisation's administrator.
func (c *clients) admin(org string) (*Client, error) { return c.get("Admin@" + org) }

// close ends all clients; none is made any more.
func (c *clients) close() {
	c.mu.Lock()
	all := c.byName
	c.byName = map[string]*Client{}
	c.mu.Unlock()
	for _, one := range all {
		one.Close()
	}
}

// endorsers gives the peers that a call names, each once: peers by name, or one
// running peer of each organisation. Nothing named: one of every organisation
// that has a running peer.
func (c *clients) endorsers(client *Client, named []string) ([]link.Target, error) {
	peers := c.nodes.running(rolePeer, "")
	if len(named) == 0 {
		named = c.topology.orgNames()
		// The client's own organisation first: its answer is the one to compare with.
		sort.SliceStable(named, func(i, j int) bool {
			return c.topology.organization(named[i]).MSPID == client.MSPID && c.topology.organization(named[j]).MSPID != client.MSPID
		})
		return onePerOrg(client, peers, named, true)
	}
	var out []link.Target
	seen := map[string]bool{}
	for _, name := range named {
		targets, err := c.endorser(client, peers, name)
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			if !seen[t.Name] {
				seen[t.Name] = true
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// endorser resolves one name.
func (c *clients) endorser(client *Client, running []*member, name string) ([]link.Target, error) {
	if o := c.topology.organization(name); o != nil {
		return onePerOrg(client, running, []string{o.Name}, false)
	}
	for _, m := range running {
		if matchName(name, m.name) {
			return []link.Target{m.target()}, nil
		}
	}
	for _, m := range c.nodes.all() {
		if m.role == rolePeer && matchName(name, m.name) {
			return nil, fmt.Errorf("%s is stopped: %w; restart it or name another peer", m.name, ErrNoEndorser)
		}
	}
	return nil, fmt.Errorf("%q is neither a peer nor an organisation of this network: %w", name, ErrNoEndorser)
}

// onePerOrg gives the first running peer of each organisation, one that answers if
// there is any.
func onePerOrg(client *Client, running []*member, orgs []string, skipEmpty bool) ([]link.Target, error) {
	var out []link.Target
	for _, org := range orgs {
		var own []link.Target
		for _, m := range running {
			if m.org == org {
				own = append(own, m.target())
			}
		}
		if len(own) > 0 {
			out = append(out, client.conns.AnsweringFirst(own)[0])
		} else if !skipEmpty {
			return nil, fmt.Errorf("no peer of %s is running: %w", org, ErrNoEndorser)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no peer is running: %w; restart one", ErrNoEndorser)
	}
	return out, nil
}

// standIn gives another running peer of a peer's organisation that answers and is not
// among those asked.
func (c *clients) standIn(client *Client, hung string, asked []string) (link.Target, bool) {
	var others []link.Target
	running := c.nodes.running(rolePeer, "")
	for _, h := range running {
		for _, m := range running {
			if h.name == hung && m.org == h.org && !slices.Contains(asked, m.name) {
				others = append(others, m.target())
			}
		}
	}
	if len(others) == 0 {
		return link.Target{}, false
	}
	return client.conns.AnsweringFirst(others)[0], true
}

// homePeers gives the running peers of the client's organisation, or all running
// peers where the organisation has none; those that answer first.
func (c *clients) homePeers(client *Client) ([]link.Target, error) {
	var own, others []link.Target
	for _, m := range c.nodes.running(rolePeer, "") {
		if m.mspID == client.MSPID {
			own = append(own, m.target())
		} else {
			others = append(others, m.target())
		}
	}
	if len(own) > 0 {
		return client.conns.AnsweringFirst(own), nil
	}
	if len(others) > 0 {
		return client.conns.AnsweringFirst(others), nil
	}
	return nil, fmt.Errorf("no peer is running: %w; restart one", ErrNoEndorser)
}

// mspIDs turns the endorsers of a call into the organisations that the Gateway
// service wants to be told.
func (c *clients) mspIDs(named []string) []string {
	members := c.nodes.all()
	var out []string
	for _, name := range named {
		if o := c.topology.organization(name); o != nil {
			out = append(out, o.MSPID)
			continue
		}
		for _, m := range members {
			if m.role == rolePeer && matchName(name, m.name) && !contains(out, m.mspID) {
				out = append(out, m.mspID)
			}
		}
	}
	return out
}

// leaderCache remembers the Raft leader as the trace tells it, so that clients
// need not ask first.
type leaderCache struct {
	mu     sync.Mutex
	cursor uint64
	name   string
	looked time.Time
}

// leaderLookEvery bounds how often the trace is looked through for a new leader.
const leaderLookEvery = 50 * time.Millisecond

// leaderName gives the ordering node that won the last election in the trace, ""
// if none is known.
func (c *clients) leaderName() string {
	l := &c.leader
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.looked) < leaderLookEvery {
		return l.name
	}
	events, next := c.trace.Of(trace.RaftRole, l.cursor)
	for i := range events {
		if events[i].What == trace.Leader {
			l.name = events[i].Node
		}
	}
	l.cursor = next
	l.looked = time.Now()
	return l.name
}

// orderersToAsk gives the running ordering nodes, the leader first.
func (c *clients) orderersToAsk() []link.Target {
	leader := c.leaderName()
	var out []link.Target
	for _, m := range c.nodes.running(roleOrderer, "") {
		out = append(out, m.target())
		if m.name == leader {
			last := len(out) - 1
			out[0], out[last] = out[last], out[0]
		}
	}
	return out
}

// reason gives the sentence with which a peer explained a transaction's verdict, for
// people and unread, "" if the trace does not have it. What nodes that are processes of their own record
// arrives a moment later than the verdict itself.
func (c *clients) reason(ctx context.Context, txID string) string {
	cursor := c.trace.Last()
	if e, ok := c.trace.Latest(trace.Verdict, func(e *trace.Event) bool { return e.TxID == txID }); ok {
		return e.Note
	}
	if c.attached || c.topology.Placement != "process" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, reasonTimeout)
	defer cancel()
	e, _, err := c.trace.Wait(ctx, cursor, func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.TxID == txID })
	if err != nil {
		return ""
	}
	return e.Note
}

// reasonTimeout is how long a client waits for the explanation of a verdict.
const reasonTimeout = 2 * time.Second
