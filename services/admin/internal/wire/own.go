package wire

import (
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// ownPrefix begins the paths of operations of our own; their bodies are proto3's JSON. They are signed like AWS's.
const ownPrefix = "/_limen/v1/"

// ownOperation is one verb and path below ownPrefix.
type ownOperation struct {
	method, collection string
	// named tells that one more segment follows.
	named bool
	rpc   string
	in    func(name string) proto.Message
	out   func() proto.Message
}

var ownOperations = []ownOperation{
	{"PUT", "functions", true, adminv1.Admin_PutFunction_FullMethodName,
		func(name string) proto.Message {
			return &adminv1.PutFunctionRequest{Function: &snapshotv1.Function{Name: name}}
		},
		func() proto.Message { return &snapshotv1.Function{} }},
	{"GET", "functions", true, adminv1.Admin_GetFunction_FullMethodName,
		func(name string) proto.Message { return &adminv1.GetFunctionRequest{Name: name} },
		func() proto.Message { return &snapshotv1.Function{} }},
	{"GET", "functions", false, adminv1.Admin_ListFunctions_FullMethodName,
		func(string) proto.Message { return &adminv1.ListFunctionsRequest{} },
		func() proto.Message { return &adminv1.ListFunctionsResponse{} }},
	{"DELETE", "functions", true, adminv1.Admin_DeleteFunction_FullMethodName,
		func(name string) proto.Message { return &adminv1.GetFunctionRequest{Name: name} },
		func() proto.Message { return &emptypb.Empty{} }},
	{"GET", "explain", true, adminv1.Admin_Explain_FullMethodName,
		func(id string) proto.Message { return &adminv1.ExplainRequest{RequestId: id} },
		func() proto.Message { return &adminv1.ExplainResponse{} }},
	{"POST", "wait", false, adminv1.Admin_Wait_FullMethodName,
		func(string) proto.Message { return &adminv1.WaitRequest{} },
		func() proto.Message { return &adminv1.WaitResponse{} }},
}

// own answers an operation of our own.
func (f *Face) own(r *http.Request, path string, body []byte) (answer, string, identity.Caller) {
	caller, refused := f.caller(r, body, []string{"apigateway"})
	if refused != nil {
		return failure(refused), "", caller
	}
	collection, rest, named := strings.Cut(strings.TrimPrefix(path, ownPrefix), "/")
	name, err := url.PathUnescape(rest)
	for _, op := range ownOperations {
		if err != nil || op.method != r.Method || op.collection != collection || op.named != named || named && name == "" {
			continue
		}
		a := f.callOwn(r, op, name, body, caller)
		return a, op.rpc[strings.LastIndexByte(op.rpc, '/')+1:], caller
	}
	return failure(unknownOperation(r.Method, path, false)), "", caller
}

func (f *Face) callOwn(r *http.Request, op ownOperation, name string, body []byte, caller identity.Caller) answer {
	req := op.in(name)
	target := req
	put, isPut := req.(*adminv1.PutFunctionRequest)
	if isPut {
		target = put.Function // the body is the function itself
	}
	if len(body) > 0 {
		if err := protojson.Unmarshal(body, target); err != nil {
			return failure(fault.Serialization("%v", err))
		}
	}
	if isPut && put.Function.Name == "" {
		put.Function.Name = name
	}
	if isPut && put.Function.Name != name {
		return failure(fault.BadRequest("name in the body is %q, the path says %q", put.Function.Name, name))
	}
	out := op.out()
	header, refused := f.invoke(r.Context(), caller, op.rpc, req, out, op.rpc)
	if refused != nil {
		return failure(refused)
	}
	text, err := protojson.Marshal(out)
	if err != nil {
		return failure(fault.Internal())
	}
	return answer{http.StatusOK, "application/json", header, text}
}
