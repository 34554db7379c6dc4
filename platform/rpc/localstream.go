package rpc

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// window is how many messages may wait in each direction of a local stream: the flow control that HTTP/2 would give.
const window = 16

// localStream is a stream without a wire. Its two ends are clientEnd and serverEnd.
type localStream struct {
	transportStream
	conn    *local
	desc    *grpc.StreamDesc
	options callOptions
	client  context.Context // the client's
	server  *callContext    // ends with the client's, with the deadline, or when the handler has returned

	up, down  chan proto.Message // client to server, and back; each holds copies
	headerOut chan struct{}      // closed when the header has gone out
	done      chan struct{}      // closed when the handler has returned
	result    error              // what it returned; valid once done is closed
}

// NewStream implements grpc.ClientConnInterface.
func (l *local) NewStream(ctx context.Context, desc *grpc.StreamDesc, full string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	m, err := l.lookUp(full)
	if err != nil {
		return nil, err
	}
	if m.stream == nil {
		return nil, status.Errorf(codes.Internal, "%s is no stream", full)
	}
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	s := &localStream{
		transportStream: transportStream{method: full},
		conn:            l, desc: desc, options: readOptions(opts), client: ctx,
		up: make(chan proto.Message, window), down: make(chan proto.Message, window),
		headerOut: make(chan struct{}), done: make(chan struct{}),
	}
	s.onSend = func() { close(s.headerOut) }
	s.server, err = l.serverSide(ctx, m, &s.options, s)
	if err != nil {
		return nil, err
	}
	if !l.server.begin(s) {
		s.server.end()
		return nil, errStopping
	}
	go s.handle(l.server, m)
	return &clientEnd{localStream: s}, nil
}

// begin counts a stream in, unless the server is stopping.
func (s *Server) begin(l *localStream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped.Load() {
		return false
	}
	s.local[l] = struct{}{}
	s.ended.Add(1)
	return true
}

func (s *Server) end(l *localStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.local, l)
	s.ended.Done()
}

// handle runs the handler and closes the books of the stream.
func (s *localStream) handle(server *Server, m *method) {
	defer server.end(s)
	err := server.stream(m.srv, &serverEnd{s}, m.info, m.stream.Handler)
	switch over := s.server.Err(); {
	case over != nil && s.client.Err() == nil && server.stopped.Load() && over == context.Canceled:
		s.result = errStopping
	case over != nil:
		s.result = status.FromContextError(over).Err()
	case err != nil:
		s.result = asStatus(err)
	}
	s.flush()
	close(s.done)
	s.server.end()
	s.options.metadata(&s.transportStream)
	s.options.finish(s.conn, s.result)
}

// clone copies a message that is about to cross.
func clone(m any) (proto.Message, error) {
	src, ok := m.(proto.Message)
	if !ok || !src.ProtoReflect().IsValid() {
		return nil, status.Errorf(codes.Internal, "cannot send a %T", m)
	}
	if n := proto.Size(src); n > MaxMessage {
		return nil, status.Errorf(codes.ResourceExhausted, "message of %d bytes, at most %d", n, MaxMessage)
	}
	return proto.Clone(src), nil
}

// serverEnd is the stream as the handler sees it.
type serverEnd struct{ *localStream }

func (s *serverEnd) Context() context.Context { return s.server }

func (s *serverEnd) SetTrailer(md metadata.MD) { _ = s.transportStream.SetTrailer(md) }

func (s *serverEnd) SendMsg(m any) error {
	c, err := clone(m)
	if err != nil {
		return err
	}
	if err := s.server.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	s.flush()
	select {
	case s.down <- c:
		return nil
	case <-s.server.Done():
		return status.FromContextError(s.server.Err()).Err()
	}
}

func (s *serverEnd) RecvMsg(m any) error {
	select {
	case c, ok := <-s.up:
		if !ok {
			return io.EOF
		}
		return copyMessage(m, c)
	case <-s.server.Done():
		return status.FromContextError(s.server.Err()).Err()
	}
}

// clientEnd is the stream as the caller sees it.
type clientEnd struct {
	*localStream
	closed bool // nothing more goes up; SendMsg and CloseSend come from one goroutine
}

func (c *clientEnd) Context() context.Context { return c.client }

func (c *clientEnd) Header() (metadata.MD, error) {
	select {
	case <-c.headerOut:
	case <-c.server.Done():
		select {
		case <-c.headerOut:
		default:
			return nil, c.over()
		}
	}
	header, _ := c.both()
	return header, nil
}

func (c *clientEnd) Trailer() metadata.MD {
	_, trailer := c.both()
	return trailer
}

func (c *clientEnd) CloseSend() error {
	if !c.closed {
		c.closed = true
		close(c.up)
	}
	return nil
}

func (c *clientEnd) SendMsg(m any) error {
	if c.closed {
		return status.Error(codes.Internal, "SendMsg called after CloseSend")
	}
	select {
	case <-c.server.Done(): // RecvMsg tells why
		return io.EOF
	default:
	}
	msg, err := clone(m)
	if err != nil {
		return err
	}
	select {
	case c.up <- msg:
	case <-c.server.Done():
		return io.EOF
	}
	if !c.desc.ClientStreams {
		return c.CloseSend()
	}
	return nil
}

func (c *clientEnd) RecvMsg(m any) error {
	err := c.receive(m)
	if c.desc.ServerStreams {
		return err
	}
	if err == io.EOF {
		return status.Error(codes.Internal, "cardinality violation: received no response message from non-server-streaming RPC")
	}
	if err != nil {
		return err
	}
	// The one message is worth nothing until the handler has returned well.
	select {
	case <-c.down:
		c.server.end()
		return status.Error(codes.Internal, "cardinality violation: expected <EOF> for non server-streaming RPCs, but received another message")
	case <-c.server.Done():
	}
	if err := c.over(); err != io.EOF {
		return err
	}
	return nil
}

// receive takes the next message, or the end of the stream: io.EOF when it ended well.
func (c *clientEnd) receive(m any) error {
	select {
	case msg := <-c.down:
		return copyMessage(m, msg)
	case <-c.server.Done():
	}
	select {
	case <-c.done: // nothing is sent any more; what waits comes first
		select {
		case msg := <-c.down:
			return copyMessage(m, msg)
		default:
		}
	default:
	}
	return c.over()
}

// over tells how a stream ended whose server context has ended.
func (c *clientEnd) over() error {
	select {
	case <-c.done:
		if c.result != nil {
			return c.result
		}
		return io.EOF
	default:
		return status.FromContextError(c.server.Err()).Err()
	}
}
