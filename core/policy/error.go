package policy

import "strconv"

// Error is what is wrong with a document.
type Error struct {
	Position int    // byte offset
	Element  string // Statement[1].Condition, empty for the document as a whole
	Message  string
}

func (e *Error) Error() string {
	s := "policy at " + strconv.Itoa(e.Position) + ": "
	if e.Element != "" {
		s += e.Element + ": "
	}
	return s + e.Message
}
