package network

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Duration is written like 2s, 150ms or 1m30s.
type Duration time.Duration

// UnmarshalYAML reads a duration with a unit.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	text := scalar(node)
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 || v > time.Hour {
		return valueError(node, "%q is not a duration between 0 and 1h: write a number with a unit, like 200ms or 2s", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes the duration with its unit.
func (d Duration) MarshalYAML() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Size is a number of bytes, written like 512 KB, 2 MB or 1048576. KB and MB are
// 1024 and 1024*1024 bytes, as in Fabric's configtx.yaml.
type Size uint32

var sizePattern = regexp.MustCompile(`^([0-9]{1,10}) ?(B|KB|MB)?$`)

// UnmarshalYAML reads a size.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	text := scalar(node)
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return valueError(node, "%q is not a size: write bytes, or a number with KB or MB, like 512 KB", text)
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	switch m[2] {
	case "KB":
		n <<= 10
	case "MB":
		n <<= 20
	}
	if n == 0 || n > 99<<20 {
		return valueError(node, "%q is out of range: a size is between 1 and 99 MB", text)
	}
	*s = Size(n)
	return nil
}

// MarshalYAML writes the largest unit that divides the size.
func (s Size) MarshalYAML() ([]byte, error) {
	switch {
	case s%(1<<20) == 0:
		return []byte(fmt.Sprintf("%d MB", s>>20)), nil
	case s%(1<<10) == 0:
		return []byte(fmt.Sprintf("%d KB", s>>10)), nil
	}
	return []byte(strconv.FormatUint(uint64(s), 10)), nil
}

// UnmarshalYAML reads a user's name alone, or name and attributes.
func (u *User) UnmarshalYAML(node ast.Node) error {
	if _, ok := node.(*ast.MappingNode); !ok {
		if _, ok := node.(*ast.MappingValueNode); !ok {
			*u = User{Name: scalar(node)}
			return nil
		}
	}
	type plain User
	var read plain
	if err := yaml.NodeToValue(node, &read, yaml.Strict()); err != nil {
		return err
	}
	*u = User(read)
	return nil
}

// MarshalYAML writes a name alone where there is no more to say.
func (u User) MarshalYAML() (any, error) {
	type plain User
	if len(u.Attributes) == 0 {
		return u.Name, nil
	}
	return plain(u), nil
}

// Percent is a share from 0 to 1, written like 2 % or 0.02.
type Percent float64

// UnmarshalYAML reads a share.
func (p *Percent) UnmarshalYAML(node ast.Node) error {
	text := scalar(node)
	number, isPercent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		v /= 100
	}
	if err != nil || v < 0 || v > 1 || v != v {
		return valueError(node, "%q is not a share: write a percentage like 2%%, or a number from 0 to 1", text)
	}
	*p = Percent(v)
	return nil
}

// MarshalYAML writes the share as a percentage.
func (p Percent) MarshalYAML() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(p)*100, 'g', -1, 64) + "%"), nil
}

// scalar gives a value as it was written, without quotes.
func scalar(node ast.Node) string {
	if s, ok := node.(*ast.StringNode); ok {
		return strings.TrimSpace(s.Value)
	}
	return strings.TrimSpace(node.String())
}

// badValue is a value that cannot be read, with its place.
type badValue struct {
	line, column int
	problem      string
}

func (e *badValue) Error() string { return e.problem }

func valueError(node ast.Node, format string, args ...any) error {
	e := &badValue{problem: fmt.Sprintf(format, args...)}
	if t := node.GetToken(); t != nil && t.Position != nil {
		e.line, e.column = t.Position.Line, t.Position.Column
	}
	return e
}
