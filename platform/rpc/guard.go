package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/trust"
)

// roleKey is the metadata in which a caller without a certificate claims its role.
const roleKey = "limen-role"

type callerKey struct{}

// Caller is the role of whoever made the call that ctx belongs to; empty for callers without one.
func Caller(ctx context.Context) Role {
	r, _ := ctx.Value(callerKey{}).(Role)
	return r
}

// identify finds out who calls. Local and ServeHTTP have said it already.
func (s *Server) identify(ctx context.Context) Role {
	if r, said := ctx.Value(callerKey{}).(Role); said {
		return r
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if auth, ok := p.AuthInfo.(credentials.TLSInfo); ok {
		if chains := auth.State.VerifiedChains; len(chains) > 0 {
			return Role(trust.RoleOf(chains[0][0]))
		}
		return ""
	}
	if claims := metadata.ValueFromIncomingContext(ctx, roleKey); s.config.TrustClaims && len(claims) == 1 && claims[0] != string(Anyone) {
		return Role(claims[0])
	}
	return ""
}

// rules finds the row of a method that gRPC has found.
func (s *Server) rules(full string) row {
	if m, ok := s.methods[full]; ok {
		return m.row
	}
	return row{}
}

// enter applies the rules at the beginning of a call.
func (s *Server) enter(ctx context.Context, full string, r row) (context.Context, context.CancelFunc, error) {
	role := s.identify(ctx)
	if !r.admits(role) {
		who := "a caller without a role"
		if role != "" {
			who = "role " + string(role)
		}
		return nil, nil, status.Errorf(codes.PermissionDenied, "%s may not call %s", who, full)
	}
	cancel := context.CancelFunc(func() {})
	if bounds(ctx, r.deadline) {
		ctx, cancel = context.WithTimeout(ctx, r.deadline)
	}
	if ctx.Value(callerKey{}) == nil {
		ctx = context.WithValue(ctx, callerKey{}, role)
	}
	return traceOf(ctx), cancel, nil
}

// bounds reports whether the table's limit comes before the deadline that ctx has.
func bounds(ctx context.Context, limit time.Duration) bool {
	if limit == NoDeadline {
		return false
	}
	d, ok := ctx.Deadline()
	return !ok || time.Until(d) > limit
}

func (s *Server) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	r := s.rules(info.FullMethod)
	ctx, cancel, err := s.enter(ctx, info.FullMethod, r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	ctx, span := openServerSpan(ctx, s.config.Traces, info.FullMethod)
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, s.panicked(ctx, info.FullMethod, p)
		}
		closeSpan(span, err)
	}()
	resp, err = handler(ctx, req)
	if err == nil {
		err = ctx.Err() // a call that is over is over, whatever the handler says in the end
	}
	if err != nil {
		return nil, s.outcome(ctx, info.FullMethod, r, err)
	}
	return resp, nil
}

func (s *Server) guardStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	r := s.rules(info.FullMethod)
	ctx, cancel, err := s.enter(ss.Context(), info.FullMethod, r)
	if err != nil {
		return err
	}
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ctx, info.FullMethod, p)
		}
	}()
	if err := handler(srv, &guardedStream{ss, ctx}); err != nil {
		return s.outcome(ctx, info.FullMethod, r, err)
	}
	return nil
}

// guardedStream is a stream with the context that the rules have made.
type guardedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (g *guardedStream) Context() context.Context { return g.ctx }

func (s *Server) panicked(ctx context.Context, full string, p any) error {
	s.log.ErrorContext(ctx, "rpc panicked", "method", full, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return errInternal
}

// errInternal is all that a caller learns of a failure that is ours.
var errInternal = status.Error(codes.Internal, "internal error")

// crossing are the codes that leave a service of the house (architecture.md section 10.4), and those by which gRPC itself
// speaks.
var crossing = map[codes.Code]bool{
	codes.InvalidArgument: true, codes.NotFound: true, codes.Unavailable: true, codes.DeadlineExceeded: true,
	codes.PermissionDenied: true, codes.Internal: true,
	codes.Canceled: true, codes.Unimplemented: true, codes.ResourceExhausted: true,
}

// outcome turns what a handler returned into what its caller gets, and logs what the caller does not.
func (s *Server) outcome(ctx context.Context, full string, r row, err error) error {
	// A status that is wrapped came from further away and was not meant for our caller.
	if own, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		st := own.GRPCStatus()
		code := st.Code()
		if code == codes.Internal {
			s.log.ErrorContext(ctx, "rpc failed", "method", full, "error", err.Error())
		}
		if crossing[code] || r.public && code != codes.Unknown && code != codes.OK {
			return st.Err()
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, context.DeadlineExceeded.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, context.Canceled.Error())
	}
	s.log.ErrorContext(ctx, "rpc failed", "method", full, "error", err.Error())
	return errInternal
}

// chainUnary makes one interceptor of a list, the first outermost.
func chainUnary(list []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	if len(list) == 1 {
		return list[0]
	}
	first, rest := list[0], chainUnary(list[1:])
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return first(ctx, req, info, func(ctx context.Context, req any) (any, error) { return rest(ctx, req, info, handler) })
	}
}

func chainStream(list []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	if len(list) == 1 {
		return list[0]
	}
	first, rest := list[0], chainStream(list[1:])
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return first(srv, ss, info, func(srv any, ss grpc.ServerStream) error { return rest(srv, ss, info, handler) })
	}
}
