package validate

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Sentences for people. They say what happened in the order in which it happened;
// the same text appears in the window, on the command line and in reports.

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// clean makes an error fit into a sentence: one line, no closing full stop.
func clean(err error) string {
	// protobuf varies the space in its messages so that nobody compares them.
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimRight(strings.Join(strings.Fields(text), " "), ".")
}

// shortID is the beginning of a transaction id.
func shortID(id string) string {
	if len(id) > 8 && isASCII(id) {
		return id[:8]
	}
	return id
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// show writes a key for people and JSON: a private one as the hexadecimal digits
// of its hash, a composite one with the zero bytes between its parts as they are.
func (k stateKey) show() string {
	if k.coll != "" {
		return hex.EncodeToString([]byte(k.key))
	}
	return k.key
}

// sayKey names a key in a sentence.
func (k stateKey) say() string {
	if k.coll != "" {
		return fmt.Sprintf("the private key with hash %s (collection %s of chaincode %s)", short([]byte(k.key)), k.coll, k.ns)
	}
	if name, ok := wire.DefinedBySequenceKey(k.key); ok && k.ns == wire.LifecycleNamespace {
		return "the definition of chaincode " + name
	}
	return printable(k.key)
}

// printable writes a public key: composite keys as their parts, others as they
// are, in quotes if they would not be readable otherwise.
func printable(key string) string {
	if key == "" {
		return `the key ""`
	}
	if parts, ok := strings.CutPrefix(key, "\x00"); ok && strings.HasSuffix(parts, "\x00") {
		return "[" + strings.Join(strings.Split(strings.TrimSuffix(parts, "\x00"), "\x00"), " ") + "]"
	}
	for _, r := range key {
		if r <= ' ' || r == utf8.RuneError || r == 0x7f {
			return fmt.Sprintf("%q", key)
		}
	}
	return key
}

// readText explains an outdated read.
func readText(r *Reason) string {
	key := r.at
	var out strings.Builder
	if r.Read == nil {
		fmt.Fprintf(&out, "When it was simulated, %s did not exist.", key.say())
	} else {
		fmt.Fprintf(&out, "When it was simulated, %s had version %s.", key.say(), r.Read)
	}
	out.WriteByte(' ')
	switch {
	case r.By != nil && r.By.SameBlock:
		fmt.Fprintf(&out, "%s, earlier in this same block, %s", by(r.By), changed(r))
	case r.By != nil:
		fmt.Fprintf(&out, "%s, in block %d, %s", by(r.By), r.By.Block, changed(r))
	case r.Found == nil:
		out.WriteString("Now it does not exist.")
	default:
		fmt.Fprintf(&out, "Now it has version %s.", r.Found)
	}
	if key.ns == wire.LifecycleNamespace {
		out.WriteString(" The result comes from another definition of the chaincode, so peers drop it.")
	} else {
		out.WriteString(" The value this result was computed from is gone, so peers drop it.")
	}
	return out.String()
}

// by names the writer at the beginning of a sentence.
func by(w *Writer) string {
	if w.TxID == "" {
		return fmt.Sprintf("Transaction %d of block %d", w.Tx, w.Block)
	}
	return "Transaction " + shortID(w.TxID)
}

func changed(r *Reason) string {
	switch {
	case r.Found == nil && r.Read == nil:
		return "deleted it all the same."
	case r.Found == nil:
		return "deleted it."
	case r.Read == nil:
		return fmt.Sprintf("created it with version %s.", r.Found)
	default:
		return fmt.Sprintf("changed it to version %s.", r.Found)
	}
}

// rangeText explains a phantom.
func rangeText(r *Reason) string {
	c := r.Range
	var out strings.Builder
	fmt.Fprintf(&out, "When it was simulated, it listed the keys of chaincode %s %s.", r.Namespace, c.span())
	out.WriteByte(' ')
	key := printable(c.Key)
	switch c.What {
	case RangeAppeared:
		fmt.Fprintf(&out, "Since then %s has appeared%s.", key, through(r))
	case RangeVanished:
		fmt.Fprintf(&out, "Since then %s has vanished%s.", key, through(r))
	case RangeChanged:
		fmt.Fprintf(&out, "Since then %s has changed from version %s to %s%s.", key, versionText(r.Read), versionText(r.Found), through(r))
	case RangeUnusable:
		out.WriteString("The recorded result cannot be that of any query.")
	default:
		out.WriteString("The same query gives another result now; of so many keys only hashes are recorded, so the key is not known for certain.")
		if c.Key != "" {
			fmt.Fprintf(&out, " The newest change inside is that of %s, version %s%s.", key, versionText(r.Found), through(r))
		}
	}
	out.WriteString(" The list this result was computed from is outdated, so peers drop it.")
	return out.String()
}

func through(r *Reason) string {
	if r.By == nil {
		return ""
	}
	text := by(r.By)
	where := fmt.Sprintf("in block %d", r.By.Block)
	if r.By.SameBlock {
		where = "earlier in this same block"
	}
	if r.By.TxID == "" {
		where = ""
	}
	return strings.TrimRight(fmt.Sprintf(" (%s, %s", strings.ToLower(text[:1])+text[1:], where), ", ") + ")"
}

// span says from where to where a query went. A query for composite keys with a
// common beginning has an end that nobody wrote.
func (c *RangeChange) span() string {
	if c.End == c.Start+"\U0010ffff" && strings.HasPrefix(c.Start, "\x00") {
		return "that begin with " + printable(c.Start)
	}
	from, to := "from the first", "to the last"
	if c.Start != "" {
		from = "from " + printable(c.Start)
	}
	if c.End != "" {
		to = "up to " + printable(c.End)
		if c.EndIncluded {
			to = "up to and including " + printable(c.End)
		}
	}
	return from + " " + to
}

// policyText explains an unsatisfied policy.
func policyText(r *Reason, p *namedPolicy) string {
	if p.problem != "" {
		return fmt.Sprintf("The endorsement policy of %s cannot be satisfied: %s.", r.PolicyName, p.problem)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "The endorsement policy of %s is %s%s: ", r.PolicyName, shorten(p.text()), p.where())
	if r.Policy.Need > 1 {
		fmt.Fprintf(&out, "%d of the %d needed parts %s satisfied", r.Policy.Have, r.Policy.Need, isAre(r.Policy.Have))
	} else {
		out.WriteString("no part of it is satisfied")
	}
	if missing := r.Policy.Missing(); len(missing) > 0 {
		fmt.Fprintf(&out, ", a valid signature for %s is missing", strings.Join(missing, " and "))
	}
	out.WriteByte('.')
	var present []string
	for _, e := range r.Endorsers {
		if e.Accepted {
			present = append(present, e.Who)
		}
	}
	if len(present) > 0 {
		fmt.Fprintf(&out, " Endorsed by %s.", strings.Join(present, ", "))
	} else {
		out.WriteString(" There is no valid endorsement.")
	}
	out.WriteString(rejections("endorsement", r.Endorsers))
	return out.String()
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// shorten keeps a long policy from filling the screen; its tree has all of it.
func shorten(text string) string {
	const limit = 200
	if len(text) <= limit {
		return text
	}
	cut := limit
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// rejections says which signatures do not count and why.
func rejections(what string, all []Endorser) string {
	var out strings.Builder
	for _, e := range all {
		if !e.Accepted {
			fmt.Fprintf(&out, " The %s by %s does not count: %s.", what, e.Who, e.Why)
		}
	}
	return out.String()
}

// certificateName is the common name in a PEM certificate, "" if it has none.
func certificateName(certPEM []byte) string {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return ""
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ""
	}
	return cert.Subject.CommonName
}

// version gives a pointer to a copy.
func version(v wire.Version) *wire.Version { return &v }
