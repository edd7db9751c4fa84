package paint_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// The specimen as SVG is well formed, the same each time, and asks for nothing outside.
func TestSVG(t *testing.T) {
	draw := func() []byte {
		var b bytes.Buffer
		s := paint.NewSVG(&b, specimenW, specimenH)
		s.Title("Specimen <1> & more")
		specimen(s, paint.Light())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	doc := draw()
	wellFormed(t, doc)
	if !bytes.Equal(doc, draw()) {
		t.Error("the same drawing gave two different documents")
	}
	if n := strings.Count(string(doc), "http"); n != 1 {
		t.Errorf("%d addresses in the document; only the namespace is one", n)
	}
}

func wellFormed(t *testing.T, doc []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("not well formed: %v\n%.2000s", err, doc)
		}
	}
}

// Any text and any number leave a well-formed document.
func FuzzSVG(f *testing.F) {
	f.Add("</text><script>alert(1)</script>", 1.0, 2.0)
	f.Add("\x00\xff\ufffe]]>&\"'", math.NaN(), math.Inf(1))
	f.Add("a\u202eb", -1e300, 1e-300)
	f.Fuzz(func(t *testing.T, text string, x, y float64) {
		var b bytes.Buffer
		s := paint.NewSVG(&b, 100, 100)
		s.Title(text)
		s.Text(view.Point{X: x, Y: y}, text, paint.Font{Size: y}, black)
		restore := s.Clip(view.Rect{X: x, Y: y, W: y, H: x})
		s.Rect(view.Rect{X: x, Y: y, W: math.Abs(x), H: math.Abs(y)}, y, paint.Style{Fill: red, Stroke: black, Width: x, Dash: y})
		s.Circle(view.Point{X: x, Y: y}, y, paint.Style{Fill: red})
		s.Path([]view.Point{{X: x, Y: y}, {X: y, Y: x}}, true, paint.Style{Stroke: red, Width: y})
		restore()
		restore()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, b.Bytes())
		if strings.Contains(b.String(), "<script") || strings.ContainsAny(b.String(), "\x00\u202e") {
			t.Fatalf("hostile text came through: %s", b.String())
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// An error of writing comes out of Close.
func TestSVGTellsWriteErrors(t *testing.T) {
	s := paint.NewSVG(full{}, 100, 100)
	specimen(s, paint.Dark())
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}
