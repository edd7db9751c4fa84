package chaincode

import (
	"context"

	"github.com/fabriscope/fabriscope/chaincode/docker"
)

// DockerVersion gives the version of this computer's Docker engine, or one sentence that
// says why chaincode cannot run in containers here and what to do about it.
func DockerVersion(ctx context.Context) (string, error) {
	return docker.Available(ctx)
}
