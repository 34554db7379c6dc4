package vtl

// Event is one directive or reference as it was rendered. Events come in the order in which the directives end, so that a
// loop comes after what is in it.
type Event struct {
	// Directive is set, if, foreach, define, evaluate, break, stop, a macro with its sign ("#name"), or reference.
	Directive    string
	Line, Column int
	// Name is the variable or the source text of the reference.
	Name string
	// Value is what the directive saw: the value assigned or printed, whether a condition held, what was walked over,
	// the text evaluated.
	Value Value
	// Branch of an #if: 0 for the first condition that held, counting up; -1 when none held.
	Branch int
	// Iterations of a #foreach, and whether the limit cut it short (spec/vtl.md 5.3).
	Iterations int
	Cut        bool
	// Start and End are the span of the output. Within a string literal that is rendered, Captured is set and the span
	// is where the text stood before it became the string.
	Start, End int
	Captured   bool
}

// Trace receives events. It is called synchronously and must not keep the Value beyond the call.
type Trace func(Event)

// emit completes an event with its place and span.
func (r *renderer) emit(at place, start int, e Event) {
	e.Line, e.Column = at.position()
	e.Start, e.End, e.Captured = start, len(r.out), r.captures > 0
	r.trace(e)
}
