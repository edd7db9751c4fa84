package scenario

import (
	"context"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/fabriscope/fabriscope/network"
)

// The steps of deploy one by one, for scenarios in which organisations disagree.

// install is install(name, sample= or path= or package= or address=, version="1.0",
// peers=): the package on these peers (all running ones); it gives the package id.
func (r *run) install(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	c := network.Chaincode{Version: "1.0"}
	var where starlark.Value
	if err := starlark.UnpackArgs("install", args, kwargs, "name", &c.Name, "sample?", &c.Sample, "path?", &c.Path, "package?", &c.Package,
		"address?", &c.Address, "version?", &c.Version, "peers?", &where); err != nil {
		return nil, line{}, err
	}
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	peers, err := stringList(where, "peers")
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	l := line{what: c.Name + " " + c.Version}
	raw, err := n.Chaincodes.Pack(ctx, c)
	if err != nil {
		return nil, l, &callError{err}
	}
	id, err := n.Chaincodes.Install(ctx, raw, peers)
	if err != nil {
		return nil, l, &callError{err}
	}
	l.result = fmt.Sprintf("package %.20s", id)
	return starlark.String(id), l, nil
}

// approve is approve(name, organization, package="", version="1.0", sequence=1,
// policy=, init_required=): one organisation's yes to a definition.
func (r *run) approve(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	c := network.Chaincode{Version: "1.0"}
	sequence := int64(1)
	var org, id string
	if err := starlark.UnpackArgs("approve", args, kwargs, "name", &c.Name, "organization", &org, "package?", &id, "version?", &c.Version,
		"sequence?", &sequence, "policy?", &c.Policy, "init_required?", &c.InitRequired); err != nil {
		return nil, line{}, err
	}
	l := line{what: fmt.Sprintf("%s %s, sequence %d, for %s", c.Name, c.Version, sequence, org), result: "no package"}
	if id != "" {
		l.result = fmt.Sprintf("package %.20s", id)
	}
	return r.define(l, func(ctx context.Context, n *network.Network) error {
		return n.Chaincodes.Approve(ctx, c, sequence, id, org)
	})
}

// commit is commit(name, version="1.0", sequence=1, policy=, init_required=): the
// definition that enough organisations approved.
func (r *run) commit(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	c := network.Chaincode{Version: "1.0"}
	sequence := int64(1)
	if err := starlark.UnpackArgs("commit", args, kwargs, "name", &c.Name, "version?", &c.Version, "sequence?", &sequence,
		"policy?", &c.Policy, "init_required?", &c.InitRequired); err != nil {
		return nil, line{}, err
	}
	l := line{what: fmt.Sprintf("%s %s, sequence %d", c.Name, c.Version, sequence)}
	return r.define(l, func(ctx context.Context, n *network.Network) error { return n.Chaincodes.Commit(ctx, c, sequence) })
}

func (r *run) define(l line, do func(context.Context, *network.Network) error) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	if err := do(ctx, n); err != nil {
		return nil, l, &callError{err}
	}
	return starlark.None, l, nil
}
