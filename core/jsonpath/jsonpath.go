// Package jsonpath is JSONPath as mapping templates and request parameters use it ($input.path, $input.json), and the JSON
// values it works on. It behaves as Jayway's JsonPath 2.9 does, odd corners included: unions of names at the end of a path
// make one object, a definite path that leads nowhere is an error, an index after a deep scan skips what has no such element.
//
// Parse reads a path, Compile makes it a Program, Eval runs it on a Value from ParseJSON. Programs are immutable and safe for
// concurrent use. The package knows nothing of templates: what an error prints as is decided by its caller.
//
// The surprise: bounds count steps, not seconds. A path whose evaluation would take more than MaxSteps visits fails with
// TooComplex, however large the document is that makes it so.
package jsonpath

import (
	"strconv"
	"strings"
)

// Program is a compiled path. The zero Program is not usable.
type Program struct {
	text     string
	steps    []link
	root     bool // evaluates from the document, not from the element of a filter
	definite bool
	simple   bool // only names and single indexes: needs no run
	required bool // a missing name is an error wherever it stands: how the library checks existence
}

// link is a step and what its place in the path means for it.
type link struct {
	*step
	last     bool
	upstream bool // everything before is definite: not finding is an error here
	definite bool // this step is
	args     []binding
	missing  *Error // made once, so that not finding allocates nothing
}

// binding is an argument of a function, compiled.
type binding struct {
	path  *Program
	value Value
}

// Compile is Parse and then the compilation of its tree.
func Compile(text string) (*Program, error) {
	p, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return p.Compile(), nil
}

// String is the text the path was parsed from.
func (p *Program) String() string { return p.text }

// Definite reports whether the path can find one value at most. The others find an array.
func (p *Program) Definite() bool { return p.definite }

// Compile turns the tree into a program.
func (p *Path) Compile() *Program { return p.compile(p.inverted()) }

func (p *Path) compile(steps []*step) *Program {
	out := &Program{text: p.text, root: p.root, steps: make([]link, len(steps)), definite: true, simple: true}
	for i, s := range steps {
		l := link{step: s, last: i == len(steps)-1, upstream: out.definite}
		l.definite = s.isDefinite(l.last)
		l.missing = &Error{Code: PathNotFound, Position: s.position, Message: "nothing at " + s.String()}
		for _, a := range s.args {
			b := binding{value: a.value}
			if a.path != nil {
				b.path = a.path.argument(s.function)
			}
			l.args = append(l.args, b)
		}
		out.steps[i] = l
		out.definite = out.definite && l.definite
		out.simple = out.simple && s.isSimple()
	}
	return out
}

func (s *step) isSimple() bool {
	return s.kind == rootStep || s.kind == propertyStep && len(s.names) == 1 || s.kind == indexStep && len(s.indexes) == 1
}

// isDefinite: names at the end of a path are gathered in one object, so they find one value.
func (s *step) isDefinite(last bool) bool {
	switch s.kind {
	case rootStep, functionStep:
		return true
	case propertyStep:
		return last || len(s.names) == 1
	case indexStep:
		return len(s.indexes) == 1
	}
	return false
}

// inverted turns $..path.f() into f($..path): after a deep scan a function applies to all that was found.
func (p *Path) inverted() []*step {
	last := p.steps[len(p.steps)-1]
	if last.kind != functionStep || p.steps[1].kind != scanStep {
		return p.steps
	}
	i := 1
	for p.steps[i].kind != functionStep {
		i++
	}
	inner := &Path{text: p.text, steps: p.steps[:i], root: true}
	call := *p.steps[i]
	call.args = []argument{{path: inner}}
	return append([]*step{p.steps[0], &call}, p.steps[i+1:]...)
}

// argument compiles a path that is an argument of a function. The length of a path is the number of children of all it finds.
func (p *Path) argument(function string) *Program {
	last := p.steps[len(p.steps)-1]
	if (function == "length" || function == "size") && last.kind != functionStep && len(p.steps) > 1 {
		steps := append(append([]*step{}, p.steps...), &step{kind: wildcardStep, position: last.position})
		return p.compile(steps)
	}
	return p.Compile()
}

// requiring is the program as a check of existence runs it.
func (p *Program) requiring() *Program {
	out := *p
	out.required = true
	return &out
}

// String is the step as a path is written, for messages.
func (s *step) String() string {
	switch s.kind {
	case propertyStep:
		return "['" + strings.Join(s.names, "','") + "']"
	case indexStep:
		var b []string
		for _, i := range s.indexes {
			b = append(b, strconv.Itoa(i))
		}
		return "[" + strings.Join(b, ",") + "]"
	case sliceStep:
		return "[:]"
	case wildcardStep:
		return "[*]"
	case scanStep:
		return ".."
	case filterStep:
		return "[?]"
	case functionStep:
		return s.function + "()"
	}
	return "$"
}

func itoa(n int) string { return strconv.Itoa(n) }
