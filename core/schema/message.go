package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// message is the service's text of one failure (spec/rest.md 2.2).
func (r *reporter) message(e *jsonschema.ValidationError) string {
	switch e.ErrorKind.(type) {
	case *kind.Type, *kind.Enum, *kind.Format:
		return r.ofValue(e)
	case *kind.Required, *kind.AdditionalProperties, *kind.MinProperties, *kind.MaxProperties, *kind.Dependency:
		return ofObject(e.ErrorKind, r.schema(e.SchemaURL))
	case *kind.MinItems, *kind.MaxItems, *kind.AdditionalItems, *kind.UniqueItems:
		return ofArray(e.ErrorKind, r.value(e.InstanceLocation))
	case *kind.MinLength, *kind.MaxLength, *kind.Pattern:
		return ofString(e.ErrorKind, r.value(e.InstanceLocation))
	case *kind.Minimum, *kind.Maximum, *kind.ExclusiveMinimum, *kind.ExclusiveMaximum, *kind.MultipleOf:
		return r.ofNumber(e)
	case *kind.AllOf, *kind.AnyOf, *kind.OneOf, *kind.Not:
		return r.ofSchemas(e)
	}
	return fmt.Sprint(e.ErrorKind.KeywordPath())
}

func (r *reporter) ofValue(e *jsonschema.ValidationError) string {
	v := r.value(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return fmt.Sprintf("instance type (%s) does not match any allowed primitive type (allowed: %s)", typeOf(v), list(sorted(k.Want)))
	case *kind.Enum:
		return fmt.Sprintf("instance value (%s) not found in enum (possible values: %s)", r.written(e.InstanceLocation), r.enum(e.SchemaURL, k.Want))
	case *kind.Format:
		return fmt.Sprintf(formatMessages[k.Want], v)
	}
	return ""
}

// written is the text of a value of the body.
func (r *reporter) written(location []string) string {
	switch v := r.value(location).(type) {
	case map[string]any, []any:
		return asWritten(r.body, location)
	default:
		return text(v)
	}
}

// enum is the text of the values that a schema allows.
func (r *reporter) enum(location string, values []any) string {
	document, pointer := splitLocation(location)
	if d := r.sources[document]; d != nil {
		return asWritten(d.text, append(tokens(pointer), "enum"))
	}
	return text(values) // of the meta-schema
}

// formatMessages are the texts of the formats of draft 4.
var formatMessages = map[string]string{
	"date-time": `string "%s" is invalid against requested date format(s) [yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.[0-9]{1,12}Z]`,
	"email":     `string "%s" is not a valid email address`,
	"hostname":  `string "%s" is not a valid hostname`,
	"ipv4":      `string "%s" is not a valid IPv4 address`,
	"ipv6":      `string "%s" is not a valid IPv6 address`,
	"regex":     `string "%s" is not a valid ECMA 262 regular expression`,
	"uri":       `string "%s" is not a valid URI`,
}

