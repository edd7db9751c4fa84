package panel

// Say lets the stage write its few own words (the legend) in the person's language.
func (s *Stage) Say(say func(word string) string) { s.painter.Say = say }

// Reveal scrolls the chain to where reveal says that something can be seen.
func (c *Chain) Reveal(reveal func(w, h, scroll float64) float64) {
	w, h := c.units()
	if to := reveal(w, h, c.scroll); to != c.scroll && w > 0 {
		c.scroll = to
		c.Repaint()
	}
}
