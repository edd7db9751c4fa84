package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// How things are written for people.

// printable is text without what cannot be shown, shortened to most letters; bytes
// that are no text are given as their number.
func (a *about) printable(s string, most int) string {
	cut := false
	if len(s) > 4*most {
		s, cut = strings.ToValidUTF8(s[:4*most], ""), true
	}
	letters := []rune(s)
	for i, r := range letters {
		if r == unicode.ReplacementChar || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return "(" + a.L("{{.N}} bytes", len(s)) + ")"
		}
		if r == '\n' || r == '\t' {
			letters[i] = ' '
		}
	}
	if len(letters) > most {
		return string(letters[:most]) + "..."
	}
	if cut {
		return string(letters) + "..."
	}
	return string(letters)
}

// keyText writes a state key, shortened.
func (a *about) keyText(key string) string {
	if key == "" {
		return `""`
	}
	return a.printable(words.KeyText(key), 80)
}

// callOf writes a call, each argument shortened to most letters.
func (a *about) callOf(args [][]byte, most int) string {
	if len(args) == 0 {
		return ""
	}
	shown := make([]string, 0, len(args)-1)
	for i, arg := range args[1:] {
		if i == 12 {
			shown = append(shown, "...")
			break
		}
		shown = append(shown, `"`+a.printable(string(arg), most)+`"`)
	}
	return a.printable(string(args[0]), 60) + "(" + strings.Join(shown, ", ") + ")"
}

// lifecycleCall writes a call of _lifecycle, whose argument is a message: with the
// chaincode's name, version and sequence. It is "" for other calls.
func (a *about) lifecycleCall(chaincode string, args [][]byte) string {
	if chaincode != lifecycle || len(args) != 2 || len(args[1]) > maxJSON {
		return ""
	}
	function := a.printable(string(args[0]), 60)
	o, err := wire.Decode("lifecycle."+function+"Args", args[1])
	if err != nil {
		return ""
	}
	var shown []string
	for _, name := range []string{"name", "version", "sequence"} {
		if v, ok := o.Get(name).(string); ok && v != "" {
			shown = append(shown, name+" "+a.printable(v, 40))
		}
	}
	return function + "(" + strings.Join(shown, ", ") + ")"
}

// offset is a time since the first event of a transaction: "+0.41 ms".
func offset(t, begin int64) string {
	ms := float64(t-begin) / 1e6
	if ms >= 10_000 || ms <= -10_000 {
		return fmt.Sprintf("%+.2f s", ms/1000)
	}
	return fmt.Sprintf("%+.2f ms", ms)
}

// span is a duration: "3.1 ms", "1.02 s", "85 us".
func span(ns int64) string {
	switch {
	case ns < 0:
		return "0 ms"
	case ns < 1_000_000:
		return fmt.Sprintf("%d us", ns/1000)
	case ns < 1_000_000_000:
		return fmt.Sprintf("%.1f ms", float64(ns)/1e6)
	}
	return fmt.Sprintf("%.2f s", float64(ns)/1e9)
}

// clock is a time of day in UTC.
func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05.000") }

// and joins names: "Org1, Org2 and Org3".
func (a *about) and(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " " + a.L("and {{.Name}}", names[n-1])
	}
}

// codeOf is the public name of the code that an event tells, "" where it does not.
func codeOf(e *trace.Event) string {
	if code, ok := facts.CodeOf(e); ok {
		return facts.CodeName(code)
	}
	return ""
}

// codeTone is how a validation code is meant.
func codeTone(code string) Tone {
	switch code {
	case valid:
		return Good
	case "":
		return Weak
	}
	return Bad
}

func shortID(id string) string { return view.ShortID(id) }

// hashText is the beginning of a hash, enough to compare.
func hashText(hash string) string {
	if len(hash) > 16 {
		return hash[:16]
	}
	return hash
}

// Selections of what a document speaks of.

func txSel(id string) view.Selection {
	if id == "" {
		return view.Selection{}
	}
	return view.Selection{What: view.SelectTx, TxID: id}
}

func nodeSel(node string) view.Selection {
	if node == "" {
		return view.Selection{}
	}
	return view.Selection{What: view.SelectNode, Node: node}
}

func blockSel(n uint64) view.Selection { return view.Selection{What: view.SelectBlock, Block: n} }

func keySel(ns, key string) view.Selection {
	return view.Selection{What: view.SelectKey, Namespace: ns, Key: key}
}

func txCell(id string) Cell { return mono(shortID(id)).to(txSel(id)) }

func (a *about) nodeCell(node string) Cell { return plain(a.short(node)).to(nodeSel(node)) }

func blockCell(n uint64) Cell { return mono("#" + strconv.FormatUint(n, 10)).to(blockSel(n)) }
