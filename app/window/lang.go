package window

import (
	"embed"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
)

//go:embed translations
var catalogue embed.FS

// addCatalogue makes the window's texts known in every language that there is.
func addCatalogue() {
	if err := lang.AddTranslationsFS(catalogue, "translations"); err != nil {
		fyne.LogError("the catalogue of texts is damaged", err)
	}
}

func stopping() string { return lang.L("Stopping the network ...") }
