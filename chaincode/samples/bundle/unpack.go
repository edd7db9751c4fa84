package bundle

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/fabriscope/fabriscope/chaincode/internal/filecache"
)

// Unpack gives the path of the binary as a file of its own, in the cache directory (""
// is the user's), where it is written once for all programs of the user, and its ID.
// Error: [ErrAbsent], or what the file system says.
func Unpack(ctx context.Context, cacheDir string) (path, id string, err error) {
	bin, err := Open()
	if err != nil {
		return "", "", err
	}
	cache, err := filecache.Open(cacheDir, "samples")
	if err != nil {
		return "", "", err
	}
	path, _, err = cache.File(ctx, "samples-"+bin.ID(), func(path string) error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, bin); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
	if err != nil {
		return "", "", fmt.Errorf("unpack the samples' binary: %w", err)
	}
	return path, bin.ID(), nil
}
