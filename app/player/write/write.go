// Package write makes pages of recorded runs: one HTML file that needs nothing else and
// shows a run as the window does, by the program of package player/page, which it carries.
//
// The program is made by "make build" (into data/) and is not in the repository. Without
// it ErrAbsent is given.
package write

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"strings"

	"github.com/fabriscope/fabriscope/app/player"
	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
)

//go:embed all:data
var data embed.FS

//go:embed player.html
var body string

//go:embed player.css
var style string

//go:embed player.js
var script string

// ErrAbsent: the program was built without the player.
var ErrAbsent = errors.New("this program was built without the player for browsers (make build puts it in); --report writes the page without it")

// Available says whether the player is there.
func Available() bool {
	_, err := data.Open("data/page.wasm.gz")
	return err == nil
}

// MostEvents is how many events a page holds unless somebody asks for more: what a browser
// opens within seconds.
const MostEvents = 50_000

// Page writes a run as one page: the report, and the player above it if it is there.
func Page(w io.Writer, src view.Source, info report.PageInfo, head player.Head) error {
	part, err := playerOf(src, head)
	if err != nil && !errors.Is(err, ErrAbsent) {
		return err
	}
	info.Player = part
	return report.WriteHTML(w, src, info)
}

// playerOf is what a page has besides its report.
func playerOf(src view.Source, head player.Head) (*report.Player, error) {
	program, err := data.ReadFile("data/page.wasm.gz")
	if err != nil {
		return nil, ErrAbsent
	}
	bridge, err := data.ReadFile("data/wasm_exec.js")
	if err != nil {
		return nil, ErrAbsent
	}
	licences, err := data.ReadFile("data/licences.txt")
	if err != nil {
		return nil, ErrAbsent
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(player.Pack(zip, src, head), zip.Close()); err != nil {
		return nil, err
	}
	said := player.PageWords(words.Now())
	attributes := ""
	for _, name := range []string{"slow", "reading", "none"} {
		attributes += fmt.Sprintf(` data-%s="%s"`, name, html.EscapeString(said[name]))
	}
	attributes += fmt.Sprintf(` data-languages="%s"`, strings.Join(words.Languages(), " "))
	var tail strings.Builder
	for _, part := range []struct{ kind, id, text string }{
		{"application/octet-stream", "run-data", encode(packed.Bytes())}, {"application/octet-stream", "program-data", encode(program)},
		{"text/javascript", "bridge", string(bridge)}, {"text/javascript", "player-script", script}, {"text/plain", "licences", string(licences)},
	} {
		if strings.Contains(strings.ToLower(part.text), "</script") {
			return nil, fmt.Errorf("the page's part %s cannot stand in a page", part.id)
		}
		fmt.Fprintf(&tail, "<script type=%q id=%q>%s</script>\n", part.kind, part.id, part.text)
	}
	return &report.Player{
		Style: template.CSS(style),
		Body:  template.HTML(strings.Replace(body, ` hidden>`, attributes+` hidden>`, 1)),
		Tail:  template.HTML(tail.String()),
		Show:  said["player"],
	}, nil
}

// alphabet of encode: none of its characters means anything in HTML.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-./:;=?@[]^_`{|}~"

// encode writes bytes as text for a page: their number, a space, and five characters for
// every four bytes. That is a quarter more than the bytes; base64 takes a third.
func encode(b []byte) string {
	var out strings.Builder
	out.Grow(len(b)/4*5 + 32)
	fmt.Fprintf(&out, "%d ", len(b))
	for len(b) > 0 {
		var four [4]byte
		b = b[copy(four[:], b):]
		n := uint32(four[0])<<24 | uint32(four[1])<<16 | uint32(four[2])<<8 | uint32(four[3])
		var five [5]byte
		for i := 4; i >= 0; i-- {
			five[i] = alphabet[n%85]
			n /= 85
		}
		out.Write(five[:])
	}
	return out.String()
}
