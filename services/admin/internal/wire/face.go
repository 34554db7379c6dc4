// Package wire is the REST face of the control plane: it verifies the signature, decodes the request with the codec, calls
// the same operation that gRPC callers call, and writes the answer as AWS does. It holds no rule of any noun.
package wire

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/awsjson"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
	"github.com/limen-gateway/limen/services/admin/internal/management"
)

// maxBody bounds a request: an import of 6 MB (spec/rest.md 14) is the largest.
const maxBody = 6 << 20

// settleTimeout is how long an answer that changed published state is held until the edge serves it.
const settleTimeout = 2 * time.Second

// Config is what the face is made of. All members but Regions and Settled are needed.
type Config struct {
	Table *awsjson.Table
	// Operations answers the gRPC services of proto/admin/v1.
	Operations grpc.ClientConnInterface
	Keys       identity.Keys
	Now        func() time.Time
	// NewID makes a request id (a UUID).
	NewID func() string
	Log   *slog.Logger
	// Regions restricts the regions of a signature's scope; empty takes all.
	Regions []string
	// Settled waits until the edges serve a revision; set where one process holds admin and edge.
	Settled func(ctx context.Context, revision int64) bool
	// Lambda answers invocations for a caller; nil, or a nil handler, where no functions host is in the process.
	Lambda func(region, account string) http.Handler
}

// Face is an http.Handler. It is safe for concurrent use.
type Face struct{ c Config }

// New makes the face.
func New(c Config) *Face { return &Face{c} }

// answer is what goes onto the wire.
type answer struct {
	status      int
	contentType string
	header      http.Header
	body        []byte
}

// ServeHTTP answers one call.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.c.Lambda != nil && strings.HasPrefix(r.URL.EscapedPath(), lambdaPrefix) {
		f.lambda(w, r)
		return
	}
	start := f.c.Now()
	id := f.c.NewID()
	a, op, caller := f.handle(r, id)
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	// Names as AWS spells them; the map keeps them so over HTTP/1.1.
	h["x-amzn-RequestId"] = []string{id}
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
	f.c.Log.Info("control plane call", "operation", op, "status", a.status, "account", caller.Account, "region", caller.Region,
		"request_id", id, "milliseconds", f.c.Now().Sub(start).Milliseconds())
}

// unreadable refuses a request whose body broke off, or did not arrive in time.
func unreadable() *fault.Error { return fault.BadRequest("the request body can not be read") }

// handle finds who answers: STS, an operation of AWS's, or one of our own.
func (f *Face) handle(r *http.Request, id string) (answer, string, identity.Caller) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return failure(unreadable()), "", identity.Caller{}
	}
	if len(body) > maxBody {
		return failure(fault.New("RequestEntityTooLargeException", http.StatusRequestEntityTooLarge, "the request body has more than 6291456 bytes")), "", identity.Caller{}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return failure(fault.BadRequest("the query string is malformed: %v", err)), "", identity.Caller{}
	}
	path := wirePath(r)
	if path == "/" {
		return f.sts(r, query, body, id)
	}
	if strings.HasPrefix(path, ownPrefix) {
		return f.own(r, path, body)
	}
	return f.aws(r, path, query, body)
}

func (f *Face) aws(r *http.Request, path string, query url.Values, body []byte) (answer, string, identity.Caller) {
	path, stage := ofStage(path)
	op, labels, known := f.c.Table.Match(r.Method, path, query)
	services := []string{"apigateway"}
	if op != nil {
		services = []string{op.SigningName}
	}
	caller, err := f.caller(r, body, services)
	if err != nil {
		return failure(err), nameOf(op), caller
	}
	if op == nil {
		return failure(unknownOperation(r.Method, path, known)), "", caller
	}
	req, err := op.Decode(awsjson.Request{Labels: labels, Query: query, Header: r.Header, Body: body})
	if err != nil {
		return failure(err), op.Name, caller
	}
	out := op.Output()
	ctx := r.Context()
	if stage != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, management.StageKey, stage)
	}
	header, err := f.invoke(ctx, caller, op.FullMethod, req, out, op.Name)
	if err != nil && op.SigningName == "execute-api" {
		return connectionsFailure(err), op.Name, caller
	}
	if err != nil {
		return failure(err), op.Name, caller
	}
	res := op.Encode(out)
	for k, v := range header {
		res.Header[k] = v
	}
	return answer{res.Status, "", res.Header, res.Body}, op.Name, caller
}

