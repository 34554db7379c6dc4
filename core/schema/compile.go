package schema

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Models are the models of one API.
type Models struct {
	API       string // its id, which references between models name
	Documents map[string]*Document
}

// prefix is how a reference to another model begins (spec/rest.md 2.3).
const prefix = "https://apigateway.amazonaws.com/restapis/"

func (m Models) url(name string) string { return prefix + m.API + "/models/" + name }

// Load is the library's way to documents: those of the API's own models and no others. It never touches the network.
func (m Models) Load(location string) (any, error) {
	name, ok := m.name(location)
	if !ok {
		return nil, errors.New("only models of the same API can be referred to")
	}
	d := m.Documents[name]
	if d == nil {
		return nil, errors.New("there is no model " + name)
	}
	return d.root, nil
}

// name is the model that a URL names.
func (m Models) name(url string) (string, bool) {
	return strings.CutPrefix(url, prefix+m.API+"/models/")
}

// document is the model's document that a URL names; nil when it names none.
func (m Models) document(url string) *Document {
	name, _ := m.name(url)
	return m.Documents[name]
}

// Compile makes the named model ready to judge bodies. Errors are *Error; they tell of the model that is wrong, which may be
// another than the named one.
func (m Models) Compile(name string) (*Schema, error) {
	if m.Documents[name] == nil {
		return nil, &Error{Model: name, Message: "there is no such model"}
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(m)
	c.UseRegexpEngine(compilePattern)
	c.RegisterVocabulary(ownKeywords)
	root, err := c.Compile(m.url(name))
	if err != nil {
		return nil, m.explain(name, err)
	}
	g := collect(root)
	if loop := g.loop(); loop != nil {
		return nil, m.errorAt(name, loop.Location, "schema refers to itself without end")
	}
	s := &Schema{root: root, sources: map[string]*Document{}, oneOf: map[string]*jsonschema.Schema{}, bound: g.bound(root)}
	for _, sub := range g.order {
		if sub.OneOf != nil {
			s.oneOf[sub.Location] = sub
		}
		document, _ := splitLocation(sub.Location)
		if d := m.document(document); d != nil {
			s.sources[document] = d
			takeOver(sub)
		}
	}
	return s, nil
}

// explain makes an Error of the library's.
func (m Models) explain(name string, err error) error {
	var invalid *jsonschema.SchemaValidationError
	var load *jsonschema.LoadURLError
	var missing *jsonschema.JSONPointerNotFoundError
	var pattern *jsonschema.InvalidRegexError
	switch {
	case errors.As(err, &invalid):
		if cause, ok := invalid.Err.(*jsonschema.ValidationError); ok {
			return m.notSchema(name, invalid.URL, cause)
		}
	case errors.As(err, &load):
		return m.errorAt(name, m.url(name), "cannot refer to "+load.URL+": "+load.Err.Error())
	case errors.As(err, &missing):
		return m.errorAt(name, m.url(name), "a reference leads nowhere: "+missing.Error())
	case errors.As(err, &pattern):
		return m.errorAt(name, pattern.URL, "invalid pattern "+pattern.Regex+": "+pattern.Err.Error())
	}
	return m.errorAt(name, m.url(name), err.Error())
}

// notSchema tells the innermost failure of a document against the meta-schema of draft 4.
func (m Models) notSchema(name, location string, e *jsonschema.ValidationError) *Error {
	e = innermost(e)
	document, pointer := splitLocation(location)
	r := reporter{}
	if d := m.document(document); d != nil {
		found := reporter{instance: d.root}
		r.body, r.instance = d.text[offset(d.text, pointer):], found.value(tokens(pointer))
	}
	return m.at(name, document, pointer+pointerOf(e.InstanceLocation), "not a schema: "+r.message(e))
}

// innermost is the failure that lies deepest in the document: of the alternatives that failed the one that was meant.
func innermost(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return e
	}
	deepest := innermost(e.Causes[0])
	for _, cause := range e.Causes[1:] {
		other := innermost(cause)
		switch n := len(other.InstanceLocation) - len(deepest.InstanceLocation); {
		case n > 0, n == 0 && slices.Compare(other.InstanceLocation, deepest.InstanceLocation) < 0:
			deepest = other
		}
	}
	return deepest
}

// errorAt finds the model and the place that a location of the library names.
func (m Models) errorAt(name, location, message string) *Error {
	document, pointer := splitLocation(location)
	return m.at(name, document, pointer, message)
}

func (m Models) at(name, document, pointer, message string) *Error {
	if m.document(document) != nil {
		name, _ = m.name(document)
	}
	return &Error{Model: name, Pointer: pointer, Position: offset(m.Documents[name].text, pointer), Message: message}
}

// splitLocation takes a location of the library apart into the URL of a document and a JSON pointer.
func splitLocation(location string) (document, pointer string) {
	document, fragment, _ := strings.Cut(location, "#")
	if !strings.Contains(fragment, "%") {
		return document, fragment
	}
	b := make([]byte, 0, len(fragment))
	for i := 0; i < len(fragment); i++ {
		if fragment[i] == '%' && i+2 < len(fragment) {
			if n, err := strconv.ParseUint(fragment[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, fragment[i])
	}
	return document, string(b)
}
