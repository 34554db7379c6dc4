// Package mapping knows the body mapping of integration requests and responses: which template a content type selects, what
// $input, $util, $context and $stageVariables are in it and what its overrides do, how a URI takes in its variables, and how
// text and binary bodies turn into each other. The template language itself is core/vtl, JSONPath core/jsonpath, the sources
// of parameters core/expression.
//
// It evaluates against interfaces and never sees a request. The surprise: names are compared case-sensitively with the
// spelling on the wire (spec/rest.md 4.4).
package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/vtl"
)

// Passthrough behaviors (spec/rest.md 4.5).
const (
	WhenNoMatch     = "WHEN_NO_MATCH"
	WhenNoTemplates = "WHEN_NO_TEMPLATES"
	Never           = "NEVER"
)

// Template is one compiled mapping template. It is immutable and safe for concurrent use.
type Template struct {
	// Key is what selects the template: a content type, or the key of a WebSocket API. Title is how explanations speak of it.
	Key, Title string

	literal []byte       // the output of a template that is text alone
	program *vtl.Program // nil for such a one
	loops   bool         // whether there may be a #foreach
	context []string     // the members of $context that it may ask for
	// overrides: it may ask for those of an override.
	overrides bool
	utilities vtl.Value // $util
	paths     paths
}

// Compile compiles the template that key selects. An error is an *Error with the place (spec/vtl.md 2.6).
func Compile(key, text string) (*Template, error) {
	t := &Template{Key: key, Title: "the template for " + key}
	if !strings.ContainsAny(text, "$#") && len(text) <= vtl.MaxTemplate {
		t.literal = trim([]byte(text))
		return t, nil
	}
	program, err := vtl.CompileText(text, vtl.Options{})
	if err != nil {
		return nil, failure(err)
	}
	t.program, t.loops = program, strings.Contains(text, "foreach") || strings.Contains(text, "evaluate")
	t.utilities = vtl.ObjectValue(utilities{})
	t.context = usedMembers(program)
	t.overrides = slices.Contains(t.context, "requestOverride") || slices.Contains(t.context, "responseOverride")
	return t, nil
}

// trim takes off what Java's trim does: the result of a template is used without the white space around it
// (spec/rest.md 6.5).
func trim(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// Templates are the templates of a request or a response by content type. A nil *Templates has none. It is immutable.
type Templates struct {
	list []*Template // by content type
}

// CompileTemplates compiles a map of content type to template. An error names the content type and wraps
// an *Error with the place.
func CompileTemplates(byType map[string]string) (*Templates, error) {
	if len(byType) == 0 {
		return nil, nil
	}
	t := &Templates{}
	for contentType, text := range byType {
		compiled, err := Compile(contentType, text)
		if err != nil {
			return nil, fmt.Errorf("template for %s: %w", contentType, err)
		}
		t.list = append(t.list, compiled)
	}
	slices.SortFunc(t.list, func(a, b *Template) int { return strings.Compare(a.Key, b.Key) })
	return t, nil
}

// Empty reports whether there are no templates.
func (t *Templates) Empty() bool { return t == nil || len(t.list) == 0 }

func (t *Templates) find(contentType string) *Template {
	if t == nil {
		return nil
	}
	for _, x := range t.list {
		if strings.EqualFold(x.Key, contentType) {
			return x
		}
	}
	return nil
}

// Choice is what becomes of a request body.
type Choice uint8

// The choices of the passthrough table.
const (
	Transform Choice = iota
	PassThrough
	Unsupported
)

// ForRequest selects by the media type of the request's Content-Type, application/json by default, and the passthrough
// behavior (spec/rest.md 4.5).
func (t *Templates) ForRequest(contentType, passthrough string) (*Template, Choice) {
	found := t.find(MediaType(contentType, "application/json"))
	if found == nil {
		found = t.find("$default")
	}
	switch {
	case found != nil:
		return found, Transform
	case passthrough == Never, passthrough == WhenNoTemplates && !t.Empty():
		return nil, Unsupported
	}
	return nil, PassThrough
}

// ForResponse selects by the first media type of the request's Accept: the exact one, application/json, the first; nil
// when there are none (spec/rest.md 4.9).
func (t *Templates) ForResponse(accept string) *Template {
	if t.Empty() {
		return nil
	}
	first, _, _ := strings.Cut(accept, ",")
	if found := t.find(MediaType(first, "application/json")); found != nil {
		return found
	}
	if found := t.find("application/json"); found != nil {
		return found
	}
	return t.list[0]
}

// MediaType cuts the parameters off a Content-Type or a part of Accept; empty gives the default.
func MediaType(value, byDefault string) string {
	if i := strings.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	if value = strings.Trim(value, " \t"); value == "" {
		return byDefault
	}
	return value
}
