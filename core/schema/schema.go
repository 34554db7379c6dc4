// Package schema is the models and the body half of request validators: JSON Schema draft 4 with references between the
// models of an API, and the wording in which the service tells what is wrong with a body (spec/rest.md 2.2, 2.3).
//
// Parse reads a model's schema, Models.Compile makes a Schema of it and of all models it refers to, Check judges a body.
// Schemas are immutable and safe for concurrent use. Nothing is ever fetched: a reference leads into the same document, to
// another model of the same API, or to the meta-schema of draft 4.
//
// The surprise: failures come as the service's Java validator reports them, not as a reader would expect. What contains a
// failure hides what is inside it, allOf and its like only tell how many of their schemas matched, and an empty body is an
// empty object that fails with the text of an unreadable one.
package schema

import (
	"encoding/json"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a compiled model.
type Schema struct {
	root    *jsonschema.Schema
	sources map[string]*Document // documents by URL: the library does not keep all that a message tells
	oneOf   map[string]*jsonschema.Schema
	bound   bound
}

// unreadable is the service's text for a body that cannot be judged (observed).
const unreadable = "Unknown error parsing request body"

// Check judges a body, which is JSON whatever its content type says. Without failures the body is valid.
func (s *Schema) Check(body string) Failures {
	empty := isBlank(body)
	if empty {
		body = "{}"
	}
	instance, depth, err := decode(body)
	if err != nil {
		return Failures{{Message: unreadable, Detail: err.Error()}}
	}
	if !s.bound.allows(depth, len(body)) {
		return Failures{{Message: unreadable, Detail: "too complex: the schema applies itself too often to a body so deep"}}
	}
	problem := s.root.Validate(instance)
	if problem == nil {
		return nil
	}
	if empty {
		return Failures{{Message: unreadable, Detail: "the body is empty"}}
	}
	r := reporter{sources: s.sources, oneOf: s.oneOf, body: body, instance: instance}
	return r.report(problem.(*jsonschema.ValidationError))
}

func isBlank(body string) bool {
	for i := range len(body) {
		if c := body[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// Valid is Check without the reasons.
func (s *Schema) Valid(body string) bool { return s.Check(body) == nil }

// number is the JSON number the library works with.
type number = json.Number
