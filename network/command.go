package network

import (
	"fmt"
	"reflect"
	"time"
)

// deed is what is known of a kind of command: how to say it, who can do it, and how long
// it may take.
type deed struct {
	words string // "lie", as in "it cannot lie"
	role  role   // who can, "" = every node
	slow  bool   // it may read the disk or wait for others: slowAnswer, not the usual time
}

// deeds has an entry for every field of command, by its name: a test sees to it.
var deeds = map[string]deed{
	"Join":     {"join a channel", "", true},
	"Peers":    {"hear of the peers", rolePeer, false},
	"Orderers": {"hear of the ordering nodes", "", true},
	"Member":   {"change the Raft group", roleOrderer, true},
	"Lie":      {"lie about an endorsement", rolePeer, false},
	"InForce":  {"change its links and holds", "", false},
	"Redial":   {"connect again", "", false},
	"Grant":    {"hear about a hold's count", "", false},
	"Release":  {"release messages", "", false},
	"Held":     {"list its held messages", "", false},
	"Pause":    {"pause a chaincode", rolePeer, false},
	"Status":   {"say how it is", "", false},
	"StateSum": {"sum up its state", rolePeer, true},
	"Ledger":   {"read its ledger", rolePeer, true},
	"Runtime":  {"hear how a package is run", rolePeer, false},
	"Cut":      {"hear when to cut blocks", roleOrderer, false},
}

// does finds the command's deed: the one field that is set.
func (c command) does() deed {
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			return deeds[v.Type().Field(i).Name]
		}
	}
	return deed{words: "do nothing"}
}

// by tells whether a node of this role can do it.
func (d deed) by(r role) bool { return d.role == "" || d.role == r }

// remedy says whom to ask instead.
func (d deed) remedy() string { return fmt.Sprintf("name %s instead", d.role.words()) }

// words is a role with its article.
func (r role) words() string {
	if r == roleOrderer {
		return "an ordering node"
	}
	return "a peer"
}

// Time limits for an answer to a command.
const (
	usualAnswer = 5 * time.Second
	slowAnswer  = 60 * time.Second
)

// limit is how long an answer may take.
func (d deed) limit(usual time.Duration) time.Duration {
	if d.slow {
		return max(usual, slowAnswer)
	}
	return usual
}
