package chaincode_test

import (
	"context"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// spiedRuntime tells somebody what is started.
type spiedRuntime struct {
	chaincode.Runtime
	spy startFunc
}

type startFunc func(launch.Spec)

func (s spiedRuntime) Start(ctx context.Context, spec launch.Spec) (launch.Instance, error) {
	s.spy(spec)
	return s.Runtime.Start(ctx, spec)
}

// answer serves GET_STATE with a function of the key, and accepts everything else.
func answer(get func(key string) string) func(context.Context, *peerpb.ChaincodeMessage) ([]byte, error) {
	return func(_ context.Context, req *peerpb.ChaincodeMessage) ([]byte, error) {
		if req.Type != peerpb.ChaincodeMessage_GET_STATE {
			return nil, nil
		}
		var m peerpb.GetState
		if err := proto.Unmarshal(req.Payload, &m); err != nil {
			return nil, err
		}
		return []byte(get(m.Key)), nil
	}
}
