package gatewayresponse

import (
	"cmp"
	"fmt"
)

// Error is a failure of the data plane that becomes a gateway response. It is immutable once returned.
type Error struct {
	Type Type

	// Message is the text of the answer. With NoMessage it is rendered as null.
	Message   string
	NoMessage bool

	// Status and ErrorType replace the type's own when set: 502 and 503 are DEFAULT_5XX (spec/rest.md 7.1).
	Status    int
	ErrorType string

	// CapitalMessage writes the key "Message": policy denials do (trap 13).
	CapitalMessage bool

	// Validation is $context.error.validationErrorString.
	Validation string

	// Brief stands for Message where it is kept; "" is Message itself. The texts about signatures repeat what the client sent.
	Brief string

	// Cause is for logs only; no client sees it.
	Cause error
}

// New makes an error of a type with the type's default message.
func New(t Type, cause error) *Error {
	message, ok := t.DefaultMessage()
	return &Error{Type: t, Message: message, NoMessage: !ok, Cause: cause}
}

// Newf makes an error of a type with a message of its own.
func Newf(t Type, cause error, format string, args ...any) *Error {
	return &Error{Type: t, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Forbidden is the answer of the steps before an API is known: unknown host, API or stage (spec/rest.md 1.3).
func Forbidden(cause error) *Error {
	return &Error{Type: AccessDenied, Message: "Forbidden", ErrorType: "ForbiddenException", Cause: cause}
}

// BadGateway is the 502 of a failed or malformed Lambda proxy result (spec/rest.md 5.2).
func BadGateway(cause error) *Error {
	return &Error{Type: Default5XX, Message: "Internal server error", Status: 502, Cause: cause}
}

// Unavailable is the 503 of an edge that cannot serve a known stage (spec/rest.md 7.1).
func Unavailable(cause error) *Error {
	return &Error{Type: Default5XX, Message: "Service Unavailable", Status: 503, ErrorType: "ServiceUnavailableException", Cause: cause}
}

// Internal is the default 5xx that any other error becomes; the error's text stays in the logs.
func Internal(cause error) *Error { return New(Default5XX, cause) }

// Error describes the failure for logs.
func (e *Error) Error() string {
	if e.Cause == nil {
		return string(e.Type) + ": " + e.Recorded()
	}
	return string(e.Type) + ": " + e.Recorded() + ": " + e.Cause.Error()
}

// Recorded is the message as records and logs keep it.
func (e *Error) Recorded() string { return cmp.Or(e.Brief, e.Message) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func (e *Error) status() int {
	if e.Status != 0 {
		return e.Status
	}
	if s := e.Type.DefaultStatus(); s != 0 {
		return s
	}
	if e.Type == Default4XX {
		return 400
	}
	return 500
}

func (e *Error) errorType() string {
	if e.ErrorType != "" {
		return e.ErrorType
	}
	return e.Type.ErrorType()
}
