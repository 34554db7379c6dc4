package roles

import "github.com/limen-gateway/limen/platform/rpc"

// edgeNode is the role edge.
type edgeNode struct{ server *rpc.Server }
