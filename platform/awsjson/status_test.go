package awsjson

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/fault"
)

// TestStatusRoundTrip: a fault crosses the gRPC face and comes back whole.
func TestStatusRoundTrip(t *testing.T) {
	for _, f := range []*fault.Error{
		fault.BadRequest("Invalid %s", "x"),
		fault.Validation("1 validation error detected"),
		fault.Serialization("Start of list found where not expected"),
		fault.New("UnauthorizedException", 401, "m"),
		fault.AccessDenied("denied"),
		fault.New("ForbiddenException", 403, ""),
		fault.NotFound("Invalid API identifier specified"),
		fault.Conflict("exists"),
		fault.New("GoneException", 410, ""),
		fault.New("PayloadTooLargeException", 413, "large"),
		fault.LimitExceeded("limit"),
		fault.New("TooManyRequestsException", 429, "Too Many Requests"),
		fault.Internal(),
		fault.NotImplemented("apigateway.GetSdk"),
		fault.Unavailable("Service Unavailable"),
		fault.New("EndpointRequestTimedOutException", 504, "late"),
	} {
		got := FromStatus(ToStatus(f), "GetRestApi")
		if *got != *f {
			t.Errorf("%+v comes back as %+v", *f, *got)
		}
		wrapped := FromStatus(fmt.Errorf("admin: %w", ToStatus(f)), "GetRestApi")
		if wrapped.Name != f.Name || wrapped.Status != f.Status {
			t.Errorf("wrapped, %+v comes back as %+v", *f, *wrapped)
		}
	}
}

// TestFromStatus: errors that no service of ours made.
func TestFromStatus(t *testing.T) {
	own := fault.NotFound("x")
	for _, c := range []struct {
		what string
		err  error
		want fault.Error
	}{
		{"a fault itself", fmt.Errorf("get: %w", own), *own},
		{"an rpc that is not built", status.Error(codes.Unimplemented, "unknown method"), *fault.NotImplemented("GetSdk")},
		{"no service", status.Error(codes.Unavailable, "dial 10.0.0.1: refused"), *fault.Unavailable("Service Unavailable")},
		{"too late", status.FromContextError(context.DeadlineExceeded).Err(), *fault.Unavailable("Service Unavailable")},
		{"given up", status.FromContextError(context.Canceled).Err(), *fault.Unavailable("Service Unavailable")},
		{"not allowed", status.Error(codes.PermissionDenied, "no"), *fault.AccessDenied("no")},
		{"not known", status.Error(codes.Unauthenticated, "who"), *fault.AccessDenied("who")},
		{"anything else tells nothing", status.Error(codes.Internal, "panic in row 7"), *fault.Internal()},
		{"an error of no rpc tells nothing", errors.New("secret"), *fault.Internal()},
	} {
		if got := FromStatus(c.err, "GetSdk"); *got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, *got, c.want)
		}
	}
}

// TestCodesAreOneToOne: two statuses under one code would not come back.
func TestCodesAreOneToOne(t *testing.T) {
	if len(statusOfCode) != len(codeOfStatus) {
		t.Errorf("%d codes for %d statuses", len(statusOfCode), len(codeOfStatus))
	}
}
