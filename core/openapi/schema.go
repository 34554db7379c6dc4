package openapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// modelPattern is the name of a model. spec/rest.md 2.3.
var modelPattern = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// dropped are keywords of OpenAPI that JSON Schema draft 4 does not have and API Gateway ignores (spec/rest.md 2.3).
var dropped = []string{"discriminator", "example", "externalDocs", "xml", "nullable", "readOnly", "writeOnly", "deprecated"}

// models makes a model of every schema that the document names.
func (p *parser) models() {
	declared := p.component("definitions", "schemas")
	for name, schema := range p.members(declared) {
		if !modelPattern.MatchString(name) {
			p.fault("Unable to create model named '%s': Model name must be alphanumeric: %s", name, name)
			continue
		}
		if !schema.is(object) {
			p.fault("Unable to create model named '%s': Invalid model schema specified. Expected type object but got '%s'", name, schema.shown())
			continue
		}
		p.addModel(name, p.schema(schema, "model '"+name+"'"), schema.get("description").scalar())
	}
}

// danglingModels reports references to schemas that the document does not have. API Gateway's own models need no
// declaration.
func (p *parser) danglingModels() {
	for _, name := range slices.Sorted(maps.Keys(p.referred)) {
		if _, ok := p.schemas[name]; !ok && name != "Empty" && name != "Error" {
			p.fault("Unable to create model for %s: Invalid model identifier specified: %s", p.referred[name], name)
		}
	}
}

func (p *parser) addModel(name, schema, description string) {
	p.schemas[name] = schema
	m := &apigatewayv1.Model{Name: ptr(name), ContentType: ptr("application/json"), Schema: ptr(schema)}
	if description != "" {
		m.Description = ptr(description)
	}
	p.def.Models = append(p.def.Models, m)
}

// model names the model of a body: the one that a reference names, or one made from the schema in place.
func (p *parser) model(schema *node, where string) string {
	ref := schema.get("$ref")
	if ref.is(text) {
		name, ok := modelName(ref.text)
		if !ok {
			p.fault("Unable to create model for %s: the reference '%s' names no model of the document", where, ref.shown())
		}
		return name
	}
	if name, ok := p.inline[schema]; ok {
		return name
	}
	name := p.inlineModel(schema, where)
	p.inline[schema] = name
	return name
}

// inlineModel makes a model of a schema that has no name. The name depends on the schema alone, so that the same document
// gives the same API.
func (p *parser) inlineModel(schema *node, where string) string {
	written := p.schema(schema, where)
	if items := schema.get("items"); schema.get("type").scalar() == "array" && len(schema.keys) == 2 && len(items.keysOf()) == 1 {
		if of, ok := modelName(items.get("$ref").scalar()); ok && p.free("ArrayOf"+of, written) {
			return p.named("ArrayOf"+of, written)
		}
	}
	digest := sha256.Sum256([]byte(written))
	id := hex.EncodeToString(digest[:])
	length := 6
	for length < len(id) && !p.free("MODEL"+id[:length], written) {
		length++
	}
	return p.named("MODEL"+id[:length], written)
}

func (n *node) keysOf() []string {
	if n == nil {
		return nil
	}
	return n.keys
}

// free tells whether a name can stand for a schema.
func (p *parser) free(name, schema string) bool {
	other, taken := p.schemas[name]
	return modelPattern.MatchString(name) && (!taken || other == schema)
}

func (p *parser) named(name, schema string) string {
	if _, ok := p.schemas[name]; !ok {
		p.addModel(name, schema, "")
	}
	return name
}

// schema writes a schema of the document as a draft-4 schema.
func (p *parser) schema(n *node, where string) string {
	w := &schemaWriter{p: p, where: where}
	w.schema(n)
	return w.String()
}

// schemaWriter writes JSON, as long as the document may cost more.
type schemaWriter struct {
	bytes.Buffer
	p     *parser
	where string
}

func (w *schemaWriter) quoted(s string) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if e.Encode(s) == nil {
		w.Truncate(w.Len() - 1) // the encoder ends with a line break
	}
}

// plain writes a value as it is.
func (w *schemaWriter) plain(n *node) { w.value(n, (*schemaWriter).plain) }

// schemaMap writes an object whose members are schemas under names of the user's.
func (w *schemaWriter) schemaMap(n *node) {
	if !n.is(object) {
		w.plain(n)
		return
	}
	w.value(n, (*schemaWriter).schema)
}

// value writes a value, what it holds with inner.
func (w *schemaWriter) value(n *node, inner func(*schemaWriter, *node)) {
	if n == nil || !w.p.spend(1+len(n.text)) {
		w.WriteString("null")
		return
	}
	switch n.kind {
	case null:
		w.WriteString("null")
	case boolean, number:
		w.WriteString(n.text)
	case text:
		w.quoted(n.text)
	case array:
		w.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				w.WriteByte(',')
			}
			inner(w, item)
		}
		w.WriteByte(']')
	case object:
		w.WriteByte('{')
		first := true
		for key, v := range w.p.members(n) {
			w.key(key, &first)
			inner(w, v)
		}
		w.WriteByte('}')
	}
}

func (w *schemaWriter) key(key string, first *bool) {
	if !*first {
		w.WriteByte(',')
	}
	*first = false
	w.quoted(key)
	w.WriteByte(':')
}

// schema writes an object as a schema: references become those between models, keywords that draft 4 does not have are
// left out.
func (w *schemaWriter) schema(n *node) {
	if !n.is(object) {
		w.value(n, (*schemaWriter).schema)
		return
	}
	if ref := n.get("$ref"); ref.is(text) {
		w.WriteString(`{"$ref":`)
		w.quoted(w.reference(ref.text))
		w.WriteByte('}')
		return
	}
	w.WriteByte('{')
	first := true
	for key, v := range w.p.members(n) {
		if contains(dropped, key) || len(key) > 2 && key[:2] == "x-" {
			continue
		}
		w.key(key, &first)
		switch key {
		case "properties", "patternProperties", "definitions":
			w.schemaMap(v)
		case "enum", "default", "required", "type":
			w.plain(v)
		default:
			w.schema(v)
		}
	}
	w.WriteByte('}')
}

// reference rewrites a reference to another schema of the document. spec/control-plane.md 8.1.
func (w *schemaWriter) reference(ref string) string {
	name, ok := modelName(ref)
	if !ok {
		w.p.fault("Unable to create model for %s: the reference '%s' names no model of the document", w.where, (&node{kind: text, text: ref}).shown())
		return ref
	}
	if !w.p.spend(len(name) + 64) {
		return ref
	}
	w.p.referred[name] = w.where
	return "https://apigateway.amazonaws.com/restapis/" + w.p.o.APIID + "/models/" + name
}
