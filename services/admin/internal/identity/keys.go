package identity

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/token"
)

// Keys are the access keys of the installation: the root keys of its accounts. It is immutable.
type Keys struct{ byID map[string]rootkeys.Key }

// NewKeys indexes root keys.
func NewKeys(keys []rootkeys.Key) Keys {
	k := Keys{map[string]rootkeys.Key{}}
	for _, key := range keys {
		k.byID[key.AccessKeyID] = key
	}
	return k
}

// Secret is the secret access key of an id.
func (k Keys) Secret(id string) (string, bool) {
	key, ok := k.byID[id]
	return key.SecretAccessKey, ok
}

// Caller is who an access key stands for; its secret must have been proved.
func (k Keys) Caller(id, region string) Caller {
	account := k.byID[id].Account
	return Caller{Account: account, Region: region, ARN: RootARN(account), AccessKeyID: id}
}

// regionHeader lets a gRPC caller choose a region; a signature names its own.
const regionHeader = "limen-use-region"

// Tokens is the interceptor of the public gRPC face: a call from outside proves its caller by a bearer token; a call of the
// REST face, in this process, has proved it by a signature.
func (k Keys) Tokens(service string, region string, now func() time.Time) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if !strings.HasPrefix(info.FullMethod, service) || rpc.Caller(ctx) == rpc.Admin {
			return handler(ctx, req)
		}
		c, err := k.fromToken(ctx, region, now())
		if err != nil {
			return nil, err
		}
		return handler(Incoming(ctx, c), req)
	}
}

func (k Keys) fromToken(ctx context.Context, region string, now time.Time) (Caller, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	scheme, value, ok := strings.Cut(first(md, "authorization"), " ")
	if !ok || !strings.EqualFold(scheme, token.Scheme) {
		return Caller{}, status.Error(codes.Unauthenticated, "authorization metadata must hold a bearer token; limen token makes one")
	}
	claims, err := token.Verify(strings.TrimSpace(value), k.Secret, now)
	if err != nil {
		return Caller{}, status.Errorf(codes.Unauthenticated, "bearer token refused: %v", err)
	}
	if r := first(md, regionHeader); r != "" {
		region = r
	}
	return k.Caller(claims.AccessKeyID, region), nil
}
