package window

import (
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
)

func lessonsOf(s *Shell) []session.Lesson { return session.Lessons(s.settings) }

// showHelp lists every key, from the table that the keys are bound from.
func (s *Shell) showHelp() {
	var columns [2]*fyne.Container
	columns[0], columns[1] = look.Column(3), look.Column(3)
	into, group := 0, ""
	for i := range s.actions {
		a := &s.actions[i]
		keys := a.keyText()
		if keys == "" {
			continue
		}
		if a.group != group {
			group = a.group
			if group == lang.L("View") {
				into = 1
			}
			columns[into].Add(look.Inset(0, 4, look.Heading(group)))
		}
		columns[into].Add(container.NewBorder(nil, nil, look.Sized(86, 0, look.Mono(keys).Toned(look.Accent)), nil, look.Small(a.title).Cut()))
	}
	columns[0].Add(look.Inset(0, 4, look.Heading(lang.L("Mouse"))))
	for _, line := range []string{
		lang.L("Stage: drag the ground to pan, a box to move it; wheel to zoom; double click to fit."),
		lang.L("Right button on a node, link or message: faults and holds."),
		lang.L("Timeline: wheel zooms, drag pans, the ruler scrubs, the wheel over the names scrolls."),
	} {
		columns[0].Add(look.Muted(line).Wrapped())
	}
	var shut func()
	ok := look.Primary(lang.L("Close"), func() { shut() })
	about := fmt.Sprintf("Fabriscope %s", s.options.Version)
	shut = s.popUp(look.Column(10, look.Line(look.Title(lang.L("Keys and help")), look.Muted(about)),
		container.New(gridLayout{columns: 2, gap: 28}, columns[0], columns[1]),
		look.Muted(lang.L("Tab goes from one control to the next, Enter or Space presses it. In the chain, arrow keys walk from block to block and transaction to transaction.")).Wrapped(),
		container.NewHBox(layout.NewSpacer(), ok)), 860)
	s.win.Canvas().Focus(ok)
}

// showSettings is the small dialog of what a person can set for good.
func (s *Shell) showSettings() {
	var shut func()
	themes := []string{"", "dark", "light"}
	theme := look.NewSegmented([]string{lang.L("As the system"), lang.L("Dark"), lang.L("Light")}, func(i int) {
		shut()
		s.setTheme(themes[i])
	})
	theme.Choose(indexOf(themes, s.settings.Theme))
	languages := []string{"", "en", "de"}
	language := look.NewSegmented([]string{lang.L("As the system"), "English", "Deutsch"}, func(i int) {
		s.settings.Language = languages[i]
		s.saveSettings()
		s.toast(lang.L("The language changes when the program starts again."))
	})
	language.Choose(indexOf(languages, s.settings.Language))
	motion := look.NewSegmented([]string{lang.L("Moving"), lang.L("Reduced")}, func(i int) {
		s.settings.ReduceMotion = i == 1
		s.saveSettings()
		if s.main != nil {
			s.main.repaint()
		}
	})
	if s.settings.ReduceMotion {
		motion.Choose(1)
	}
	begin := look.NewSegmented([]string{lang.L("Window"), lang.L("Presenter")}, func(i int) {
		s.settings.Presenter = i == 1
		s.saveSettings()
	})
	if s.settings.Presenter {
		begin.Choose(1)
	}
	ok := look.Primary(lang.L("Close"), func() { shut() })
	row := func(title, explained string, control fyne.CanvasObject) fyne.CanvasObject {
		return look.Line(look.Column(0, look.Heading(title), look.Muted(explained)), control)
	}
	shut = s.popUp(look.Column(14, look.Title(lang.L("Settings")),
		row(lang.L("Theme"), lang.L("colours of the window"), theme),
		row(lang.L("Language"), lang.L("of the window's own texts"), language),
		row(lang.L("Motion"), lang.L("messages stand still on their links"), motion),
		row(lang.L("Begin with"), lang.L("presenter mode is larger"), begin),
		container.NewHBox(layout.NewSpacer(), ok)), 620)
}

func indexOf(list []string, what string) int {
	for i, v := range list {
		if v == what {
			return i
		}
	}
	return 0
}
