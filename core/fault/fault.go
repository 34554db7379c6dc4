// Package fault is the error of the control plane: an AWS exception name, a message and a status, and nothing else. Both
// faces render it, the REST face as x-amzn-ErrorType with a JSON body, the gRPC face as a status with the name as reason.
package fault

import (
	"errors"
	"fmt"
)

// Error is what a caller of the control plane may see. spec/control-plane.md section 4 lists the names.
type Error struct {
	// Name is the AWS exception, for instance NotFoundException.
	Name string
	// Status is the HTTP status of the REST face.
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

// As finds the fault in a chain of errors; nil when there is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// New makes a fault of any name.
func New(name string, status int, message string) *Error {
	return &Error{Name: name, Status: status, Message: message}
}

// BadRequest is 400 BadRequestException.
func BadRequest(format string, args ...any) *Error {
	return New("BadRequestException", 400, fmt.Sprintf(format, args...))
}

// NotFound is 404 NotFoundException.
func NotFound(format string, args ...any) *Error {
	return New("NotFoundException", 404, fmt.Sprintf(format, args...))
}

// Conflict is 409 ConflictException.
func Conflict(format string, args ...any) *Error {
	return New("ConflictException", 409, fmt.Sprintf(format, args...))
}

// Validation is 400 ValidationException, the model's constraints.
func Validation(message string) *Error { return New("ValidationException", 400, message) }

// Serialization is 400 SerializationException, a body of the wrong form.
func Serialization(format string, args ...any) *Error {
	return New("SerializationException", 400, fmt.Sprintf(format, args...))
}

// LimitExceeded is 429 LimitExceededException, a quota of things.
func LimitExceeded(format string, args ...any) *Error {
	return New("LimitExceededException", 429, fmt.Sprintf(format, args...))
}

// AccessDenied is 403 AccessDeniedException.
func AccessDenied(format string, args ...any) *Error {
	return New("AccessDeniedException", 403, fmt.Sprintf(format, args...))
}

// Unavailable is 503 ServiceUnavailableException.
func Unavailable(format string, args ...any) *Error {
	return New("ServiceUnavailableException", 503, fmt.Sprintf(format, args...))
}

// NotImplemented is 501 and names the operation that is not built yet.
func NotImplemented(operation string) *Error {
	return New("NotImplementedException", 501, operation+" is not implemented yet")
}

// Internal is 500 with a text that tells nothing; the cause belongs into the log.
func Internal() *Error { return New("InternalServerErrorException", 500, "Internal server error") }
