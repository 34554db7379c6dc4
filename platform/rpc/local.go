package rpc

import (
	"context"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// local is a connection to a server of the same process.
type local struct {
	server *Server
	peer   *peer.Peer
	base   context.Context // what every call's context holds on the server's side
}

// localAuth is what a caller in the process has instead of a certificate: whoever composes the process gives it its role.
type localAuth struct{ credentials.CommonAuthInfo }

func (localAuth) AuthType() string { return "local" }

// Local is a connection for a caller of the given role in the same process. Calls meet the same rules and answer with
// the same codes as over TCP. Messages are copied both ways, so that neither side sees the other's later writes;
// metadata and deadline cross, context values do not.
func (s *Server) Local(role Role) grpc.ClientConnInterface {
	addr := &net.UnixAddr{Name: "local", Net: "unix"}
	p := &peer.Peer{Addr: addr, LocalAddr: addr, AuthInfo: localAuth{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}}
	base := context.WithValue(context.Background(), callerKey{}, role)
	base = metadata.NewIncomingContext(peer.NewContext(base, p), metadata.MD{})
	return &local{s, p, base}
}

// serverSide makes the server's context of a call. The deadline of the table is in it, and ends the call on the client's
// side too, as it would for a client made by Dial.
func (l *local) serverSide(ctx context.Context, m *method, o *callOptions, ts grpc.ServerTransportStream) (*callContext, error) {
	md, err := l.metadata(ctx, m, o)
	if err != nil {
		return nil, err
	}
	values := l.base
	if md != nil {
		values = metadata.NewIncomingContext(values, md)
	}
	return newCallContext(grpc.NewContextWithServerTransportStream(values, ts), ctx, m.row.deadline), nil
}

// metadata is what crosses: what the client attached and what its credentials say.
func (l *local) metadata(ctx context.Context, m *method, o *callOptions) (metadata.MD, error) {
	md, _ := metadata.FromOutgoingContext(ctx)
	for k := range md {
		if strings.HasPrefix(k, "grpc-") || strings.HasPrefix(k, ":") {
			delete(md, k) // reserved: they do not cross the wire either
		}
	}
	md = traced(ctx, md)
	for _, creds := range o.creds {
		more, err := creds.GetRequestMetadata(ctx, "local://"+m.full[:strings.LastIndexByte(m.full, '/')])
		if err != nil {
			return nil, status.Errorf(codes.Internal, "transport: per-RPC creds failed due to error: %v", err)
		}
		md = metadata.Join(md, metadata.New(more))
	}
	return md, nil
}

// lookUp finds a method, with the codes of a gRPC server.
func (l *local) lookUp(full string) (*method, error) {
	if m, ok := l.server.methods[full]; ok {
		return m, nil
	}
	i := strings.LastIndexByte(full, '/')
	if i < 1 || full[0] != '/' {
		return nil, status.Errorf(codes.Unimplemented, "malformed method name: %q", full)
	}
	service, name := full[1:i], full[i+1:]
	if !l.server.services[service] {
		return nil, status.Errorf(codes.Unimplemented, "unknown service %v", service)
	}
	return nil, status.Errorf(codes.Unimplemented, "unknown method %v for service %v", name, service)
}

var errStopping = status.Error(codes.Unavailable, "the server is stopping")

// Invoke implements grpc.ClientConnInterface.
func (l *local) Invoke(ctx context.Context, full string, args, reply any, opts ...grpc.CallOption) (err error) {
	o := readOptions(opts)
	ctx, span := openSpan(ctx, full)
	defer func() {
		closeSpan(span, err)
		o.finish(l, err)
	}()
	m, err := l.lookUp(full)
	if err != nil {
		return err
	}
	if m.unary == nil {
		return status.Errorf(codes.Internal, "%s is a stream", full)
	}
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	if l.server.stopped.Load() {
		return errStopping
	}
	ts := &transportStream{method: full}
	defer func() { o.metadata(ts) }()
	return l.unary(ctx, m, &o, ts, args, reply)
}

func (l *local) unary(ctx context.Context, m *method, o *callOptions, ts *transportStream, args, reply any) error {
	sctx, err := l.serverSide(ctx, m, o, ts)
	if err != nil {
		return err
	}
	defer sctx.end()
	decode := func(into any) error { return copyMessage(into, args) }
	resp, err := m.unary.Handler(m.srv, sctx, decode, l.server.unary)
	// Over TCP the client would be gone by now.
	if over := sctx.Err(); over != nil {
		return status.FromContextError(over).Err()
	}
	if err != nil {
		return asStatus(err)
	}
	return copyMessage(reply, resp)
}

// asStatus gives the errors that gRPC's own code would return to a client.
func asStatus(err error) error {
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	return status.FromContextError(err).Err()
}

// copyMessage makes into a copy of from, as if it had crossed a wire.
func copyMessage(into, from any) error {
	dst, ok1 := into.(proto.Message)
	src, ok2 := from.(proto.Message)
	if !ok1 || !ok2 || !src.ProtoReflect().IsValid() {
		return status.Errorf(codes.Internal, "cannot send a %T as a %T", from, into)
	}
	if n := proto.Size(src); n > MaxMessage {
		return status.Errorf(codes.ResourceExhausted, "message of %d bytes, at most %d", n, MaxMessage)
	}
	proto.Reset(dst)
	if dst.ProtoReflect().Descriptor() == src.ProtoReflect().Descriptor() {
		proto.Merge(dst, src)
		return nil
	}
	wire, err := proto.Marshal(src)
	if err == nil {
		err = proto.Unmarshal(wire, dst)
	}
	if err != nil {
		return status.Errorf(codes.Internal, "cannot send a %T as a %T: %v", from, into, err)
	}
	return nil
}

// callOptions are the call options that mean something without a wire.
type callOptions struct {
	headers, trailers []*metadata.MD
	peers             []*peer.Peer
	creds             []credentials.PerRPCCredentials
	onFinish          []func(error)
}

func readOptions(opts []grpc.CallOption) callOptions {
	var o callOptions
	for _, opt := range opts {
		switch opt := opt.(type) {
		case grpc.HeaderCallOption:
			o.headers = append(o.headers, opt.HeaderAddr)
		case grpc.TrailerCallOption:
			o.trailers = append(o.trailers, opt.TrailerAddr)
		case grpc.PeerCallOption:
			o.peers = append(o.peers, opt.PeerAddr)
		case grpc.PerRPCCredsCallOption:
			o.creds = append(o.creds, opt.Creds)
		case grpc.OnFinishCallOption:
			o.onFinish = append(o.onFinish, opt.OnFinish)
		}
	}
	return o
}

// metadata hands out what the handler has set.
func (o *callOptions) metadata(ts *transportStream) {
	if o.headers == nil && o.trailers == nil {
		return
	}
	header, trailer := ts.both()
	for _, h := range o.headers {
		*h = header
	}
	for _, t := range o.trailers {
		*t = trailer
	}
}

func (o *callOptions) finish(l *local, err error) {
	for _, p := range o.peers {
		*p = *l.peer
	}
	for _, f := range o.onFinish {
		f(err)
	}
}

// transportStream collects the metadata that a handler answers with.
type transportStream struct {
	method string

	mu              sync.Mutex // guards what follows
	header, trailer metadata.MD
	sent            bool
	onSend          func() // called once, when the header goes out
}

var errHeaderSent = status.Error(codes.Internal, "transport: the header was sent before")

func (t *transportStream) Method() string { return t.method }

func (t *transportStream) SetHeader(md metadata.MD) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent {
		return errHeaderSent
	}
	t.header = metadata.Join(t.header, md)
	return nil
}

func (t *transportStream) SendHeader(md metadata.MD) error {
	if err := t.SetHeader(md); err != nil {
		return err
	}
	t.flush()
	return nil
}

// flush sends the header if nobody has.
func (t *transportStream) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent {
		return
	}
	t.sent = true
	if t.onSend != nil {
		t.onSend()
	}
}

func (t *transportStream) SetTrailer(md metadata.MD) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trailer = metadata.Join(t.trailer, md)
	return nil
}

func (t *transportStream) both() (header, trailer metadata.MD) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.header, t.trailer
}
