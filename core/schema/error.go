package schema

import "strconv"

// Error is what is wrong with a model.
type Error struct {
	Model    string // name of the model; empty from Parse
	Pointer  string // JSON pointer to the place in the schema, when the schema is JSON
	Position int    // byte offset of that place
	Message  string
}

func (e *Error) Error() string {
	s := "schema"
	if e.Model != "" {
		s = "model " + e.Model
	}
	s += " at " + strconv.Itoa(e.Position)
	if e.Pointer != "" {
		s += " (" + e.Pointer + ")"
	}
	return s + ": " + e.Message
}
