package vtl

import (
	"fmt"
	"unicode/utf8"
)

// ErrorKind says at which moment a template failed (spec/vtl.md 8).
type ErrorKind uint8

// The kinds of errors.
const (
	// ErrParse: the text is not a template. It does not depend on input.
	ErrParse ErrorKind = iota
	// ErrRender: a method failed, an index was out of range, a directive was misused.
	ErrRender
	// ErrResource: #parse or #include, which have nothing to read.
	ErrResource
	// ErrLimit: the template would have taken more than its limits allow.
	ErrLimit
)

var kindNames = [...]string{"does not compile", "failed", "asks for a resource", "exceeds a limit"}

func (k ErrorKind) String() string { return kindNames[k] }

// Error is a template's failure with its place: the line and the column, both from 1, the column in characters.
type Error struct {
	Kind         ErrorKind
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("template %s at line %d, column %d: %s", e.Kind, e.Line, e.Column, e.Message)
}

// errorAt makes an error for an offset of the text.
func errorAt(kind ErrorKind, text string, offset int, format string, args ...any) *Error {
	line, column := position(text, offset)
	return &Error{Kind: kind, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// position counts lines the way Velocity does: \n, \r and \r\n each end one.
func position(text string, offset int) (line, column int) {
	offset = min(offset, len(text))
	line, start := 1, 0
	for i := range offset {
		if text[i] == '\n' || text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			line, start = line+1, i+1
		}
	}
	return line, utf8.RuneCountInString(text[start:offset]) + 1
}