func ofObject(k jsonschema.ErrorKind, schema map[string]any) string {
	switch k := k.(type) {
	case *kind.Required:
		return fmt.Sprintf("object has missing required properties (%s)", list(sorted(k.Missing)))
	case *kind.AdditionalProperties:
		return "object instance has properties which are not allowed by the schema: " + list(sorted(k.Properties))
	case *kind.MinProperties:
		return fmt.Sprintf("object has too few properties (found %d but schema requires at least %d)", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("object has too many properties (found %d but schema requires at most %d)", k.Got, k.Want)
	case *kind.Dependency:
		dependencies, _ := schema["dependencies"].(map[string]any)
		return fmt.Sprintf("property %q of object has missing property dependencies (schema requires %s; missing: %s)",
			k.Prop, text(dependencies[k.Prop]), list(k.Missing))
	}
	return ""
}

func ofArray(k jsonschema.ErrorKind, v any) string {
	switch k := k.(type) {
	case *kind.MinItems:
		return fmt.Sprintf("array is too short: must have at least %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("array is too long: must have at most %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.AdditionalItems:
		items, _ := v.([]any)
		return fmt.Sprintf("schema only allows %d elements in array but instance has %d elements", len(items)-k.Count, len(items))
	}
	return "array must not contain duplicate elements"
}

func ofString(k jsonschema.ErrorKind, v any) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf(`string "%s" is too short (length: %d, required minimum: %d)`, v, k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf(`string "%s" is too long (length: %d, maximum allowed: %d)`, v, k.Got, k.Want)
	case *kind.Pattern:
		return fmt.Sprintf(`ECMA 262 regex "%s" does not match input string "%s"`, k.Want, v)
	}
	return ""
}

// ofNumber prints numbers as they were written, in the body and in the schema.
func (r *reporter) ofNumber(e *jsonschema.ValidationError) string {
	found, schema := text(r.value(e.InstanceLocation)), r.schema(e.SchemaURL)
	below := func() string {
		return fmt.Sprintf("numeric instance is lower than the required minimum (minimum: %s, found: %s)", text(schema["minimum"]), found)
	}
	above := func() string {
		return fmt.Sprintf("numeric instance is greater than the required maximum (maximum: %s, found: %s)", text(schema["maximum"]), found)
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Minimum:
		return below()
	case *kind.Maximum:
		return above()
	case *kind.ExclusiveMinimum:
		if equal(k.Got, k.Want) {
			return "numeric instance is not strictly greater than the required minimum " + text(schema["minimum"])
		}
		return below()
	case *kind.ExclusiveMaximum:
		if equal(k.Got, k.Want) {
			return "numeric instance is not strictly lower than the required maximum " + text(schema["maximum"])
		}
		return above()
	}
	return fmt.Sprintf("remainder of division is not zero (%s / %s)", found, text(schema["multipleOf"]))
}

func equal(a, b *big.Rat) bool { return a.Cmp(b) == 0 }

func (r *reporter) ofSchemas(e *jsonschema.ValidationError) string {
	schema := r.schema(e.SchemaURL)
	count := func(keyword string) int {
		schemas, _ := schema[keyword].([]any)
		return len(schemas)
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AllOf:
		of := max(count("allOf"), len(e.Causes))
		return fmt.Sprintf("instance failed to match all required schemas (matched only %d out of %d)", of-len(e.Causes), of)
	case *kind.AnyOf:
		return fmt.Sprintf("instance failed to match at least one required schema among %d", max(count("anyOf"), len(e.Causes)))
	case *kind.OneOf:
		return fmt.Sprintf("instance failed to match exactly one schema (matched %d out of %d)", r.matched(e, k), count("oneOf"))
	}
	return "instance matched a schema which it should not have"
}

// matched counts the schemas of oneOf that hold. The library stops at the second.
func (r *reporter) matched(e *jsonschema.ValidationError, k *kind.OneOf) int {
	s := r.oneOf[e.SchemaURL]
	if len(k.Subschemas) == 0 || s == nil {
		return len(k.Subschemas)
	}
	v, n := r.value(e.InstanceLocation), 0
	for _, sub := range s.OneOf {
		if sub.Validate(v) == nil {
			n++
		}
	}
	return n
}

// value is what the location leads to in the body.
func (r *reporter) value(location []string) any {
	v := r.instance
	for _, token := range location {
		switch inner := v.(type) {
		case map[string]any:
			v = inner[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(inner) {
				return nil
			}
			v = inner[i]
		}
	}
	return v
}

// schema is the schema that the library's location names, as it was written; empty when it is none of the models'.
func (r *reporter) schema(location string) map[string]any {
	document, pointer := splitLocation(location)
	d := r.sources[document]
	if d == nil {
		return nil
	}
	found := reporter{instance: d.root}
	s, _ := found.value(tokens(pointer)).(map[string]any)
	return s
}

// typeOf is the type of a value; a number without fraction and exponent is an integer.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case number:
		if strings.ContainsAny(string(v), ".eE") {
			return "number"
		}
		return "integer"
	}
	return "object"
}

// asWritten is the compact text of the value that a location leads to, its keys in the order in which they were written.
func asWritten(source string, location []string) string {
	d := json.NewDecoder(strings.NewReader(source[offset(source, pointerOf(location)):]))
	d.UseNumber()
	var b strings.Builder
	writeValue(&b, d)
	return b.String()
}

// writeValue copies the next value. The source is known to be JSON.
func writeValue(b *strings.Builder, d *json.Decoder) {
	token, _ := d.Token()
	opening, ok := token.(json.Delim)
	if !ok {
		b.WriteString(text(token))
		return
	}
	b.WriteString(opening.String())
	for first := true; d.More(); first = false {
		if !first {
			b.WriteByte(',')
		}
		if opening == '{' {
			writeValue(b, d)
			b.WriteByte(':')
		}
		writeValue(b, d)
	}
	closing, _ := d.Token()
	b.WriteString(closing.(json.Delim).String())
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func list(s []string) string { return text(s) }

// text is the JSON text of a value, as Jackson prints it but for the order of keys.
func text(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // made of JSON, so it has a JSON text
	return strings.TrimSuffix(b.String(), "\n")
}
