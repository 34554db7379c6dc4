package schema

import (
	"errors"
	"strconv"
	"strings"
)

// Document is the tree of a model's schema, without what the service ignores. Nobody changes it once it is parsed.
type Document struct {
	text string
	root map[string]any
}

// maxLength is the room for all models of an API together (spec/rest.md 2.3).
const maxLength = 400 << 10

// Parse reads a schema. Errors are *Error. Whether it is a schema is told by Compile.
func Parse(text string) (*Document, error) {
	if len(text) > maxLength {
		return nil, &Error{Position: maxLength, Message: "schema is too long"}
	}
	v, _, err := decode(text)
	var syntax *syntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, &Error{Position: syntax.position, Message: syntax.message}
	case err != nil:
		return nil, &Error{Message: err.Error()}
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{Message: "schema is not an object"}
	}
	clean(root)
	return &Document{text: text, root: root}, nil
}

// formats are those of draft 4; every other format says nothing, int32, int64 and decimal among them (spec/rest.md 2.3).
var formats = map[string]bool{"date-time": true, "email": true, "hostname": true, "ipv4": true, "ipv6": true, "regex": true, "uri": true}

// Keywords whose values are schemas, by the shape of the value.
var (
	schemaKeywords = []string{"additionalItems", "additionalProperties", "not", "items"}
	listKeywords   = []string{"allOf", "anyOf", "oneOf", "items"}
	mapKeywords    = []string{"properties", "patternProperties", "definitions", "dependencies"}
)

// clean removes from a schema what the service ignores: $schema, whatever dialect it names, formats it does not know, and
// exclusive bounds that are not the booleans of draft 4. Unknown keywords are ignored by the library.
func clean(s map[string]any) {
	if _, ok := s["$schema"].(string); ok {
		delete(s, "$schema")
	}
	if f, ok := s["format"].(string); ok && !formats[f] {
		delete(s, "format")
	}
	for _, k := range [...]string{"exclusiveMinimum", "exclusiveMaximum"} {
		if _, ok := s[k].(number); ok {
			delete(s, k)
		}
	}
	for _, k := range schemaKeywords {
		if sub, ok := s[k].(map[string]any); ok {
			clean(sub)
		}
	}
	for _, k := range listKeywords {
		list, _ := s[k].([]any)
		for _, item := range list {
			if sub, ok := item.(map[string]any); ok {
				clean(sub)
			}
		}
	}
	for _, k := range mapKeywords {
		members, _ := s[k].(map[string]any)
		for _, item := range members {
			if sub, ok := item.(map[string]any); ok {
				clean(sub)
			}
		}
	}
}

// offset is where the value that a pointer leads to begins in the text, as far as the pointer can be followed.
func offset(text, pointer string) int {
	at := blanks(text, 0)
	for _, token := range tokens(pointer) {
		next, ok := child(text, at, token)
		if !ok {
			return at
		}
		at = next
	}
	return at
}

// tokens takes a JSON pointer apart.
func tokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(pointer, "/")[1:]
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts
}

// child finds the member or element of the value that begins at at. The text is known to be JSON.
func child(text string, at int, token string) (int, bool) {
	opening := text[at]
	if opening != '{' && opening != '[' {
		return 0, false
	}
	for i, at := 0, blanks(text, at+1); text[at] != '}' && text[at] != ']'; i++ {
		name := strconv.Itoa(i)
		if opening == '{' {
			end := skip(text, at)
			name = unquote(text[at:end])
			at = blanks(text, blanks(text, end)+1) // behind the colon
		}
		if name == token {
			return at, true
		}
		if at = blanks(text, skip(text, at)); text[at] == ',' {
			at = blanks(text, at+1)
		}
	}
	return 0, false
}

func blanks(text string, at int) int {
	for at < len(text) && strings.IndexByte(" \t\r\n", text[at]) >= 0 {
		at++
	}
	return at
}

// skip is the end of the value that begins at at.
func skip(text string, at int) int {
	depth := 0
	for ; at < len(text); at++ {
		switch c := text[at]; c {
		case '"':
			for at++; text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth < 0 {
				return at
			}
		case ',', ' ', '\t', '\r', '\n', ':':
			if depth == 0 {
				return at
			}
		}
		if c := text[at]; depth == 0 && (c == '"' || c == '}' || c == ']') {
			return at + 1
		}
	}
	return at
}

func unquote(quoted string) string {
	v, _, err := decode(quoted)
	if s, ok := v.(string); ok && err == nil {
		return s
	}
	return quoted
}
