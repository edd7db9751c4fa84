package script

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/load"
)

// Step is something that a person did, as a scenario does it.
type Step struct {
	function string // of the scenario, "" for a comment
	text     string
}

// Named is an argument by its name. It is left out where its value says nothing.
type Named struct {
	Name  string
	Value any
}

// Do is the step that calls a function of a scenario, such as kill("peer0.org1").
func Do(function string, args ...any) Step {
	var parts []string
	for _, a := range args {
		switch a := a.(type) {
		case Named:
			if v := reflect.ValueOf(a.Value); !v.IsZero() && (v.Kind() != reflect.Slice && v.Kind() != reflect.Map || v.Len() > 0) {
				parts = append(parts, a.Name+" = "+literal(a.Value))
			}
		default:
			parts = append(parts, literal(a))
		}
	}
	return Step{function, function + "(" + strings.Join(parts, ", ") + ")"}
}

// Switch is the step of a fault that is switched on or off.
func Switch(function string, on bool, args ...any) Step {
	if on {
		return Do(function, args...)
	}
	s := Do(function, args...)
	s.text = strings.TrimSuffix(s.text, ")") + ", on = False)"
	return s
}

// Link is the step that shapes a link.
func Link(a, b string, shape link.Shape) Step {
	return Do("link", a, b, Named{"latency", shape.Latency}, Named{"jitter", shape.Jitter}, Named{"loss", shape.Loss}, Named{"cut", shape.Cut})
}

// Partition is the step that divides nodes.
func Partition(groups [][]string) Step {
	args := make([]any, len(groups))
	for i, g := range groups {
		args[i] = g
	}
	return Do("partition", args...)
}

// Load is the step that makes a load.
func Load(o load.Options) Step {
	return Do("run_load", Named{"workload", o.Workload}, Named{"clients", o.Clients}, Named{"count", o.Count},
		Named{"duration", min(o.Duration, time.Hour)}, Named{"rate", o.Rate}, Named{"chaincode", o.Chaincode})
}

// Deploy is the step that deploys a chaincode.
func Deploy(c network.Chaincode) Step {
	return Do("deploy", append(source(c), Named{"policy", c.Policy}, Named{"runtime", c.Runtime}, Named{"init_required", c.InitRequired},
		Named{"build", c.Build})...)
}

// source are the arguments that say where a chaincode comes from.
func source(c network.Chaincode) []any {
	return []any{c.Name, Named{"sample", c.Sample}, Named{"path", absolute(c.Path)}, Named{"package", absolute(c.Package)},
		Named{"address", c.Address}, Named{"version", c.Version}}
}

// Commit is the step that commits a definition.
func Commit(c network.Chaincode, sequence int64) Step {
	return Do("commit", append([]any{c.Name}, definition(c, sequence)...)...)
}

// definition are the arguments that approve and commit share.
func definition(c network.Chaincode, sequence int64) []any {
	return []any{Named{"version", c.Version}, Named{"sequence", sequence}, Named{"policy", c.Policy}, Named{"init_required", c.InitRequired}}
}

// invoke writes a call such as submit("alice", "basic", "ReadAsset", "asset1").
func invoke(function string, c Call) string {
	args := []any{c.Identity, c.Chaincode, c.Function}
	for _, a := range c.Args {
		args = append(args, a)
	}
	flow := string(c.Flow)
	if c.Flow == network.FanOut {
		flow = ""
	}
	return Do(function, append(args, Named{"endorsers", c.Endorsers}, Named{"flow", flow}, Named{"transient", c.Transient}, Named{"init", c.Init})...).text
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); path != "" && err == nil {
		return abs
	}
	return path
}

// networkCall starts the topology: by its name if it is a sample, else written out.
func networkCall(t *network.Topology) string {
	mine, err := t.YAML()
	if err != nil {
		return "network()"
	}
	for _, name := range assets.TopologyNames() {
		b, err := assets.Topology(name)
		if err != nil {
			continue
		}
		if sample, err := network.ParseTopology(name+".yaml", b); err == nil {
			if b, err := sample.YAML(); err == nil && bytes.Equal(b, mine) {
				return Do("network", name).text
			}
		}
	}
	full := *t
	full.Chaincodes = slices.Clone(t.Chaincodes)
	for i := range full.Chaincodes {
		c := &full.Chaincodes[i]
		for _, path := range []*string{&c.Path, &c.Package} {
			if *path != "" && !filepath.IsAbs(*path) && t.Dir != "" {
				*path = filepath.Join(t.Dir, *path)
			}
		}
	}
	b, err := full.YAML()
	var plain yaml.MapSlice
	if err == nil {
		err = yaml.UnmarshalWithOptions(b, &plain, yaml.UseOrderedMap())
	}
	if err != nil {
		return "network()"
	}
	var text strings.Builder
	text.WriteString("network({\n")
	for _, item := range plain {
		fmt.Fprintf(&text, "    %s: %s,\n", literal(item.Key), literal(item.Value))
	}
	text.WriteString("})")
	return text.String()
}

// literal writes a value in Starlark.
func literal(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		return quoted(x)
	case variable:
		return string(x)
	case []byte:
		return quoted(string(x))
	case time.Duration:
		return quoted(x.String())
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case []string:
		return "[" + joined(x, quoted) + "]"
	case []any:
		return "[" + joined(x, literal) + "]"
	case yaml.MapSlice:
		return "{" + joined(x, func(i yaml.MapItem) string { return literal(i.Key) + ": " + literal(i.Value) }) + "}"
	case map[string][]byte:
		return "{" + joined(slices.Sorted(maps.Keys(x)), func(k string) string { return quoted(k) + ": " + literal(x[k]) }) + "}"
	default:
		return fmt.Sprint(x)
	}
}

func joined[T any](list []T, write func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = write(v)
	}
	return strings.Join(parts, ", ")
}

// quoted writes a Starlark string. What is no text is written byte by byte.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
