package docker_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
)

func TestSampleRuns(t *testing.T) {
	MustLeaveNothing(t)
	b := MustPeer(t, MustRuntime(t, docker.Config{}), "peer0", chaincode.Config{})
	b.ID = cctest.MustInstall(t, b.Host, "asset", "asset")
	begin := time.Now()
	b.MustCall("CreateAsset", "a1", "blue", "5", "tom", "100")
	t.Logf("first answer after %s", time.Since(begin))
	if got := b.MustCall("AssetExists", "a1"); got != "true" {
		t.Errorf("got %s", got)
	}
	if s := b.Host.Running(); len(s) != 1 || len(s[0].Instance) != 12 {
		t.Errorf("running: %+v", s)
	}
}

// Four peers, each with a runtime of its own as in a network, launch one sample at once.
func TestFourPeersStartASample(t *testing.T) {
	const peers = 4
	MustLeaveNothing(t)
	cache := t.TempDir()
	var all [peers]*cctest.Bench
	for i := range all {
		name := fmt.Sprint("peer", i)
		all[i] = MustPeer(t, MustRuntime(t, docker.Config{Peer: name, CacheDir: cache}), name, chaincode.Config{})
		all[i].ID = cctest.MustInstall(t, all[i].Host, "asset", "asset")
	}
	var wg sync.WaitGroup
	begin := time.Now()
	for _, b := range all {
		wg.Go(func() {
			if err := b.Host.Launch(t.Context(), b.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d peers' containers were registered after %s", peers, time.Since(begin))
}
