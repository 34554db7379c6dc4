package roles

import (
	"context"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/authz"
)

// AuthzConfig are the settings of authz.
type AuthzConfig struct {
	GRPCListen    string `yaml:"grpc_listen" help:"address where edges in other processes ask"`
	CacheBytes    int64  `yaml:"cache_bytes" default:"67108864" help:"how much memory the kept results of authorizers may take"`
	HideCanonical bool   `yaml:"hide_canonical_string" help:"whether the answer to a signature that does not match leaves out what should have been signed; AWS tells it, and it repeats all signed headers"`
}

// authorizerTimeout is how long an authz that ends waits for the authorizers it has asked: as long as an edge does.
var authorizerTimeout = rpc.House().Deadlines[authzv1.Authz_Authorize_FullMethodName]

// authzNode is the role authz, with the connections to functions that it opens.
type authzNode struct {
	*grpcNode
	invoker *functions.Invoker
}

func newAuthz(h *house) (run.Service, error) {
	invoker, err := h.invoker()
	if err != nil {
		return nil, err
	}
	var keys []rootkeys.Key
	if h.dev || h.config.RootKeyFile != "" {
		if keys, _, err = RootKeys(h.config, h.dev); err != nil {
			return nil, err
		}
	}
	service, err := authz.New(authz.Config{CacheBytes: h.config.Authz.CacheBytes, HideCanonical: h.config.Authz.HideCanonical}, authz.Deps{RootKeys: keys, Functions: invoker, Log: h.telemetry.Log})
	if err != nil {
		return nil, err
	}
	h.authz = h.grpcNode(service, "authz.grpc_listen", h.config.Authz.GRPCListen, authorizerTimeout)
	return &authzNode{h.authz, invoker}, nil
}

// Run answers until ctx ends.
func (n *authzNode) Run(ctx context.Context) error {
	defer n.invoker.Close()
	return n.grpcNode.Run(ctx)
}

// authzClient asks the authz of this process, or one elsewhere; nil when there is none, and methods with an authorizer are
// refused then.
func (h *house) authzClient() (authzv1.AuthzClient, error) {
	conn, err := h.reach(h.authz, "edge.authz_address", h.config.Edge.Authz, rpc.Authz, rpc.Edge)
	if conn == nil {
		return nil, err
	}
	return authzv1.NewAuthzClient(conn), nil
}
