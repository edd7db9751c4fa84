package launch

// WalkCodeWithin is WalkCode with other bounds.
func WalkCodeWithin(code []byte, files int, bytes, fileSize int64, visit func(File) error) error {
	return walk(code, bounds{files: files, bytes: bytes, fileSize: fileSize}, visit)
}
