package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Passthrough behaviors (spec/rest.md 4.5).
const (
	WhenNoMatch     = "WHEN_NO_MATCH"
	WhenNoTemplates = "WHEN_NO_TEMPLATES"
	Never           = "NEVER"
)

// ErrLanguage is the error of a template that needs the template language.
var ErrLanguage = errors.New("the mapping-template language is not served yet; only templates without $ and # are")

// Template is one compiled mapping template.
type Template struct {
	ContentType string
	text        string
}

// Render is the template's output.
func (t *Template) Render() string { return t.text }

// Templates are the templates of a request or a response by content type. A nil *Templates has none. It is immutable.
type Templates struct {
	list []Template // by content type
}

// CompileTemplates compiles a map of content type to template. A template without $ and # renders as its text; others
// are an error that wraps ErrLanguage.
func CompileTemplates(byType map[string]string) (*Templates, error) {
	if len(byType) == 0 {
		return nil, nil
	}
	t := &Templates{}
	for contentType, text := range byType {
		if strings.ContainsAny(text, "$#") {
			return nil, fmt.Errorf("template for %s: %w", contentType, ErrLanguage)
		}
		t.list = append(t.list, Template{contentType, text})
	}
	slices.SortFunc(t.list, func(a, b Template) int { return strings.Compare(a.ContentType, b.ContentType) })
	return t, nil
}

// Empty reports whether there are no templates.
func (t *Templates) Empty() bool { return t == nil || len(t.list) == 0 }

func (t *Templates) find(contentType string) *Template {
	if t == nil {
		return nil
	}
	for i := range t.list {
		if strings.EqualFold(t.list[i].ContentType, contentType) {
			return &t.list[i]
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
	return &t.list[0]
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
