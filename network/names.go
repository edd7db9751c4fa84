package network

import (
	"fmt"
	"regexp"
)

// nameRule is what the names of one kind of thing are made of.
type nameRule struct {
	thing   string // as in "cannot be an organisation's name"
	pattern *regexp.Regexp
	form    string // the pattern in words
	most    int    // letters
}

var (
	orgNames       = nameRule{"an organisation's name", regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`), "letters and digits, starting with a letter", 31}
	mspIDs         = nameRule{"an MSP id", regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.-]*$`), "letters, digits, dots and dashes, starting with a letter", 61}
	domains        = nameRule{"a domain", regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`), "lower-case names with dots, like org1.example.com", 100}
	channelNames   = nameRule{"a channel's name", regexp.MustCompile(`^[a-z][a-z0-9.-]*$`), "lower-case letters, digits, dots and dashes, starting with a letter", 249}
	chaincodeNames = nameRule{"a chaincode's name", regexp.MustCompile(`^[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*$`), "letters and digits, with single - or _ between", 64}
	versions       = nameRule{"a version", regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`), "letters, digits and . _ + -", 128}
	userNames      = nameRule{"a user's name", regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`), "letters, digits, _ and -, starting with a letter", 41}
)

// check gives the problem of a name at a key of the topology, nil if there is none.
func (r nameRule) check(key, name string) *problem {
	switch {
	case name == "":
		return &problem{key, fmt.Sprintf("%s is missing: %s", r.thing, r.form)}
	case len(name) > r.most:
		shown := name
		if len(shown) > r.most {
			shown = shown[:r.most/2] + "..."
		}
		return &problem{key, fmt.Sprintf("%q has %d letters, %s has at most %d", shown, len(name), r.thing, r.most)}
	case !r.pattern.MatchString(name):
		return &problem{key, fmt.Sprintf("%q cannot be %s: %s", name, r.thing, r.form)}
	}
	return nil
}
