package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// How things are written for people.

// printable is text without what cannot be shown, shortened to most letters; bytes
// that are no text are given as their number.
func printable(s string, most int) string {
	cut := false
	if len(s) > 4*most {
		s, cut = strings.ToValidUTF8(s[:4*most], ""), true
	}
	letters := []rune(s)
	for i, r := range letters {
		if r == unicode.ReplacementChar || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return fmt.Sprintf("(%d bytes)", len(s))
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

// keyText writes a state key: composite keys as their parts.
func keyText(key string) string {
	if parts, ok := strings.CutPrefix(key, "\x00"); ok {
		return "[" + printable(strings.Join(strings.Split(strings.TrimSuffix(parts, "\x00"), "\x00"), " "), 80) + "]"
	}
	if key == "" {
		return `""`
	}
	return printable(key, 80)
}

// callOf writes a call, each argument shortened to most letters.
func callOf(args [][]byte, most int) string {
	if len(args) == 0 {
		return ""
	}
	words := make([]string, 0, len(args)-1)
	for i, a := range args[1:] {
		if i == 12 {
			words = append(words, "...")
			break
		}
		words = append(words, `"`+printable(string(a), most)+`"`)
	}
	return printable(string(args[0]), 60) + "(" + strings.Join(words, ", ") + ")"
}

// lifecycleCall writes a call of _lifecycle, whose argument is a message: with the
// chaincode's name, version and sequence. It is "" for other calls.
func lifecycleCall(chaincode string, args [][]byte) string {
	if chaincode != lifecycle || len(args) != 2 || len(args[1]) > maxJSON {
		return ""
	}
	function := printable(string(args[0]), 60)
	o, err := wire.Decode("lifecycle."+function+"Args", args[1])
	if err != nil {
		return ""
	}
	var words []string
	for _, name := range []string{"name", "version", "sequence"} {
		if v, ok := o.Get(name).(string); ok && v != "" {
			words = append(words, name+" "+printable(v, 40))
		}
	}
	return function + "(" + strings.Join(words, ", ") + ")"
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

// count is a number with its noun: "1 block", "2 blocks".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// and joins names: "Org1, Org2 and Org3".
func and(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
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

func nodeCell(node string) Cell { return plain(view.Short(node)).to(nodeSel(node)) }

func blockCell(n uint64) Cell { return mono("#" + strconv.FormatUint(n, 10)).to(blockSel(n)) }
