package assets

import _ "embed"

// The faces that everything is written in. Both families are under the SIL Open Font
// License 1.1; fonts/OFL-*.txt stand beside them.
var (
	//go:embed fonts/Inter-Regular.otf
	fontSans []byte
	//go:embed fonts/Inter-SemiBold.otf
	fontSansBold []byte
	//go:embed fonts/JetBrainsMono-Regular.ttf
	fontMono []byte
	//go:embed fonts/JetBrainsMono-Bold.ttf
	fontMonoBold []byte
)

// FontSans is Inter Regular (OpenType), for text. The bytes must not be changed.
func FontSans() []byte { return fontSans }

// FontSansBold is Inter SemiBold, for headings and names.
func FontSansBold() []byte { return fontSansBold }

// FontMono is JetBrains Mono Regular (TrueType), for ids, versions and keys.
func FontMono() []byte { return fontMono }

// FontMonoBold is JetBrains Mono Bold.
func FontMonoBold() []byte { return fontMonoBold }
