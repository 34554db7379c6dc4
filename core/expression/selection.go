package expression

import (
	"fmt"
	"strings"

	"github.com/limen-gateway/limen/core/jsonpath"
)

// Selection is a compiled selection expression: static text and variables, $request.body.path or ${request.body.path}, in
// any number (spec/websocket.md 6). It is immutable.
type Selection struct{ pieces []selectionPiece }

// selectionPiece is static text, a path into the message, or something of an integration's answer.
type selectionPiece struct {
	text   string
	path   *jsonpath.Program
	answer func(Answer) string
}

// Answer is what a selection expression may read of an integration's answer.
type Answer interface {
	ResponseStatus() string
	// ResponseHeader is the last value of a header, ResponseHeaderAll appends all of them to dst.
	ResponseHeader(name string) string
	ResponseHeaderAll(dst []string, name string) []string
	ResponseBody() string
}

// DefaultKey is the route, model or template that is taken when no key fits.
const DefaultKey = "$default"

// CompileSelection reads a selection expression over a message. Headers and context do not exist for one, so that variables
// other than the body are errors.
func CompileSelection(text string) (Selection, error) { return compileSelection(text, messagePiece) }

// CompileResponseSelection reads a selection expression over a message and the answer that an integration gave to it
// (spec/websocket.md 6.2).
func CompileResponseSelection(text string) (Selection, error) {
	return compileSelection(text, answerPiece)
}

func compileSelection(text string, variable func(name string) (selectionPiece, error)) (Selection, error) {
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
			piece, err := variable(name)
			if err != nil {
				return Selection{}, fmt.Errorf("selection expression %s: %w", text, err)
			}
			if static.Len() > 0 {
				s.pieces = append(s.pieces, selectionPiece{text: static.String()})
				static.Reset()
			}
			s.pieces = append(s.pieces, piece)
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

func messagePiece(name string) (selectionPiece, error) {
	path, ok := bodyPath(name, "request.body")
	if !ok {
		return selectionPiece{}, fmt.Errorf("the variable %s is not in the body of a message", name)
	}
	program, err := jsonpath.Compile(path)
	return selectionPiece{path: program}, err
}

// bodyPath is the path behind the name of a body.
func bodyPath(name, body string) (string, bool) {
	rest, ok := strings.CutPrefix(name, body)
	return "$" + rest, ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func answerPiece(name string) (selectionPiece, error) {
	if name == "integration.response.statuscode" {
		return selectionPiece{answer: Answer.ResponseStatus}, nil
	}
	if header, ok := strings.CutPrefix(name, "integration.response.header."); ok && header != "" {
		return selectionPiece{answer: func(a Answer) string { return a.ResponseHeader(header) }}, nil
	}
	if header, ok := strings.CutPrefix(name, "integration.response.multivalueheader."); ok && header != "" {
		return selectionPiece{answer: func(a Answer) string { return strings.Join(a.ResponseHeaderAll(nil, header), ",") }}, nil
	}
	path, ok := bodyPath(name, "integration.response.body")
	if !ok {
		return messagePiece(name)
	}
	program, err := jsonpath.Compile(path)
	return selectionPiece{answer: func(a Answer) string {
		document, ok := parseLenient(a.ResponseBody())
		if !ok {
			return ""
		}
		return string(appendFound(nil, program, document))
	}}, err
}

// appendFound appends what a path finds. What is missing is empty text, not an error (spec/websocket.md, trap 28).
func appendFound(dst []byte, p *jsonpath.Program, document jsonpath.Value) []byte {
	v, err := p.Eval(document)
	if err != nil {
		return dst
	}
	return appendSelected(dst, v)
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
func (s Selection) Key(message string) (key string, ok bool) { return s.ResponseKey(message, nil) }

// ResponseKey is Key for an expression over a message and an answer.
func (s Selection) ResponseKey(message string, a Answer) (key string, ok bool) {
	var document jsonpath.Value
	if s.Reads() {
		if document, ok = parseLenient(message); !ok {
			return "", false
		}
	}
	var out []byte
	for _, p := range s.pieces {
		switch {
		case p.answer != nil:
			out = append(out, p.answer(a)...)
		case p.path != nil:
			out = appendFound(out, p.path, document)
		default:
			out = append(out, p.text...)
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