func nameOf(op *awsjson.Operation) string {
	if op == nil {
		return ""
	}
	return op.Name
}

func unknownOperation(method, path string, known bool) *fault.Error {
	if known {
		return fault.New("UnknownOperationException", http.StatusNotFound, "no operation has the verb "+method+" on the path "+path)
	}
	return fault.New("UnknownOperationException", http.StatusNotFound, "no operation has the path "+path)
}

// invoke calls an operation for a caller. Headers of the operation (revision, warnings) become headers of the answer; one
// that changed published state is held until the edge serves it.
func (f *Face) invoke(ctx context.Context, caller identity.Caller, method string, req, out protoreflect.ProtoMessage, name string) (http.Header, *fault.Error) {
	var md metadata.MD
	if err := f.c.Operations.Invoke(identity.Attach(ctx, caller), method, req, out, grpc.Header(&md)); err != nil {
		return nil, awsjson.FromStatus(err, name)
	}
	header := http.Header{}
	for k, v := range md {
		if strings.HasPrefix(k, "x-limen-") {
			header[http.CanonicalHeaderKey(k)] = v
		}
	}
	f.settle(ctx, header)
	return header, nil
}

// caller verifies the signature.
func (f *Face) caller(r *http.Request, body []byte, services []string) (identity.Caller, *fault.Error) {
	req := &sigv4.Request{Method: r.Method, Path: wirePath(r), RawQuery: r.URL.RawQuery, Headers: headers(r), BodySHA256: sha256.Sum256(body)}
	sig, err := sigv4.Parse(req)
	if err != nil {
		return identity.Caller{}, refusal(err)
	}
	rules := sigv4.Rules{Now: f.c.Now(), Services: services, Regions: f.c.Regions}
	if err := sig.Check(rules); err != nil {
		return identity.Caller{}, refusal(err)
	}
	secret, ok := f.c.Keys.Secret(sig.AccessKey)
	if !ok || sig.SessionToken != "" {
		return identity.Caller{}, refusal(sigv4.UnknownKey())
	}
	if err := sig.Verify(req, secret, rules); err != nil {
		return identity.Caller{}, refusal(err)
	}
	if !regionName(sig.Region) {
		return identity.Caller{}, fault.New("InvalidSignatureException", http.StatusForbidden, "Credential should be scoped to a valid region, not '"+sig.Region+"'. ")
	}
	return f.c.Keys.Caller(sig.AccessKey, sig.Region), nil
}

// wirePath is the path as it stands on the wire, which the signature covers; Go's own form may differ from it.
func wirePath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	return r.URL.EscapedPath() // an absolute target
}

// regionName keeps names out that could not stand in a key of the store.
func regionName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' {
		return false
	}
	return !slices.ContainsFunc([]byte(s), func(b byte) bool {
		return !(b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-')
	})
}

func refusal(err *sigv4.Error) *fault.Error {
	return fault.New(err.Type, http.StatusForbidden, err.Message)
}

// headers lists the header lines in a form the signature is computed from; Go keeps Host apart.
func headers(r *http.Request) []sigv4.Header {
	out := []sigv4.Header{{Name: "Host", Value: r.Host}}
	for name, values := range r.Header {
		for _, v := range values {
			out = append(out, sigv4.Header{Name: name, Value: v})
		}
	}
	if r.ContentLength >= 0 && r.Header.Get("Content-Length") == "" {
		out = append(out, sigv4.Header{Name: "Content-Length", Value: itoa(r.ContentLength)})
	}
	return out
}

// failure renders a fault.
func failure(e *fault.Error) answer {
	return answer{e.Status, "application/json", http.Header{"x-amzn-ErrorType": {e.Name}}, awsjson.ErrorBody(e.Message)}
}
