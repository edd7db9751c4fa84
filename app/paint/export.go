package paint

import (
	"image"
	"image/png"
	"io"
)

// WritePNG writes a picture as PNG.
func WritePNG(w io.Writer, pic *image.RGBA) error {
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, pic)
}
