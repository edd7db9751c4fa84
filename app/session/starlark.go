package session

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
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

// callText is a call such as submit("alice", "basic", "ReadAsset", "asset1").
func callText(name string, c Call) string {
	parts := []string{quoted(c.Identity), quoted(c.Chaincode), quoted(c.Function)}
	for _, a := range c.Args {
		parts = append(parts, quoted(a))
	}
	if len(c.Endorsers) > 0 {
		parts = append(parts, "endorsers = "+quotedList(c.Endorsers))
	}
	if c.Flow != "" && c.Flow != network.FanOut {
		parts = append(parts, "flow = "+quoted(string(c.Flow)))
	}
	if len(c.Transient) > 0 {
		entries := make([]string, 0, len(c.Transient))
		for _, k := range slices.Sorted(maps.Keys(c.Transient)) {
			entries = append(entries, quoted(k)+": "+quoted(string(c.Transient[k])))
		}
		parts = append(parts, "transient = {"+strings.Join(entries, ", ")+"}")
	}
	if c.Init {
		parts = append(parts, "init = True")
	}
	return name + "(" + strings.Join(parts, ", ") + ")"
}

func loadCall(o load.Options) string {
	text := fmt.Sprintf("run_load(workload = %s, clients = %d", quoted(o.Workload), o.Clients)
	if o.Count > 0 {
		text += fmt.Sprintf(", count = %d", o.Count)
	}
	if o.Duration > 0 {
		text += ", duration = " + quoted(min(o.Duration, time.Hour).String())
	}
	if o.Rate > 0 {
		text += fmt.Sprintf(", rate = %d", o.Rate)
	}
	if o.Chaincode != "" {
		text += ", chaincode = " + quoted(o.Chaincode)
	}
	return text + ")"
}

func holdCall(f link.Filter) string {
	parts := []string{quoted(string(f.Kind))}
	for _, p := range []struct{ name, value string }{{"node", f.Node}, {"other", f.Other}, {"key", f.Key}} {
		if p.value != "" {
			parts = append(parts, p.name+" = "+quoted(p.value))
		}
	}
	if f.Count > 0 {
		parts = append(parts, fmt.Sprintf("count = %d", f.Count))
	}
	return "hold(" + strings.Join(parts, ", ") + ")"
}

func linkCall(a, b string, shape link.Shape) string {
	parts := []string{quoted(a), quoted(b)}
	for _, p := range []struct {
		name  string
		value time.Duration
	}{{"latency", shape.Latency}, {"jitter", shape.Jitter}} {
		if p.value > 0 {
			parts = append(parts, p.name+" = "+quoted(p.value.String()))
		}
	}
	if shape.Loss > 0 {
		parts = append(parts, "loss = "+strconv.FormatFloat(shape.Loss, 'g', -1, 64))
	}
	if shape.Cut {
		parts = append(parts, "cut = True")
	}
	return "link(" + strings.Join(parts, ", ") + ")"
}

// deployCall is deploy("basic", sample = "asset", version = "2.0").
func deployCall(c network.Chaincode) string {
	parts := []string{quoted(c.Name)}
	for _, p := range []struct{ name, value string }{{"sample", c.Sample}, {"path", absolute(c.Path)}, {"package", absolute(c.Package)},
		{"address", c.Address}, {"version", c.Version}, {"policy", c.Policy}, {"runtime", c.Runtime}} {
		if p.value != "" {
			parts = append(parts, p.name+" = "+quoted(p.value))
		}
	}
	if c.InitRequired {
		parts = append(parts, "init_required = True")
	}
	if c.Build {
		parts = append(parts, "build = True")
	}
	return "deploy(" + strings.Join(parts, ", ") + ")"
}

// installCall is install("basic", sample = "asset", version = "1.0").
func installCall(c network.Chaincode, peers []string) string {
	parts := []string{quoted(c.Name)}
	for _, p := range []struct{ name, value string }{{"sample", c.Sample}, {"path", absolute(c.Path)}, {"package", absolute(c.Package)},
		{"address", c.Address}, {"version", c.Version}} {
		if p.value != "" {
			parts = append(parts, p.name+" = "+quoted(p.value))
		}
	}
	if len(peers) > 0 {
		parts = append(parts, "peers = "+quotedList(peers))
	}
	return "install(" + strings.Join(parts, ", ") + ")"
}

// definitionArgs are the arguments that approve and commit share.
func definitionArgs(c network.Chaincode, sequence int64) string {
	text := fmt.Sprintf("version = %s, sequence = %d", quoted(c.Version), sequence)
	if c.Policy != "" {
		text += ", policy = " + quoted(c.Policy)
	}
	if c.InitRequired {
		text += ", init_required = True"
	}
	return text
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
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
		if sample, err := SampleTopology(name); err == nil {
			if b, err := sample.YAML(); err == nil && bytes.Equal(b, mine) {
				return "network(" + quoted(name) + ")"
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
	return "network(" + literal(plain, 0) + ")"
}

// literal writes a value of a topology in Starlark.
func literal(v any, depth int) string {
	indent := strings.Repeat("    ", depth+1)
	closing := strings.Repeat("    ", depth)
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
	case yaml.MapSlice:
		if depth > 1 {
			parts := make([]string, len(x))
			for i, item := range x {
				parts[i] = quoted(fmt.Sprint(item.Key)) + ": " + literal(item.Value, depth+1)
			}
			return "{" + strings.Join(parts, ", ") + "}"
		}
		var b strings.Builder
		b.WriteString("{\n")
		for _, item := range x {
			b.WriteString(indent + quoted(fmt.Sprint(item.Key)) + ": " + literal(item.Value, depth+1) + ",\n")
		}
		b.WriteString(closing + "}")
		return b.String()
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = literal(e, depth+1)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return fmt.Sprint(x)
	}
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

func quotedList(list []string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = quoted(s)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func clip(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n]) + "..."
}
