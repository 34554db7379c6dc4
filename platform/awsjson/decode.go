package awsjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/proto/aws"
)

// Request is what of an HTTP request the codec reads.
type Request struct {
	// Labels as Match returned them.
	Labels []string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// decoder collects what is wrong with one request, in AWS's order: first the form (SerializationException, at once), then
// all constraints of the model together (ValidationException). spec/control-plane.md 4.1.
type decoder struct {
	op         *Operation
	violations []string
	unknown    []string
}

// Decode makes the request message of an operation, or says what is wrong with the request.
func (o *Operation) Decode(r Request) (protoreflect.ProtoMessage, *fault.Error) {
	msg := o.input.New()
	if o.in == nil {
		return msg.Interface(), nil
	}
	d := &decoder{op: o}
	if err := d.outside(msg, r); err != nil {
		return nil, err
	}
	outside := d.violations
	d.violations = nil
	if err := d.body(msg, r.Body); err != nil {
		return nil, err
	}
	d.violations = append(d.violations, outside...) // AWS lists the body's first
	d.required(msg, o.in, d.inputPath())
	if len(d.violations) > 0 {
		return nil, fault.Validation(violationText(d.violations))
	}
	if len(d.unknown) > 0 && !o.lenient {
		return nil, fault.BadRequest("Unknown member %s: the request has no such member", strings.Join(d.unknown, ", "))
	}
	return msg.Interface(), nil
}

func violationText(violations []string) string {
	noun := "errors"
	if len(violations) == 1 {
		noun = "error"
	}
	return fmt.Sprintf("%d validation %s detected: %s", len(violations), noun, strings.Join(violations, "; "))
}

// inputPath is how AWS names the body's root: createRestApiInput.
func (d *decoder) inputPath() string {
	return strings.ToLower(d.op.Name[:1]) + d.op.Name[1:] + "Input"
}

// outside decodes members of path, query and header.
func (d *decoder) outside(msg protoreflect.Message, r Request) *fault.Error {
	labels := map[string]string{}
	i := 0
	for _, segment := range strings.Split(d.op.Path, "/") {
		if name, ok := label(segment); ok && i < len(r.Labels) {
			labels[name] = r.Labels[i]
			i++
		}
	}
	for _, m := range d.op.in.members {
		var values []string
		switch m.Place {
		case aws.URI:
			values = []string{labels[m.Wire]}
		case aws.Query:
			values = r.Query[m.Wire]
		case aws.Header:
			values = r.Header.Values(m.Wire)
		case aws.QueryMap:
			d.queryMap(msg, m, r.Query)
		}
		if len(values) == 0 {
			continue
		}
		if err := d.texts(msg, m, values); err != nil {
			return err
		}
	}
	return nil
}

// queryMap takes every pair that no other member and no constant of the operation names.
func (d *decoder) queryMap(msg protoreflect.Message, m *member, query url.Values) {
	taken := map[string]bool{}
	for _, other := range d.op.in.members {
		if other.Place == aws.Query {
			taken[other.Wire] = true
		}
	}
	for k := range d.op.query {
		taken[k] = true
	}
	for k, v := range query {
		if taken[k] || len(v) == 0 {
			continue
		}
		entries, field := wrapped(msg, m.field, "entries")
		entries.Mutable(field).Map().Set(protoreflect.ValueOfString(utf8Text(k)).MapKey(), protoreflect.ValueOfString(utf8Text(v[len(v)-1])))
	}
}

// texts sets a member from strings: a list takes all, a scalar the last.
func (d *decoder) texts(msg protoreflect.Message, m *member, values []string) *fault.Error {
	if m.value.kind == "list" {
		list, items := wrapped(msg, m.field, "items")
		for _, v := range values {
			// SDKs repeat the parameter; documents show one comma list (spec/control-plane.md 8.6).
			for _, part := range strings.Split(v, ",") {
				list.Mutable(items).List().Append(protoreflect.ValueOfString(utf8Text(part)))
			}
		}
		return nil
	}
	v, err := scalarOfText(m.value.kind, values[len(values)-1])
	if err != nil {
		return fault.Serialization("%s: %v", m.Name, err)
	}
	d.constrain(m.constraint, v.Interface(), m.Name)
	msg.Set(m.field, v)
	return nil
}

// utf8Text replaces bytes that are no text, as the JSON decoder does inside a body: messages hold text only.
func utf8Text(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func scalarOfText(kind, text string) (protoreflect.Value, error) {
	switch kind {
	case "string":
		return protoreflect.ValueOfString(utf8Text(text)), nil
	case "bool":
		return protoreflect.ValueOfBool(strings.EqualFold(text, "true")), nil
	case "int32":
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("%q can not be converted to an Integer", text)
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	}
	return protoreflect.Value{}, fmt.Errorf("a %s can not stand outside the body", kind)
}

func (d *decoder) body(msg protoreflect.Message, body []byte) *fault.Error {
	if p := d.op.in.payload; p != nil {
		// A raw body is always there, if empty: an empty message to a connection is a message.
		msg.Set(p.field, protoreflect.ValueOfBytes(body))
		return nil
	}
	if len(d.op.in.byWire) == 0 || len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return fault.Serialization("the body is not valid JSON: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fault.Serialization("the body is not valid JSON: something follows the first value")
	}
	if v == nil {
		return nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return unexpected(v, "structure")
	}
	return d.structure(msg, d.op.in, object, d.inputPath())
}

// structure decodes a JSON object. Members come in the table's order, so that messages are the same every time.
func (d *decoder) structure(msg protoreflect.Message, s *structure, object map[string]any, path string) *fault.Error {
	for _, m := range s.members {
		v, ok := object[m.Wire]
		if !ok || v == nil || s.byWire[m.Wire] != m {
			continue
		}
		if err := d.member(msg, m, v, path+"."+m.Wire); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if s.byWire[name] == nil {
			d.unknown = append(d.unknown, path+"."+name)
		}
	}
	return nil
}

func (d *decoder) member(msg protoreflect.Message, m *member, v any, path string) *fault.Error {
	switch m.value.kind {
	case "list":
		w, field := wrapped(msg, m.field, "items")
		return d.list(w, field, m.value, v, path)
	case "map":
		w, field := wrapped(msg, m.field, "entries")
		return d.mapping(w, field, m.value, v, path)
	case "struct":
		object, ok := v.(map[string]any)
		if !ok {
			return unexpected(v, "structure")
		}
		return d.structure(msg.Mutable(m.field).Message(), m.value.structure, object, path)
	}
	value, err := scalarOfJSON(m.value, v)
	if err != nil {
		return err
	}
	d.constrain(m.constraint, value.Interface(), path)
	msg.Set(m.field, value)
	return nil
}

// wrapped makes the wrapper message of a list or map present and finds its only field.
func wrapped(msg protoreflect.Message, f protoreflect.FieldDescriptor, name protoreflect.Name) (protoreflect.Message, protoreflect.FieldDescriptor) {
	w := msg.Mutable(f).Message()
	return w, onlyField(w, name)
}

// onlyField finds the field of a wrapper message: items of a list, entries of a map.
func onlyField(w protoreflect.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
	return w.Descriptor().Fields().ByName(name)
}

func (d *decoder) list(w protoreflect.Message, field protoreflect.FieldDescriptor, t *valueType, v any, path string) *fault.Error {
	array, ok := v.([]any)
	if !ok {
		return unexpected(v, "list")
	}
	if bad := listViolation(t.elem.constraint, array); bad != "" {
		d.violations = append(d.violations, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy constraint: [%s]", javaList(array), path, bad))
	}
	list := w.Mutable(field).List()
	for i, e := range array {
		if e == nil {
			continue
		}
		value, err := d.element(list.NewElement(), t.elem, e, fmt.Sprintf("%s.%d.member", path, i+1))
		if err != nil {
			return err
		}
		list.Append(value)
	}
	return nil
}

func (d *decoder) mapping(w protoreflect.Message, field protoreflect.FieldDescriptor, t *valueType, v any, path string) *fault.Error {
	object, ok := v.(map[string]any)
	if !ok {
		return unexpected(v, "map")
	}
	entries := w.Mutable(field).Map()
	for _, k := range slices.Sorted(maps.Keys(object)) {
		e := object[k]
		if e == nil && t.elem.kind == "string" {
			e = "" // kept, and shown as null where AWS does
		}
		if e == nil {
			continue
		}
		value, err := d.element(entries.NewValue(), t.elem, e, path+"."+k+".member")
		if err != nil {
			return err
		}
		entries.Set(protoreflect.ValueOfString(k).MapKey(), value)
	}
	return nil
}

// element decodes into a fresh element of a list or map.
func (d *decoder) element(fresh protoreflect.Value, t *valueType, v any, path string) (protoreflect.Value, *fault.Error) {
	switch t.kind {
	case "struct":
		object, ok := v.(map[string]any)
		if !ok {
			return fresh, unexpected(v, "structure")
		}
		return fresh, d.structure(fresh.Message(), t.structure, object, path)
	case "list":
		return fresh, d.list(fresh.Message(), onlyField(fresh.Message(), "items"), t, v, path)
	case "map":
		return fresh, d.mapping(fresh.Message(), onlyField(fresh.Message(), "entries"), t, v, path)
	}
	return scalarOfJSON(t, v)
}
