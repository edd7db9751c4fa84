package panel

// Say lets the stage write its few own words (the legend) in the person's language.
func (s *Stage) Say(say func(word string) string) { s.painter.Say = say }
