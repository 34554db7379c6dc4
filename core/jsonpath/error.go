package jsonpath

import "strconv"

// Code tells the kinds of failure apart.
type Code uint8

// The failures of this package.
const (
	InvalidPath  Code = iota + 1 // the path is not well formed, or cannot be applied to this document at all
	PathNotFound                 // a definite path, or the definite beginning of one, leads nowhere
	InvalidJSON                  // the document is not JSON
	Failed                       // a function cannot be applied to what its path found
	TooComplex                   // a limit of this package was reached
)

var codeNames = [...]string{"", "invalid path", "path not found", "invalid JSON", "evaluation failed", "too complex"}

func (c Code) String() string { return codeNames[c] }

// Error is every error of this package.
type Error struct {
	Code     Code
	Position int // byte offset in the path, or in the document for InvalidJSON
	Message  string
}

func (e *Error) Error() string {
	return e.Code.String() + " at " + strconv.Itoa(e.Position) + ": " + e.Message
}

func invalid(position int, message string) *Error {
	return &Error{Code: InvalidPath, Position: position, Message: message}
}
