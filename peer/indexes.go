package peer

import (
	"context"
	"fmt"

	"github.com/fabriscope/fabriscope/internal/mango"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// makeIndexes makes the indexes that come with the packages of the chaincodes that this
// peer can run, before anybody learns that they can be called. What is there already
// costs a look. A package whose indexes cannot be made is run all the same: its queries read
// every key then, and warn of it.
func (c *channel) makeIndexes(ctx context.Context) {
	if !c.peer.config.CouchDB {
		return
	}
	for _, d := range c.definitions.All() {
		if c.definitions.CheckRunnable(d) != nil {
			continue
		}
		if known, ok := c.indexed.Load(d.Name); ok && known == d.PackageID {
			continue
		}
		if err := c.makeIndexesOf(ctx, d.Name, d.PackageID); err != nil {
			c.peer.failed(trace.Event{Channel: c.name, Key: d.Name}, "make the indexes of chaincode "+d.Name, err)
			continue
		}
		c.indexed.Store(d.Name, d.PackageID)
	}
}

func (c *channel) makeIndexesOf(ctx context.Context, name, packageID string) error {
	pkg, err := c.peer.host.Package(packageID)
	if err != nil {
		return err
	}
	files, err := pkg.StateIndexes()
	if err != nil {
		return err
	}
	var indexes []*mango.Index
	for _, file := range files {
		ix, err := mango.ParseIndex(file.Data)
		if err != nil {
			return fmt.Errorf("%s in package %s: %w", file.Name, packageID, err)
		}
		indexes = append(indexes, ix)
	}
	return c.ledger.CreateIndexes(ctx, name, indexes)
}
