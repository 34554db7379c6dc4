package admin

import (
	"context"

	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// Root makes a connection whose calls act as the root of an account, for the composition of one process: what limen dev
// sets up by itself. operations is a connection to the server that Register was called with, for the role admin.
func (s *Service) Root(operations grpc.ClientConnInterface, account, region string) grpc.ClientConnInterface {
	return rootConn{operations, identity.Caller{Account: account, Region: region, ARN: identity.RootARN(account)}}
}

type rootConn struct {
	grpc.ClientConnInterface
	caller identity.Caller
}

func (c rootConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.ClientConnInterface.Invoke(identity.Attach(ctx, c.caller), method, args, reply, opts...)
}
