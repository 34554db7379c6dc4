package draft

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/fault"
)

// TestAnAnswerThatDidNotComeIsServiceUnavailable: SDKs send again what is, and nothing else.
func TestAnAnswerThatDidNotComeIsServiceUnavailable(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"no member", status.Error(codes.Unavailable, "x"), true},
		{"too late", context.DeadlineExceeded, true},
		{"the connection went", status.Error(codes.Canceled, "the connection is closing"), true},
		{"a member that ended meanwhile", status.Error(codes.Unknown, "unexpected HTTP status code received from server: 200 (OK); malformed header: missing HTTP content-type"), true},
		{"the caller left", context.Canceled, false},
		{"anything else", status.Error(codes.Unknown, "x"), false},
		{"nothing", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f *fault.Error
			if got := errors.As(unavailable(tt.err), &f); got != tt.want {
				t.Errorf("%v becomes %v", tt.err, unavailable(tt.err))
			}
		})
	}
}
