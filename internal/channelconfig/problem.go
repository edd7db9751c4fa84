package channelconfig

// Problem is an error about one element that an update reads or changes, for
// callers that must name it in other words (an ordering node answers with
// Fabric's). It wraps ErrStale or ErrDenied.
type Problem struct {
	Kind    string // "group", "value" or "policy"
	Path    string // "/Channel/Orderer/BatchSize"
	Read    bool   // the update relies on the element and does not change it
	Missing bool   // the channel has no such element
	Version uint64 // version that the update gives it
	Current uint64 // version that it has
	err     error
}

// Error gives the element, what is wrong and what to do.
func (p *Problem) Error() string { return p.err.Error() }

// Unwrap gives the error without the element.
func (p *Problem) Unwrap() error { return p.err }

// problem makes an error of p about this element.
func (k elementKey) problem(p Problem, err error) error {
	p.Kind, p.Path, p.err = [...]string{"group", "value", "policy"}[k.kind], k.path, err
	return &p
}
