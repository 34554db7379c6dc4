package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/limen-gateway/limen/core/vtl"
)

// Error is why a template does not compile, or why it failed on a request. It quotes the template at most, never a value of
// the request, so that it may be kept in a record.
type Error struct {
	// Line and Column are the place in the template, from 1; zero when there is none.
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// quotes begins the part of Java's messages that holds the value a method was given.
const quotes = ": for input string"

// failure makes an Error of one of the template language.
func failure(err error) error {
	var e *vtl.Error
	if !errors.As(err, &e) {
		return err
	}
	message, _, _ := strings.Cut(e.Message, quotes)
	return &Error{Line: e.Line, Column: e.Column, Message: message}
}
