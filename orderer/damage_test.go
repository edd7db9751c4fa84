package orderer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/orderer"
)

// A stored configuration that cannot be read is named with its file and what to do;
// and that can be done.
func TestDamagedConfiguration(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach})
	name := c.follower()
	c.mustOrder(c.leader(), c.transaction("before"))
	c.holds(name, 1)
	config := c.config(name)
	c.stop(name, (*orderer.Node).Close)
	path := orderer.ChannelFile(filepath.Join(c.dir, name), channel)
	db, err := sqlite.Open(path, sqlite.Options{})
	must(t, err)
	_, err = db.Writer().Exec("UPDATE entry SET data = x'00ff00ff' WHERE idx = (SELECT idx FROM block WHERE number = 0)")
	must(t, err)
	must(t, db.Close())
	_, err = orderer.New(config)
	if err == nil {
		t.Fatal("the node starts")
	}
	for _, part := range []string{path, "configuration cannot be read", "delete it"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	files, err := filepath.Glob(path + "*")
	must(t, err)
	for _, f := range files {
		must(t, os.Remove(f))
	}
	n := c.restart(name)
	must(t, n.Join(c.genesis, c.members(c.running()...)))
	c.holds(name, 1)
}
