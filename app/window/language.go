package window

import (
	"os"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/words"
)

// applyLanguage makes the language that the options or the settings name, or else the
// system's, the language of the window and of the toolkit's own texts.
func (s *Shell) applyLanguage() {
	tag := s.options.Language
	if tag == "" {
		tag = s.settings.Language
	}
	if tag == "" {
		tag = s.systemLanguage
	}
	words.Use(words.Of(tag))
	speakFyne(tag)
}

// setLanguage changes the language at once, "" is the system's.
func (s *Shell) setLanguage(tag string) {
	s.settings.Language, s.options.Language = tag, ""
	s.saveSettings()
	s.applyLanguage()
	s.rebuild()
}

// speakFyne gives the toolkit its language: it takes it from the environment, and looks
// there whenever it learns of a catalogue, even of an empty one.
func speakFyne(tag string) {
	for name, value := range map[string]string{"LANGUAGE": tag, "LANG": tag + ".UTF-8", "LC_ALL": tag + ".UTF-8"} {
		os.Setenv(name, value)
	}
	if err := lang.AddTranslationsForLocale([]byte("{}"), fyne.Locale("en")); err != nil {
		fyne.LogError("the toolkit keeps its language", err)
	}
}
