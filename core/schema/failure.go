package schema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Failure is one thing that is wrong with a body.
type Failure struct {
	Pointer string // JSON pointer to the value
	Keyword string // the keyword of the schema that it fails; empty when the body could not be judged
	Message string // in the service's words
	Detail  string // what the service does not tell: why the body could not be judged

	location []string
}

// Failures are all that is wrong, in the service's order.
type Failures []Failure

// String is the validationErrorString: the messages as Java prints a list (spec/rest.md 2.2).
func (f Failures) String() string {
	messages := make([]string, len(f))
	for i := range f {
		messages[i] = f[i].Message
	}
	return "[" + strings.Join(messages, ", ") + "]"
}

// reporter turns the library's errors into failures.
type reporter struct {
	sources  map[string]*Document
	oneOf    map[string]*jsonschema.Schema
	body     string
	instance any // of the body
}

func (r *reporter) report(e *jsonschema.ValidationError) Failures {
	var all Failures
	r.flatten(e, &all)
	slices.SortStableFunc(all, compare)
	first := all[0].location
	kept := all[:0]
	type place struct{ pointer, message string }
	told := map[place]bool{}
	for _, f := range all {
		if at := (place{f.Pointer, f.Message}); reached(f.location, first) && !told[at] {
			told[at] = true
			kept = append(kept, f)
		}
	}
	return kept
}

// flatten gathers the failures that the service lists. What allOf and its like found inside their schemas it does not list.
func (r *reporter) flatten(e *jsonschema.ValidationError, all *Failures) {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference:
		for _, cause := range e.Causes {
			r.flatten(cause, all)
		}
		return
	}
	r.add(e, all)
}

func (r *reporter) add(e *jsonschema.ValidationError, all *Failures) {
	*all = append(*all, Failure{
		Pointer:  pointerOf(e.InstanceLocation),
		Keyword:  keyword(e.ErrorKind),
		Message:  r.message(e),
		location: e.InstanceLocation,
	})
}

// pointerOf is a location as a JSON pointer.
func pointerOf(location []string) string {
	var b strings.Builder
	for _, token := range location {
		b.WriteByte('/')
		b.WriteString(escape.Replace(token))
	}
	return b.String()
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// keyword is the name by which the service orders the failures of one value.
func keyword(k jsonschema.ErrorKind) string {
	switch k.(type) {
	case *kind.Not:
		return "not"
	case *kind.Dependency:
		return "dependencies"
	case *kind.ExclusiveMinimum:
		return "minimum"
	case *kind.ExclusiveMaximum:
		return "maximum"
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return path[0]
	}
	return ""
}

// compare orders failures as the service's validator meets them: a value before what is inside it, elements by index, members
// by name, and for one value the keywords by name.
func compare(a, b Failure) int {
	for i := range min(len(a.location), len(b.location)) {
		if c := compareTokens(a.location[i], b.location[i]); c != 0 {
			return c
		}
	}
	if c := len(a.location) - len(b.location); c != 0 {
		return c
	}
	if c := strings.Compare(a.Keyword, b.Keyword); c != 0 {
		return c
	}
	return strings.Compare(a.Message, b.Message)
}

func compareTokens(a, b string) int {
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	if err1 == nil && err2 == nil && len(a) == len(strconv.Itoa(x)) && len(b) == len(strconv.Itoa(y)) {
		return x - y
	}
	return strings.Compare(a, b)
}

// reached reports whether the service's validator gets to a value after the first failure: from then on it finishes the
// values that it had begun to go through, but goes into none.
func reached(location, first []string) bool {
	if len(location) == 0 || len(location) > len(first) {
		return slices.Equal(location, first)
	}
	parent := location[:len(location)-1]
	return slices.Equal(parent, first[:len(parent)])
}
