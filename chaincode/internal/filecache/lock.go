package filecache

import (
	"context"
	"io"
)

// Lock waits until no other goroutine and no other program of the same user holds the
// lock of that name, which must be a plain file name, and takes it. Close gives it back;
// so does the end of the program, however it ends. There should be few names, because
// lock files stay.
func (c *Cache) Lock(ctx context.Context, name string) (io.Closer, error) {
	return c.lock(ctx, name)
}
