// Package functions invokes functions by their ARN, in the Lambda Invoke form, whoever answers it: a function host in this
// process, a function host elsewhere, or any HTTP target that takes the form.
//
// It runs nothing itself and retries nothing that it has asked.
//
// The surprise: a function that fails is not an error here. Lambda answers 200 with X-Amz-Function-Error, and what that
// means differs by the kind of integration; so it is a Result. An Error is an invocation that never became one.
package functions

import (
	"context"
	"fmt"

	"github.com/limen-gateway/limen/core/arn"
)

// InvocationType is how an invocation is waited for.
type InvocationType string

// The three of Lambda; empty means RequestResponse.
const (
	RequestResponse InvocationType = "RequestResponse"
	Event           InvocationType = "Event"
	DryRun          InvocationType = "DryRun"
)

// Options go beside the payload.
type Options struct {
	Type          InvocationType
	ClientContext string // base64 of JSON, as the header carries it
	TraceID       string // X-Amzn-Trace-Id
	LogTail       bool   // ask for the end of the log
}

// Result is what Lambda's Invoke answers.
type Result struct {
	Status          int    // 200; 202 for Event; 204 for DryRun
	Payload         []byte // of an Event: empty
	FunctionError   string // "", "Handled" or "Unhandled"
	RequestID       string
	ExecutedVersion string
	Log             []byte // only when asked for: the last 4 KB
}

// Kind tells invocations that failed apart by what the caller does about them (spec/rest.md 5.2).
type Kind int

// The kinds of failure.
const (
	Refused     Kind = iota // the target takes no such request
	Missing                 // no such function, version or alias
	Throttled               // too many at once
	Denied                  // no permission
	Unreachable             // the target cannot be reached, or broke off, or does not speak the form
	TimedOut                // the caller's time was over; the function may run on
)

func (k Kind) String() string {
	return [...]string{"refused", "missing", "throttled", "denied", "unreachable", "timed out"}[k]
}

// Error is an invocation that did not take place, or whose end nobody saw.
type Error struct {
	Kind      Kind
	Status    int    // of the target's answer; 0 without one
	Type      string // AWS's exception name; "" without an answer
	Message   string // AWS's text
	RequestID string
	Cause     error
}

func (e *Error) Error() string {
	text := "invoke function: " + e.Kind.String()
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// Host runs functions in this process. Its errors are *Error.
type Host interface {
	Invoke(ctx context.Context, f arn.Function, payload []byte, o Options) (Result, error)
}

// NotFound is Lambda's answer to a function that does not exist.
func NotFound(f arn.Function) *Error {
	return &Error{Kind: Missing, Status: 404, Type: "ResourceNotFoundException", Message: "Function not found: " + f.String()}
}

// TooMany is Lambda's answer beyond the reserved concurrency.
func TooMany() *Error {
	return &Error{Kind: Throttled, Status: 429, Type: "TooManyRequestsException", Message: "Rate Exceeded."}
}

// Overdue is a caller's context that ended during an invocation.
func Overdue(ctx context.Context) *Error {
	return &Error{Kind: TimedOut, Cause: fmt.Errorf("waiting for the function: %w", context.Cause(ctx))}
}
