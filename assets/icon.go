package assets

import _ "embed"

//go:embed icon/icon.png
var iconPNG []byte

// Icon is the application's icon: PNG, 512 by 512. The bytes must not be changed. Package
// app/paint draws it (AppIcon).
func Icon() []byte { return iconPNG }
