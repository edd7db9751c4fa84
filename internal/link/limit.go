package link

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
)

// Limit bounds the calls and streams that a server handles at once for some of
// its services, by name: {"protos.Endorser": 2500}. One call more is refused
// with Fabric's own text and code Unknown (wire.md D.2). Give the result to
// NewServer.
func Limit(calls map[string]int) Interceptor {
	running := make(map[string]*limit, len(calls))
	for service, most := range calls {
		running[service] = &limit{service: service, most: int64(most)}
	}
	unary := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		l := running[serviceOf(info.FullMethod)]
		if err := l.enter(); err != nil {
			return nil, err
		}
		defer l.leave()
		return handle(ctx, request)
	}
	stream := func(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		l := running[serviceOf(info.FullMethod)]
		if err := l.enter(); err != nil {
			return err
		}
		defer l.leave()
		return handle(server, s)
	}
	return Interceptor{unary, stream}
}

// limit counts the calls of one service. nil does not limit.
type limit struct {
	service string
	most    int64
	now     atomic.Int64
}

func (l *limit) enter() error {
	if l == nil {
		return nil
	}
	if l.now.Add(1) > l.most {
		l.now.Add(-1)
		return fmt.Errorf("too many requests for /%s, exceeding concurrency limit (%d)", l.service, l.most)
	}
	return nil
}

func (l *limit) leave() {
	if l != nil {
		l.now.Add(-1)
	}
}

// serviceOf is "protos.Endorser" for "/protos.Endorser/ProcessProposal".
func serviceOf(method string) string {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service
}
