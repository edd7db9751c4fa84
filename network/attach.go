package network

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

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
	// The run's id stays this program's own: messages between the two programs are
	// recorded at one end only.
	r, err := newRun(t, Options{Trace: rec, Log: log, Dir: dir})
	if err != nil {
		return nil, err
	}
	r.attached = true
	n := assemble(r)
	for _, m := range s.Nodes {
		added := &member{name: m.Name, role: m.Role, org: m.Org, mspID: m.MSPID}
		added.where.Store(&m.Addr)
		added.node = &remote{m: added, clients: n.clients}
		n.Nodes.members = append(n.Nodes.members, added)
	}
	if err := n.ids.generate(t.orgSpecs()); err != nil {
		return nil, err
	}
	return n, nil
}

// alive tells whether a process exists.
func alive(pid int) bool {
	return pid > 0 && (syscall.Kill(pid, 0) == nil || errors.Is(syscall.Kill(pid, 0), syscall.EPERM))
}

// errOtherProgram says that a node belongs to another program.
var errOtherProgram = errors.New("the network runs in another program: do that where it was started")

// remoteTimeout bounds one question to a node of another program.
const remoteTimeout = 3 * time.Second

// remote is a node of another program. It can only be asked how it is, over Fabric's own
// protocol, like any other client would.
type remote struct {
	m       *member
	clients *clients
}

func (r *remote) addr() string               { return r.m.addr() }
func (r *remote) stop(context.Context) error { return r.refuse() }
func (r *remote) kill() error                { return r.refuse() }
func (r *remote) refuse() error              { return fmt.Errorf("%s: %w", r.m.name, errOtherProgram) }

func (r *remote) do(ctx context.Context, c command) (reply, error) {
	if c.Status == nil {
		return reply{}, r.refuse()
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	s := &NodeStatus{Name: r.m.name, Role: string(r.m.role), Addr: r.m.addr(), Running: true}
	if r.m.role == rolePeer {
		info, err := r.chainInfo(ctx, c.Status.Channel)
		if err != nil {
			return reply{}, err
		}
		s.Height, s.Hash = info.GetHeight(), hex.EncodeToString(info.GetCurrentBlockHash())
		return reply{Status: s}, nil
	}
	block, err := r.newestBlock(ctx, c.Status.Channel)
	if err != nil {
		return reply{}, err
	}
	s.Height = block.GetHeader().GetNumber() + 1
	s.Hash = hex.EncodeToString(wire.BlockHash(block.GetHeader()))
	return reply{Status: s}, nil
}

// chainInfo asks a peer's qscc for its height and last hashes.
func (r *remote) chainInfo(ctx context.Context, channel string) (*commonpb.BlockchainInfo, error) {
	c, err := r.clients.get("User1@" + r.m.org)
	if err != nil {
		return nil, err
	}
	result, err := c.Evaluate(ctx, Call{Chaincode: "qscc", Function: "GetChainInfo", Args: []string{channel}, Endorsers: []string{r.m.name}})
	if err != nil {
		return nil, err
	}
	info := &commonpb.BlockchainInfo{}
	if err := proto.Unmarshal(result.Payload, info); err != nil {
		return nil, fmt.Errorf("the chain info of %s cannot be read: %w", r.m.name, err)
	}
	return info, nil
}

// newestBlock asks an ordering node for its last block, as any reader would.
func (r *remote) newestBlock(ctx context.Context, channel string) (*commonpb.Block, error) {
	c, err := r.clients.get("User1@" + r.clients.topology.Organizations[0].Name)
	if err != nil {
		return nil, err
	}
	conn, err := c.conns.To(r.m.target())
	if err != nil {
		return nil, err
	}
	return c.reader().NewestBlock(ctx, conn, ordererpb.SeekInfo_BLOCK)
}
