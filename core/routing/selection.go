package routing

import (
	"fmt"
	"strings"

	"github.com/limen-gateway/limen/core/jsonpath"
)

// Selection is a compiled selection expression over the body of a message: static text and $request.body.path or
// ${request.body.path} in any number (spec/websocket.md 6). It is immutable.
type Selection struct{ pieces []selectionPiece }

type selectionPiece struct {
	text string // static; used when path is nil
	path *jsonpath.Program
}

// DefaultKey is the route, model or template that is taken when no key fits.
const DefaultKey = "$default"

// CompileSelection reads a selection expression. Headers and context do not exist for a message, so that variables other
// than the body are errors.
func CompileSelection(text string) (Selection, error) {
	var s Selection
	static := strings.Builder{}
	for i := 0; i < len(text); {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '$':
			static.WriteByte('$')
			i += 2
		case text[i] != '$':
			static.WriteByte(text[i])
			i++
		default:
			name, end, err := selectionVariable(text, i)
			if err != nil {
				return Selection{}, err
			}
			program, err := bodyPath(name)
			if err != nil {
				return Selection{}, fmt.Errorf("selection expression %s: %w", text, err)
			}
			if static.Len() > 0 {
				s.pieces = append(s.pieces, selectionPiece{text: static.String()})
				static.Reset()
			}
			s.pieces = append(s.pieces, selectionPiece{path: program})
			i = end
		}
	}
	if static.Len() > 0 {
		s.pieces = append(s.pieces, selectionPiece{text: static.String()})
	}
	return s, nil
}

// selectionVariable cuts the variable that begins at text[i] and returns its name without $ and braces.
func selectionVariable(text string, i int) (name string, end int, err error) {
	if strings.HasPrefix(text[i:], "${") {
		n := strings.IndexByte(text[i:], '}')
		if n < 0 {
			return "", 0, fmt.Errorf("selection expression %s: a brace is not closed", text)
		}
		return text[i+2 : i+n], i + n + 1, nil
	}
	end = i + 1
	for end < len(text) && isSelectionName(text[end]) {
		if text[end] != '[' {
			end++
			continue
		}
		n := strings.IndexByte(text[end:], ']')
		if n < 0 {
			return "", 0, fmt.Errorf("selection expression %s: a bracket is not closed", text)
		}
		end += n + 1
	}
	return text[i+1 : end], end, nil
}

func isSelectionName(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '['
}

func bodyPath(name string) (*jsonpath.Program, error) {
	rest, ok := strings.CutPrefix(name, "request.body")
	if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return nil, fmt.Errorf("the variable %s is not in the body of a message", name)
	}
	return jsonpath.Compile("$" + rest)
}

// Reads reports whether the expression looks into the message at all.
func (s Selection) Reads() bool {
	for _, p := range s.pieces {
		if p.path != nil {
			return true
		}
	}
	return false
}

// Key is the expression's value for a message; it is not evaluated again, whatever it reads like. ok is false when the
// expression looks into a message that is no JSON object or list: then only the default fits.
func (s Selection) Key(message string) (key string, ok bool) {
	var document jsonpath.Value
	if s.Reads() {
		if document, ok = parseLenient(message); !ok {
			return "", false
		}
	}
	var out []byte
	for _, p := range s.pieces {
		if p.path == nil {
			out = append(out, p.text...)
			continue
		}
		// What is missing is empty text, not an error (spec/websocket.md, trap 28).
		if v, err := p.path.Eval(document); err == nil {
			out = appendSelected(out, v)
		}
	}
	return string(out), true
}

// appendSelected writes a value as Java's toString does: a list is [a, b] (trap 29).
func appendSelected(dst []byte, v jsonpath.Value) []byte {
	switch v.Kind() {
	case jsonpath.Array:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendElement(dst, v.Index(i))
		}
		return append(dst, ']')
	case jsonpath.Object:
		dst = append(dst, '{')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(append(dst, v.Key(i)...), '=')
			dst = appendElement(dst, v.Index(i))
		}
		return append(dst, '}')
	case jsonpath.String:
		return append(dst, v.Text()...)
	case jsonpath.Null, jsonpath.Absent:
		return dst
	}
	return v.AppendJSON(dst, jsonpath.Plain)
}

func appendElement(dst []byte, v jsonpath.Value) []byte {
	if v.IsNull() {
		return append(dst, "null"...)
	}
	return appendSelected(dst, v)
}

// parseLenient reads a message for routing: JSON, or what AWS's parser also takes (trap 39). Scalars have no members.
func parseLenient(message string) (jsonpath.Value, bool) {
	v, err := jsonpath.ParseJSON(message)
	if err != nil {
		strict, ok := strictJSON(message)
		if !ok {
			return v, false
		}
		if v, err = jsonpath.ParseJSON(strict); err != nil {
			return v, false
		}
	}
	return v, v.Kind() == jsonpath.Object || v.Kind() == jsonpath.Array
}
