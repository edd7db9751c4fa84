package paint

import (
	"fmt"
	"image"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
)

// ChainPainter paints the chain panel; its zero value is ready.
type ChainPainter struct {
	dst   *image.RGBA
	pix   *uint8
	key   uint64
	theme string
	scale float64
}

// Paint draws a frame over the whole of dst. Where dst holds the same picture from the
// call before, it leaves it as it is; it tells whether it painted.
func (p *ChainPainter) Paint(dst *image.RGBA, f *chain.Frame, th *Theme) bool {
	if len(dst.Pix) == 0 {
		return false
	}
	if p.dst == dst && p.pix == &dst.Pix[0] && p.key == f.Key && p.theme == th.Name && p.scale == th.Scale {
		return false
	}
	*p = ChainPainter{dst: dst, pix: &dst.Pix[0], key: f.Key, theme: th.Name, scale: th.Scale}
	DrawChain(NewImage(dst), f, th)
	return true
}

// DrawChain draws the chain panel on any canvas.
func DrawChain(c Canvas, f *chain.Frame, th *Theme) {
	d := chainDraw{c: c, th: th, k: th.Scale}
	c.Rect(view.Rect{W: f.W * d.k, H: f.H * d.k}, 0, Style{Fill: th.Ground})
	if !f.Bare {
		d.title(f)
	}
	for _, r := range f.Joins {
		c.Rect(d.rect(r), 0, Style{Fill: th.Line})
	}
	for i := range f.Cards {
		d.card(&f.Cards[i])
	}
	if f.Next != nil {
		d.next(f)
	}
}

// chainDraw draws a frame at the theme's scale.
type chainDraw struct {
	c  Canvas
	th *Theme
	k  float64
}

func (d *chainDraw) rect(r view.Rect) view.Rect {
	return view.Rect{X: r.X * d.k, Y: r.Y * d.k, W: r.W * d.k, H: r.H * d.k}
}

func (d *chainDraw) at(x, y float64) view.Point { return view.Point{X: x * d.k, Y: y * d.k} }

func (d *chainDraw) title(f *chain.Frame) {
	x := 16 * d.k
	x += d.c.Text(view.Point{X: x, Y: 20 * d.k}, f.Book.L("Chain"), d.th.SansBold(13), d.th.Text)
	x += 12 * d.k
	note := f.Book.L("one square per transaction")
	if len(f.Cards) == 0 && (f.Next == nil || len(f.Next.Squares) == 0) {
		note = f.Book.L("no block with transactions yet")
	}
	d.c.Text(view.Point{X: x, Y: 20 * d.k}, Fit(note, d.th.Sans(11), f.W*d.k-x-8*d.k), d.th.Sans(11), d.th.Muted)
}

func (d *chainDraw) card(card *chain.Card) {
	th, r := d.th, d.rect(card.Rect)
	edge, width := th.Line, 1.0
	switch {
	case card.Selected:
		edge, width = th.Class(view.Block), 2
	case card.Problem != "":
		edge = th.Invalid
	}
	fill := th.Raised
	if card.State != chain.Committed {
		fill = th.Ground
	}
	d.c.Rect(r, 7*d.k, Style{Fill: fill, Stroke: edge, Width: width * d.k})
	if card.Hash != "" {
		TextEnd(d.c, d.at(card.Rect.X+card.Rect.W-10, card.Rect.Y+18), card.Hash, th.Mono(10), th.Muted)
	}
	d.c.Text(d.at(card.Rect.X+10, card.Rect.Y+18), "#"+strconv.FormatUint(card.Number, 10), th.MonoBold(11), th.Class(view.Block))
	d.body(card)
}

// countLines is how many lines of counts a card has room for.
const countLines = 3

// body draws what a card holds: squares, or counts where there are too many.
func (d *chainDraw) body(card *chain.Card) {
	for i := range card.Squares {
		d.square(&card.Squares[i])
	}
	for i, n := range card.Counts {
		if i == countLines {
			break
		}
		y := card.Rect.Y + 31 + float64(i)*12.5
		if rest := card.Counts[i:]; i == countLines-1 && len(rest) > 1 {
			n = chain.Count{Code: fmt.Sprintf("%d codes", len(rest))}
			for _, m := range rest {
				n.N += m.N
			}
		}
		q := chain.Square{Rect: view.Rect{X: card.Rect.X + 10, Y: y - 8, W: 9, H: 9}, Code: n.Code, Valid: n.Valid, State: chain.Judged}
		if n.Code == "" {
			q.State, q.TxID = chain.Ordered, "some"
		}
		d.square(&q)
		x := d.at(card.Rect.X+24, y)
		w := d.c.Text(x, strconv.Itoa(n.N), d.th.Mono(11), d.th.Text)
		if room := (card.Rect.W-30)*d.k - w; n.Code != "" && !n.Valid {
			d.c.Text(view.Point{X: x.X + w + 5*d.k, Y: x.Y}, Fit(codeWords(n.Code), d.th.Sans(10), room-5*d.k), d.th.Sans(10), d.th.Muted)
		}
	}
}

// codeWords is a code's name in small letters: MVCC_READ_CONFLICT is "mvcc read conflict".
func codeWords(code string) string { return strings.ToLower(strings.ReplaceAll(code, "_", " ")) }

// square draws one transaction: hollow before the verdict, filled when valid, a cross
// when invalid. One with two different verdicts has a frame in the colour of warnings.
func (d *chainDraw) square(q *chain.Square) {
	th, r := d.th, d.rect(q.Rect)
	radius := min(2.5*d.k, r.W/4)
	switch {
	case q.State < chain.Judged:
		width := min(1.5*d.k, r.W/5)
		edge := th.Muted
		if q.TxID == "" {
			edge = th.Faint
		}
		d.c.Rect(r.Inset(width/2), radius, Style{Stroke: edge, Width: width})
	case q.Valid:
		d.c.Rect(r, radius, Style{Fill: th.Valid})
	default:
		d.c.Rect(r, radius, Style{Fill: Alpha(th.Invalid, 0.18)})
		drawCross(d.c, r.Center(), r.W*0.24, Style{Stroke: th.Invalid, Width: max(1, r.W*0.15)})
	}
	if q.Differs {
		d.c.Rect(r.Inset(-1.5*d.k), radius, Style{Stroke: th.Warn, Width: 1.5 * d.k})
	}
	if q.Selected {
		d.c.Rect(r.Inset(-2*d.k), radius+1, Style{Stroke: th.Text, Width: max(1, 1.5*d.k)})
	}
}

// next draws the block that is filling.
func (d *chainDraw) next(f *chain.Frame) {
	card, th := f.Next, d.th
	edge := th.Line
	if card.Selected {
		edge = th.Class(view.Block)
	}
	d.c.Rect(d.rect(card.Rect), 7*d.k, Style{Stroke: edge, Width: 1.2 * d.k, Dash: 4 * d.k})
	d.c.Text(d.at(card.Rect.X+10, card.Rect.Y+18), f.Book.L("next"), th.Mono(11), th.Muted)
	if n := len(card.Squares); n > 0 {
		TextEnd(d.c, d.at(card.Rect.X+card.Rect.W-10, card.Rect.Y+18), strconv.Itoa(n), th.Mono(10), th.Muted)
	}
	d.body(card)
}
