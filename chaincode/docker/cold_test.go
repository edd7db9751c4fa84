package docker_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/docker"
)

// What happens once per computer takes minutes, so it is tested on demand only:
// FABRISCOPE_COLD=1 go test -v -run Cold ./chaincode/docker
func TestColdStart(t *testing.T) {
	if os.Getenv("FABRISCOPE_COLD") == "" {
		t.Skip("set FABRISCOPE_COLD=1 to make builder images and fill caches from nothing")
	}
	MustLeaveNothing(t)
	c := MustEngine(t)
	raw, err := chaincode.PackageSource(t.Context(), "../testdata/contract", "contract")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImageRemove(t.Context(), "fabriscope-builder:go1.26.8", image.RemoveOptions{}); err != nil {
		t.Log(err)
	}
	for _, tc := range []struct {
		name string
		cfg  docker.Config
		warm bool
	}{
		{"cache filled by this computer's Go, no builder image", docker.Config{CacheVolume: "fabriscope-test-seeded", WarmCode: warmCode}, true},
		{"cache filled with the standard library in the builder", docker.Config{CacheVolume: "fabriscope-test-standard", Go: "/nonexistent"}, true},
		{"nothing in the cache", docker.Config{CacheVolume: "fabriscope-test-empty", Go: "/nonexistent"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Cleanup(func() {
				if err := c.VolumeRemove(context.Background(), tc.cfg.CacheVolume, true); err != nil {
					t.Error(err)
				}
			})
			rt := MustRuntime(t, tc.cfg)
			var said steps
			begin := time.Now()
			if tc.warm {
				if err := rt.Warm(t.Context(), func(what string) { said.tell(time.Since(begin).Round(time.Millisecond).String(), what) }); err != nil {
					t.Fatal(err)
				}
				t.Logf("warming took %s\n%s", time.Since(begin), &said)
			}
			spec := MustSpec(t, "contract")
			spec.PackageID, spec.Path, spec.Code = p.ID, p.Path, p.Code
			begin = time.Now()
			in := MustStart(t, rt, spec)
			t.Logf("compiled and started after %s as %s", time.Since(begin), in.ID())
		})
	}
}
