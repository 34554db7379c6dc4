package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// scope is what placeholders of a case stand for.
type scope struct {
	values   map[string]any
	backends map[string]*fake
	// connection is the id of the WebSocket that is open.
	connection func() (string, error)
}

// member is one member of an object, in the order in which it is written.
type member struct {
	name  string
	value json.RawMessage
}

// members splits an object without losing its order: texts of JSON are sent as the case spells them.
func members(object json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not an object: %s", object)
	}
	var out []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// kind is the first character of a JSON value.
func kind(raw json.RawMessage) byte {
	if text := bytes.TrimSpace(raw); len(text) > 0 {
		return text[0]
	}
	return 0
}

// fill replaces placeholders and unwraps wrapped values.
func (s *scope) fill(raw json.RawMessage) (any, error) {
	switch kind(raw) {
	case 0:
		return nil, nil
	case '{':
		return s.fillObject(raw)
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
		out := make([]any, len(list))
		for i := range list {
			var err error
			if out[i], err = s.fill(list[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, err
		}
		return s.fillText(text)
	}
	var out any
	err := json.Unmarshal(raw, &out)
	return out, err
}

func (s *scope) fillObject(raw json.RawMessage) (any, error) {
	list, err := members(raw)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		if out, ok, err := s.unwrap(list[0]); ok || err != nil {
			return out, err
		}
	}
	out := map[string]any{}
	for _, m := range list {
		name, err := s.text(m.name)
		if err != nil {
			return nil, err
		}
		if out[name], err = s.fill(m.value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// unwrap gives the text that a wrapped value stands for.
func (s *scope) unwrap(m member) (any, bool, error) {
	switch m.name {
	case "$json":
		text, err := s.jsonText(m.value)
		return text, true, err
	case "$text":
		out, err := s.fill(m.value)
		return out, true, err
	case "$base64":
		var text string
		if err := json.Unmarshal(m.value, &text); err != nil {
			return nil, true, err
		}
		out, err := base64.StdEncoding.DecodeString(text)
		return string(out), true, err
	case "$repeat":
		out, err := repeated(m.value)
		return out, true, err
	}
	return nil, false, nil
}

func repeated(raw json.RawMessage) (string, error) {
	var text string
	var count int
	pair := []any{&text, &count}
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
		return "", fmt.Errorf("$repeat wants a text and a number, is %s", raw)
	}
	return strings.Repeat(text, count), nil
}

// jsonText is the JSON text of a value, in the order in which it is written.
func (s *scope) jsonText(raw json.RawMessage) (string, error) {
	var out strings.Builder
	err := s.writeJSON(&out, raw)
	return out.String(), err
}

func (s *scope) writeJSON(out *strings.Builder, raw json.RawMessage) error {
	switch kind(raw) {
	case '{':
		return s.writeObject(out, raw)
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for i, each := range list {
			out.WriteString(separator(i, "["))
			if err := s.writeJSON(out, each); err != nil {
				return err
			}
		}
		out.WriteString(ending(len(list), "[", "]"))
		return nil
	case '"':
		v, err := s.fill(raw)
		if err != nil {
			return err
		}
		out.WriteString(compact(v))
		return nil
	}
	out.Write(bytes.TrimSpace(raw))
	return nil
}

func (s *scope) writeObject(out *strings.Builder, raw json.RawMessage) error {
	list, err := members(raw)
	if err != nil {
		return err
	}
	if len(list) == 1 {
		if v, ok, err := s.unwrap(list[0]); ok || err != nil {
			out.WriteString(compact(v))
			return err
		}
	}
	for i, m := range list {
		name, err := s.text(m.name)
		if err != nil {
			return err
		}
		out.WriteString(separator(i, "{") + compact(name) + ": ")
		if err := s.writeJSON(out, m.value); err != nil {
			return err
		}
	}
	out.WriteString(ending(len(list), "{", "}"))
	return nil
}

// The separators are those of the client that recorded the cases, because some of them look at lengths.
func separator(i int, open string) string {
	if i == 0 {
		return open
	}
	return ", "
}

func ending(n int, open, end string) string {
	if n == 0 {
		return open + end
	}
	return end
}

// compact is the JSON of a value, without escapes that only HTML needs.
func compact(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v) // values come from JSON and always encode
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// placeholder stops at the first closing braces: a template may hold braces of its own.
var placeholder = regexp.MustCompile(`\{\{([^{}]+)\}\}`)

// fillText replaces placeholders of a text; a text that is one placeholder becomes its value.
func (s *scope) fillText(text string) (any, error) {
	if m := placeholder.FindStringSubmatch(text); m != nil && m[0] == text {
		return s.lookup(m[1])
	}
	return s.text(text)
}

// text replaces placeholders of a text by texts.
func (s *scope) text(text string) (string, error) {
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		v, err := s.lookup(p[2 : len(p)-2])
		if err != nil && failed == nil {
			failed = err
		}
		return plain(v)
	})
	return out, failed
}

// plain is a value inside a longer text.
func plain(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return compact(v)
}

func (s *scope) lookup(name string) (any, error) {
	if rest, ok := strings.CutPrefix(name, "upper:"); ok {
		v, err := s.lookup(rest)
		return strings.ToUpper(plain(v)), err
	}
	if rest, ok := strings.CutPrefix(name, "backend."); ok {
		return s.backend(rest)
	}
	if name == "connection" && s.connection != nil {
		return s.connection()
	}
	first, rest, _ := strings.Cut(name, ".")
	root, known := s.values[first]
	if !known {
		return nil, fmt.Errorf("{{%s}} stands for nothing", name)
	}
	v, ok := at(root, rest, false)
	if whole, alias := strings.CutPrefix(rest, "out."); !ok && alias { // the answer, in the words of some cases
		v, ok = at(root, whole, false)
	}
	if !ok {
		return nil, fmt.Errorf("{{%s}}: the answer has no such member", name)
	}
	return v, nil
}

func (s *scope) backend(name string) (any, error) {
	id, member, _ := strings.Cut(name, ".")
	f := s.backends[id]
	if f == nil {
		return nil, fmt.Errorf("{{backend.%s}}: the case has no such backend", name)
	}
	switch member {
	case "arn":
		return f.arn, nil
	case "url":
		return f.url, nil
	case "name":
		return f.name, nil
	}
	if claims, ok := strings.CutPrefix(member, "token"); ok && f.issuer != nil {
		return f.issuer.token(f.url, strings.Fields(claims))
	}
	return nil, fmt.Errorf("{{backend.%s}} stands for nothing", name)
}

// at walks a dotted path: numbers are places in lists, json() reads a JSON text. It tells whether something is there; null
// is nothing.
func at(v any, path string, anyCase bool) (any, bool) {
	for _, segment := range segments(path) {
		switch n := v.(type) {
		case map[string]any:
			v = named(n, segment, anyCase)
		case []any:
			i, err := strconv.Atoi(segment)
			if err != nil || i < 0 || i >= len(n) {
				return nil, false
			}
			v = n[i]
		case string:
			if segment != "json()" {
				return nil, false
			}
			var parsed any
			if json.Unmarshal([]byte(n), &parsed) != nil {
				return nil, false
			}
			v = parsed
		default:
			return nil, false
		}
	}
	return v, v != nil
}

// segments splits a path; list[0] is list.0 in other words.
func segments(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(path, "]", ""), "[", "."), ".")
}

func named(object map[string]any, name string, anyCase bool) any {
	if v, ok := object[name]; ok || !anyCase {
		return v
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		if strings.EqualFold(k, name) {
			return object[k]
		}
	}
	return nil
}
