package launch

import "time"

// WalkCodeWithin is WalkCode with other bounds.
func WalkCodeWithin(code []byte, files int, bytes, fileSize int64, visit func(File) error) error {
	return walk(code, bounds{files: files, bytes: bytes, fileSize: fileSize}, visit)
}

// SetClock replaces the clock of an output.
func (o *Output) SetClock(now func() time.Time) { o.now = now }
