package window

import (
	"fmt"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
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
			if group == words.L("View") {
				into = 1
			}
			columns[into].Add(look.Inset(0, 4, look.Heading(group)))
		}
		columns[into].Add(keyLine(keys, a.title))
	}
	columns[1].Add(look.Inset(0, 4, look.Heading(words.L("Lessons"))))
	for _, k := range lessonKeys() {
		columns[1].Add(keyLine(k.keys, k.does))
	}
	columns[0].Add(look.Inset(0, 4, look.Heading(words.L("Mouse"))))
	for _, line := range []string{
		words.L("Stage: drag the ground to pan, a box to move it; wheel to zoom; double click to fit."),
		words.L("Right button on a node, link or message: faults and holds."),
		words.L("Timeline: wheel zooms, drag pans, the ruler scrubs, the wheel over the names scrolls."),
	} {
		columns[0].Add(look.Muted(line).Wrapped())
	}
	ok := s.closer()
	about := fmt.Sprintf("Fabriscope %s", s.options.Version)
	s.popUp(look.Column(10, look.Line(look.Title(words.L("Keys and help")), look.Muted(about)),
		container.New(look.GridLayout{Columns: 2, Gap: 28}, columns[0], columns[1]),
		look.Muted(words.L("Tab goes from one control to the next, Enter or Space presses it. In the chain, arrow keys walk from block to block and transaction to transaction.")).Wrapped(),
		container.NewHBox(layout.NewSpacer(), ok)), 860)
	s.win.Canvas().Focus(ok)
}

// keyLine is a key and what it does.
func keyLine(keys, does string) fyne.CanvasObject {
	return container.NewBorder(nil, nil, look.Sized(86, 0, look.Mono(keys).Toned(look.Accent)), nil, look.Small(does).Cut())
}

// showSettings is the small dialog of what a person can set for good.
func (s *Shell) showSettings() {
	themes := []string{"", "dark", "light"}
	theme := chosen([]string{words.L("As the system"), words.L("Dark"), words.L("Light")}, slices.Index(themes, s.settings.Theme), func(i int) {
		s.closePopup()
		s.setTheme(themes[i])
	})
	tags, names := []string{""}, []string{words.L("As the system")}
	for _, tag := range words.Languages() {
		tags, names = append(tags, tag), append(names, words.OwnName(tag))
	}
	language := chosen(names, slices.Index(tags, s.settings.Language), func(i int) {
		s.closePopup()
		s.setLanguage(tags[i])
	})
	motion := chosen([]string{words.L("Moving"), words.L("Reduced")}, onOff(s.settings.ReduceMotion), func(i int) {
		s.settings.ReduceMotion = i == 1
		s.saveSettings()
		if s.main != nil {
			s.main.repaint()
		}
	})
	begin := chosen([]string{words.L("Window"), words.L("Presenter")}, onOff(s.settings.Presenter), func(i int) {
		s.settings.Presenter = i == 1
		s.saveSettings()
	})
	row := func(title, explained string, control fyne.CanvasObject) fyne.CanvasObject {
		return look.Line(look.Column(0, look.Heading(title), look.Muted(explained)), control)
	}
	s.popUp(look.Column(14, look.Title(words.L("Settings")),
		row(words.L("Theme"), words.L("colours of the window"), theme),
		row(words.L("Language"), words.L("of the window's own texts"), language),
		row(words.L("Motion"), words.L("messages stand still on their links"), motion),
		row(words.L("Begin with"), words.L("presenter mode is larger"), begin),
		container.NewHBox(layout.NewSpacer(), s.closer())), 620)
}

// chosen is a row of choices of which one holds, the first for an unknown one.
func chosen(options []string, now int, changed func(i int)) *look.Segmented {
	s := look.NewSegmented(options, changed)
	s.Choose(max(0, now))
	return s
}

func onOff(on bool) int {
	if on {
		return 1
	}
	return 0
}
