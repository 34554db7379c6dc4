package awsjson

import (
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/fault"
)

// domain marks the reason of an ErrorInfo as an AWS exception name.
const domain = "limen"

var codeOfStatus = map[int]codes.Code{
	http.StatusBadRequest:            codes.InvalidArgument,
	http.StatusUnauthorized:          codes.Unauthenticated,
	http.StatusForbidden:             codes.PermissionDenied,
	http.StatusNotFound:              codes.NotFound,
	http.StatusConflict:              codes.Aborted,
	http.StatusGone:                  codes.FailedPrecondition,
	http.StatusRequestEntityTooLarge: codes.OutOfRange,
	http.StatusTooManyRequests:       codes.ResourceExhausted,
	http.StatusNotImplemented:        codes.Unimplemented,
	http.StatusServiceUnavailable:    codes.Unavailable,
	http.StatusGatewayTimeout:        codes.DeadlineExceeded,
}

var statusOfCode = func() map[codes.Code]int {
	m := map[codes.Code]int{}
	for s, c := range codeOfStatus {
		m[c] = s
	}
	return m
}()

// ToStatus turns a fault into the error of the gRPC face: its exception name is ErrorInfo.reason.
func ToStatus(e *fault.Error) error {
	code, ok := codeOfStatus[e.Status]
	if !ok {
		code = codes.Internal
	}
	s, err := status.New(code, e.Message).WithDetails(&errdetails.ErrorInfo{Reason: e.Name, Domain: domain})
	if err != nil {
		return status.Error(code, e.Message)
	}
	return s.Err()
}

// FromStatus turns the error of an rpc back into a fault. operation names the rpc in the fault of one that is not built.
func FromStatus(err error, operation string) *fault.Error {
	if f := fault.As(err); f != nil {
		return f
	}
	s, _ := status.FromError(err)
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.Domain == domain {
			return fault.New(info.Reason, statusOf(s.Code()), s.Message())
		}
	}
	switch s.Code() {
	case codes.Unimplemented:
		return fault.NotImplemented(operation)
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return fault.Unavailable("Service Unavailable")
	case codes.PermissionDenied, codes.Unauthenticated:
		return fault.AccessDenied("%s", s.Message())
	}
	return fault.Internal()
}

func statusOf(c codes.Code) int {
	if s, ok := statusOfCode[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}
